# shellcheck shell=bash
# The life of the RPM package. Its database is a fresh one, and Debian's names of its dependencies are others, hence --nodeps.
# shellcheck disable=SC1091
. /tmp/tests/say.sh
# shellcheck disable=SC1091
. /tmp/tests/agent.sh
# shellcheck disable=SC1091
. /tmp/tests/client.sh

config=/etc/pmm-buffer/pmm-buffer.yml
queue=/var/lib/pmm-buffer
first=/tmp/packages/first.rpm

run_rpm() {
    rpm --dbpath /tmp/rpmdb --force-debian --nosignature --nodeps "$@" >/tmp/rpm.log 2>&1 || fail "rpm $*: $(cat /tmp/rpm.log)"
}

dpkg --purge pmm-buffer >/dev/null 2>&1 || true
rm -rf "$queue" /etc/pmm-buffer /var/lib/pmm-buffer-shim /usr/local/percona
mkdir -p /tmp/rpmdb
rpm --dbpath /tmp/rpmdb --initdb

say "what the package says"
is "name" pmm-buffer "$(rpm -qp --qf '%{NAME}' "$first" 2>/dev/null)"
is "configuration" "$config" "$(rpm -qp --configfiles "$first" 2>/dev/null)"
for script in preinstall postinstall preuninstall postuninstall; do
    expect "script $script" grep -q "^$script scriptlet" <(rpm -qp --scripts "$first" 2>/dev/null)
done
for need in systemd /usr/sbin/useradd 'libc.so.6(GLIBC_'; do
    expect "needs $need" grep -qF "$need" <(rpm -qp --requires "$first" 2>/dev/null)
done

# Each version of a library's symbols that the program has, or it would be installed where it does not start.
rpm -qp --requires "$first" >/tmp/rpm.log 2>/dev/null
readelf --version-info --wide /tmp/packages/program 2>/dev/null | sed -n '/version_needs\|Version needs/,$p' |
    awk '/File: / { file = $5 } /Name: / { print file "(" $3 ")" }' | sort -u >/tmp/versions
expect "there are such versions" grep -q 'libstdc++.so.6(GLIBCXX_' /tmp/versions
while read -r version; do
    grep -qF "$version" /tmp/rpm.log || fail "the package does not say that it needs $version"
done </tmp/versions
say "ok it needs $(wc -l </tmp/versions) versions of symbols, and says so"

say "install"
run_rpm -i "$first"
is "shell of the user" /sbin/nologin "$(getent passwd pmm-buffer | cut -d: -f7)"
owned /usr/bin/pmm-buffer "755 root:root"
owned "$config" "640 root:pmm-buffer"
owned "$queue" "700 pmm-buffer:pmm-buffer"
expect "files are as in the package" rpm --dbpath /tmp/rpmdb --nodeps -V pmm-buffer
expect "it says what to do next" grep -q "systemctl enable --now pmm-buffer, then, with PMM Client" /tmp/rpm.log
start_agent
is "a push is answered" 204 "$(push)"
stop_agent
kept=$(samples)

say "upgrade, with a configuration that was edited"
echo "# mine" >>"$config"
cp "$config" /tmp/mine
run_rpm -U /tmp/packages/next.rpm
is "release" 2 "$(rpm --dbpath /tmp/rpmdb -q --qf '%{RELEASE}' pmm-buffer)"
same "the configuration is as it was" /tmp/mine "$config"
is "samples in the queue" "$kept" "$(samples)"
start_agent
is "a push is answered" 204 "$(push)"
stop_agent

say "remove"
run_rpm -e pmm-buffer
gone /usr/bin/pmm-buffer
gone "$config"
same "the configuration is kept under another name" /tmp/mine "$config.rpmsave"
expect "the queue is there" [ -n "$(ls -A "$queue")" ]
expect "it says that the queue stays" grep -q "the queue stays" /tmp/rpm.log
is "nothing is enabled" "" "$(find /etc/systemd/system -name 'pmm-buffer*')"

if ! find_vmagent >/dev/null; then
    skip "with PMM Client 2: no vmagent here"
    exit 0
fi
say "with PMM Client 2: in, upgrade, out"
make_client /usr/local/percona/pmm2
run_rpm -i "$first"
start_agent
expect "in" pmm-buffer pmm-agent install
start_client
eventually "what vmagent pushes is buffered" is_buffered
run_rpm -U /tmp/packages/next.rpm
expect "an upgrade changes nothing" grep -q "$link" "$yaml"
run_rpm -e pmm-buffer
same "out: pmm-agent.yaml is as it was" /tmp/client.yaml "$yaml"
expect "it says what is left to do" grep -q "restart pmm-agent, if it runs" /tmp/rpm.log
expect "it says where credentials are left" grep -q /var/lib/pmm-buffer-shim /tmp/rpm.log
is "what pmm-agent starts before that" "$base/exporters/vmagent" "$(readlink "$link")"
stop_client
stop_agent
