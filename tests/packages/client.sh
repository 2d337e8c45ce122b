# shellcheck shell=bash
# PMM Client, as far as the buffer sees it: its user, its tree, its pmm-agent.yaml, and the real vmagent, started as pmm-agent of
# PMM 3.4 and later starts it. Needs manager.sh to be in the place of systemctl for `restart`.

client_log=/tmp/client.log

# find_vmagent: prints where it is; fails where it is not.
find_vmagent() {
    command -v vmagent || { [ -x "$PEERS/usr/bin/vmagent" ] && echo "$PEERS/usr/bin/vmagent"; }
}

# make_client FOLDER: sets base, yaml and link, and keeps the file as it was in /tmp/client.yaml.
make_client() {
    base=$1 yaml=$1/config/pmm-agent.yaml link=/var/lib/pmm-buffer-shim/pmm-buffer-vmagent
    getent passwd pmm-agent >/dev/null || useradd -r -U -d "$base" -M -s /sbin/nologin pmm-agent
    mkdir -p "$base"/{config,exporters,tmp}
    install -m 0755 "$(find_vmagent)" "$base/exporters/vmagent"
    cat >"$yaml" <<EOF
# Updated by \`pmm-agent setup\`.
---
id: 8a1bd5a2-1b1f-4c5e-9d7d-0a2f6f0a1111
server:
    address: pmm.invalid:443
    username: service_token
    password: glsa_hunter2
paths:
    paths_base: $base
    tempdir: $base/tmp
debug: false
EOF
    chown -R pmm-agent: "$base"
    chmod 0660 "$yaml"
    cp -p "$yaml" /tmp/client.yaml
    printf 'scrape_configs:\n  - {job_name: vmagent, scrape_interval: 1s, static_configs: [{targets: ["127.0.0.1:42000"]}]}\n' \
        >/tmp/scrape.yml
    chmod 0644 /tmp/scrape.yml
}

stop_client() {
    end /tmp/client.pid
}

# What pmm-agent is told once PMM Server answers: where vmagent sends to.
start_client() {
    local program
    program=$(sed -n 's/^ *vmagent: *//p' "$yaml")
    cd /
    setpriv --reuid pmm-agent --regid pmm-agent --clear-groups env -i \
        VMAGENT_remoteWrite_url=https://pmm.invalid:443/victoriametrics/api/v1/write \
        VMAGENT_remoteWrite_tlsInsecureSkipVerify=true VMAGENT_remoteWrite_flushInterval=1s \
        VMAGENT_remoteWrite_basicAuth_username=service_token VMAGENT_remoteWrite_basicAuth_password=glsa_hunter2 \
        "${program:-$base/exporters/vmagent}" -envflag.enable=true -envflag.prefix=VMAGENT_ -promscrape.config=/tmp/scrape.yml \
        -remoteWrite.tmpDataPath="$base/tmp/vmagent-temp-dir" -httpListenAddr=127.0.0.1:42000 >>"$client_log" 2>&1 </dev/null &
    echo $! >/tmp/client.pid
}

# The program that runs in place of vmagent, and its arguments and variables, one a line.
running() {
    readlink "/proc/$(cat /tmp/client.pid)/exe"
    tr '\0' '\n' <"/proc/$(cat /tmp/client.pid)/cmdline"
    tr '\0' '\n' <"/proc/$(cat /tmp/client.pid)/environ"
}

# by_vmagent: prints how many pushes of vmagent's were accepted.
by_vmagent() {
    python3 -c '
import urllib.request
page = urllib.request.urlopen("http://127.0.0.1:9431/metrics", timeout=5).read().decode()
name = "pmm_buffer_pushes_accepted_total{route=\"/api/v1/write\"} "
print(next((line[len(name):] for line in page.splitlines() if line.startswith(name)), 0))'
}

# eventually WHAT COMMAND...: until the command succeeds, for a minute at most.
eventually() {
    local what=$1 tries=0
    shift
    until "$@" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || fail "$what: $(cat "$client_log" /tmp/agent.log 2>/dev/null | tail -20)"
        sleep 0.1
    done
    say "ok $what"
}

is_buffered() {
    [ "$(by_vmagent)" -gt 0 ]
}

is_real_vmagent() {
    [ "$(running | head -1)" = "$base/exporters/vmagent" ] && running | grep -q '^VMAGENT_remoteWrite_url=https://pmm.invalid'
}

is_by_the_buffer() {
    [ "$(running | head -1)" = "$base/exporters/vmagent" ] && running | grep -q '^VMAGENT_remoteWrite_url=http://127.0.0.1:9431'
}
