# shellcheck shell=bash
# Part of deb.sh: on a host with PMM Client, from the package to protected in three commands, and out in one.

mkdir -p /run/systemd/system
for name in systemctl deb-systemd-invoke; do
    ln -s /tmp/tests/manager.sh "/usr/local/sbin/$name"
done
make_client /usr/local/percona/pmm
echo "$base" >/tmp/client.base
# What an upgrade from PMM Client 2 may leave behind.
mkdir -p /usr/local/percona/pmm2/config
cp "$yaml" /usr/local/percona/pmm2/config

# timed NAME COMMAND...: how long a command takes, in ms.
timed() {
    local begun what=$1
    shift
    begun=$(date +%s%N)
    "$@" >/tmp/timed.log 2>&1 || fail "$what: $(cat /tmp/timed.log)"
    say "ok $what ($((($(date +%s%N) - begun) / 1000000)) ms)"
}

say "with PMM Client: in"
systemctl restart pmm-agent.service
eventually "vmagent sends to PMM Server" is_real_vmagent
timed "1. dpkg -i" install_package -i /tmp/packages/first.deb
expect "its file is not for the buffer to read" grep -q "$yaml cannot be read" /tmp/agent.log
timed "2. pmm-buffer pmm-agent install --restart" pmm-buffer pmm-agent install --restart
timed "3. pmm-buffer pmm-agent status" pmm-buffer pmm-agent status
eventually "vmagent sends to the buffer" is_by_the_buffer
eventually "what vmagent pushes is buffered" is_buffered
owned /var/lib/pmm-buffer-shim "2750 pmm-agent:pmm-buffer"
owned /var/lib/pmm-buffer-shim/upstream.json "640 pmm-agent:pmm-buffer"
owned "$yaml" "660 pmm-agent:pmm-agent"
same "the file of another PMM Client is left" /tmp/client.yaml /usr/local/percona/pmm2/config/pmm-agent.yaml
expect "nobody else reads what is handed over" \
    sh -c '! setpriv --reuid nobody --regid nogroup --clear-groups cat /var/lib/pmm-buffer-shim/upstream.json'
# Its exit status is that of the upstream, which there is none of.
is_followed() { grep -q "https://pmm.invalid:443/victoriametrics/api/v1/write (pmm)" <(pmm-buffer status); }
eventually "the buffer follows what was handed over" is_followed
expect "no secret in the process" sh -c '! tr "\0" "\n" </proc/$(cat /tmp/client.pid)/environ | grep -q hunter2'
expect "its folder is declared as it is" systemd-tmpfiles --create pmm-buffer.conf
owned /var/lib/pmm-buffer-shim "2750 pmm-agent:pmm-buffer"

say "with PMM Client: upgrade"
install_package -i /tmp/packages/next.deb
expect "pmm-agent still starts the buffer's link" grep -q "vmagent: $link" "$yaml"
expect "which leads to the program" [ -x "$link" ]
eventually "what vmagent pushes is buffered" is_buffered

say "with PMM Client: out"
rm -f /tmp/asked
timed "dpkg -r" install_package -r pmm-buffer
same "pmm-agent.yaml is as it was" /tmp/client.yaml "$yaml"
owned "$yaml" "660 pmm-agent:pmm-agent"
is "pmm-agent first, then the buffer" \
    "systemctl try-restart pmm-agent.service,deb-systemd-invoke stop pmm-buffer.socket pmm-buffer.service" \
    "$(grep -v daemon-reload /tmp/asked | paste -sd,)"
eventually "vmagent sends to PMM Server" is_real_vmagent
is "what an old pmm-agent starts" "$base/exporters/vmagent" "$(readlink "$link")"
install_package --purge pmm-buffer
gone /var/lib/pmm-buffer-shim

say "with PMM Client: a file that cannot be set back, and a manager that fails"
install_package -i /tmp/packages/first.deb
# Meanwhile vmagent has put on disk what PMM Server did not take.
expect "in" pmm-buffer pmm-agent install --restart --discard-queue
printf 'paths: {vmagent: %s}\n' "$link" >"$yaml"
touch /tmp/manager.fails
install_package -r pmm-buffer
expect "it says so" grep -q "cannot be set back" /tmp/dpkg.log
expect "it says what to do" grep -q "restart pmm-agent: systemctl try-restart pmm-agent.service" /tmp/dpkg.log
is "what pmm-agent starts" "$base/exporters/vmagent" "$(readlink "$link")"
install_package --purge pmm-buffer
is "what pmm-agent starts, after purging" "$base/exporters/vmagent" "$(readlink "$link")"
gone /var/lib/pmm-buffer-shim/upstream.json

say "with PMM Client: a program that does not start"
rm -rf /var/lib/pmm-buffer-shim /tmp/manager.fails
cp -p /tmp/client.yaml "$yaml"
install_package -i /tmp/packages/first.deb
expect "in" pmm-buffer pmm-agent install --discard-queue
rm /usr/bin/pmm-buffer
printf 'no program\n' >/usr/bin/pmm-buffer
install_package -r pmm-buffer
expect "it says what to do" grep -q "take that line out, then: systemctl restart pmm-agent" /tmp/dpkg.log
gone /usr/bin/pmm-buffer
install_package --purge pmm-buffer
stop_client
rm -rf /run/systemd/system /usr/local/sbin/systemctl /usr/local/sbin/deb-systemd-invoke /usr/local/percona /tmp/client.base
