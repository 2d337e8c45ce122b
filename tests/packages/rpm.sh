# shellcheck shell=bash
# The life of the RPM package. Its database is a fresh one, and Debian's names of its dependencies are others, hence --nodeps.
# shellcheck disable=SC1091
. /tmp/tests/say.sh
# shellcheck disable=SC1091
. /tmp/tests/agent.sh

config=/etc/pmm-buffer/pmm-buffer.yml
queue=/var/lib/pmm-buffer
first=/tmp/packages/first.rpm

run_rpm() {
    rpm --dbpath /tmp/rpmdb --force-debian --nosignature --nodeps "$@" >/tmp/rpm.log 2>&1 || fail "rpm $*: $(cat /tmp/rpm.log)"
}

dpkg --purge pmm-buffer >/dev/null 2>&1 || true
rm -rf "$queue" /etc/pmm-buffer
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

say "install"
run_rpm -i "$first"
is "shell of the user" /sbin/nologin "$(getent passwd pmm-buffer | cut -d: -f7)"
owned /usr/bin/pmm-buffer "755 root:root"
owned "$config" "640 root:pmm-buffer"
owned "$queue" "700 pmm-buffer:pmm-buffer"
expect "files are as in the package" rpm --dbpath /tmp/rpmdb --nodeps -V pmm-buffer
expect "it says what to do next" grep -q "systemctl enable --now pmm-buffer" /tmp/rpm.log
start_agent
is "a push is answered" 204 "$(push)"
stop_agent

say "upgrade, with a configuration that was edited"
echo "# mine" >>"$config"
cp "$config" /tmp/mine
run_rpm -U /tmp/packages/next.rpm
is "release" 2 "$(rpm --dbpath /tmp/rpmdb -q --qf '%{RELEASE}' pmm-buffer)"
same "the configuration is as it was" /tmp/mine "$config"
is "samples in the queue" 1 "$(samples)"
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
