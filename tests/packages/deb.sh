# shellcheck shell=bash
# The life of the Debian package: install, edit, upgrade, remove, install again, purge; and outside of its root.
# shellcheck disable=SC1091
. /tmp/tests/say.sh
# shellcheck disable=SC1091
. /tmp/tests/agent.sh
# shellcheck disable=SC1091
. /tmp/tests/client.sh

config=/etc/pmm-buffer/pmm-buffer.yml
queue=/var/lib/pmm-buffer
enabled="/etc/systemd/system/multi-user.target.wants/pmm-buffer.service /etc/systemd/system/sockets.target.wants/pmm-buffer.socket"
version=$(dpkg-deb -f /tmp/packages/first.deb Version)

# Triggers would build indexes of all the man pages of the host.
install_package() {
    DEBIAN_FRONTEND=noninteractive dpkg --no-triggers "$@" >/tmp/dpkg.log 2>&1 || fail "dpkg $*: $(cat /tmp/dpkg.log)"
}

# Where a host has it already, the copy begins without.
dpkg --purge pmm-buffer >/dev/null 2>&1 || true
rm -rf "$queue" /etc/pmm-buffer /var/lib/pmm-buffer-shim /usr/local/percona

say "install"
install_package -i /tmp/packages/first.deb
expect "files are as in the package" dpkg --verify pmm-buffer
expect "user" getent passwd pmm-buffer
is "shell of the user" /usr/sbin/nologin "$(getent passwd pmm-buffer | cut -d: -f7)"
owned /usr/bin/pmm-buffer "755 root:root"
owned "$config" "640 root:pmm-buffer"
owned "$queue" "700 pmm-buffer:pmm-buffer"
for unit in $enabled; do
    expect "enabled: $unit" [ -e "$unit" ]
done
expect "it says what to do next" grep -q "pmm-buffer pmm-agent install --restart" /tmp/dpkg.log
is "it runs" "pmm-buffer ${version%-*}" "$(pmm-buffer --version)"
expect "its configuration is sound" pmm-buffer check-config "$config"
expect "its folder is declared as it is" systemd-tmpfiles --create pmm-buffer.conf
owned "$queue" "700 pmm-buffer:pmm-buffer"
if command -v systemd-analyze >/dev/null; then
    is "systemd finds nothing wrong" "" "$(systemd-analyze verify pmm-buffer.service pmm-buffer.socket 2>&1)"
fi
for page in /usr/share/man/man1/pmm-buffer*.1.gz; do
    command -v man >/dev/null || break
    is "man page $(basename "$page")" "" "$(man --warnings -l "$page" 2>&1 >/dev/null)"
done
expect "completion for bash" bash -n /usr/share/bash-completion/completions/pmm-buffer

say "first sample"
start_agent
is "a push is answered" 204 "$(push)"
expect "it says that nothing says yet where PMM Server is" grep -q "nowhere to send to yet" /tmp/agent.log
stop_agent
kept=$(samples)
expect "samples in the queue" [ "$kept" -gt 0 ]

say "upgrade, with a configuration that was edited, a service that was disabled"
echo "# mine" >>"$config"
chmod 0600 "$config"
chown pmm-buffer: "$config"
rm -f "${enabled%% *}"
cp "$config" /tmp/mine
install_package --force-confdef --force-confold -i /tmp/packages/next.deb
is "version" 9.9.9-1 "$(dpkg-query -W -f '${Version}' pmm-buffer)"
same "the configuration is as it was" /tmp/mine "$config"
owned "$config" "600 pmm-buffer:pmm-buffer"
gone "${enabled%% *}"
expect "the new default is beside it" grep -q "next version" "$config.dpkg-dist"
is "samples in the queue" "$kept" "$(samples)"
start_agent
is "a push is answered" 204 "$(push)"
stop_agent
expect "more samples in the queue" [ "$(samples)" -gt "$kept" ]
kept=$(samples)

say "remove"
install_package -r pmm-buffer
gone /usr/bin/pmm-buffer
gone /usr/lib/systemd/system/pmm-buffer.service
same "the configuration is as it was" /tmp/mine "$config"
expect "the queue is there" [ -n "$(ls -A "$queue")" ]
expect "it says that the queue stays" grep -q "the queue stays" /tmp/dpkg.log

say "install again"
install_package -i /tmp/packages/next.deb
same "the configuration is as it was" /tmp/mine "$config"
is "samples in the queue" "$kept" "$(samples)"

say "purge"
echo secret >/etc/pmm-buffer/token
install_package --purge pmm-buffer
gone "$queue"
gone /etc/pmm-buffer
for unit in $enabled; do
    gone "$unit"
done
is "no state of the helper is left" "" "$(find /var/lib/systemd -name '*pmm-buffer*')"
expect "the user stays" getent passwd pmm-buffer
is "dpkg knows nothing of it" "" "$(dpkg-query -W -f '${db:Status-Abbrev}' pmm-buffer 2>/dev/null || true)"

if command -v adduser >/dev/null; then
    say "where there is no systemd"
    userdel pmm-buffer
    for name in systemd-sysusers deb-systemd-helper; do
        mv "$(command -v "$name")" /tmp
    done
    install_package -i /tmp/packages/first.deb
    owned "$queue" "700 pmm-buffer:pmm-buffer"
    owned "$config" "640 root:pmm-buffer"
    install_package --purge pmm-buffer
    gone "$queue"
    mv /tmp/systemd-sysusers /tmp/deb-systemd-helper /usr/bin
else
    skip "where there is no systemd: no adduser here"
fi

# Stand-ins for what talks to the manager write down what they are asked.
say "where systemd runs"
mkdir -p /run/systemd/system
for name in systemctl deb-systemd-invoke; do
    printf '#!/bin/sh\necho "%s $*" >>/tmp/asked\n' "$name" >"/usr/local/sbin/$name"
    chmod +x "/usr/local/sbin/$name"
done
asked() {
    is "$1" "$2" "$(grep deb-systemd-invoke /tmp/asked | cut -d' ' -f2- | paste -sd, || true)"
    rm -f /tmp/asked
}
install_package -i /tmp/packages/first.deb
asked "installing starts it" "start pmm-buffer.socket,restart pmm-buffer.service"
install_package -i /tmp/packages/next.deb
asked "an upgrade stops nothing, and leaves the socket open" "start pmm-buffer.socket,restart pmm-buffer.service"
install_package -r pmm-buffer
asked "removing stops the socket with the service" "stop pmm-buffer.socket pmm-buffer.service"
install_package --purge pmm-buffer
rm -rf /run/systemd/system /usr/local/sbin/systemctl /usr/local/sbin/deb-systemd-invoke

if find_vmagent >/dev/null; then
    . /tmp/tests/with_client.sh
else
    skip "with PMM Client: no vmagent here"
fi

# As image builders do: dpkg outside of the root it installs into.
say "install and purge in another root"
root=/tmp/root
mkdir -p "$root"/etc "$root"/var/lib/dpkg/{info,updates} "$root"/usr/lib
touch "$root"/var/lib/dpkg/{status,available}
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\n' >"$root/etc/group"
userdel pmm-buffer 2>/dev/null
foreign() {
    install_package --root="$root" --force-script-chrootless --force-depends "$@"
}
foreign -i /tmp/packages/first.deb
user=$(awk -F: '$1 == "pmm-buffer" { print $3 ":" $4 }' "$root/etc/passwd")
expect "user in that root" [ -n "$user" ]
expect "no user in ours" [ -z "$(getent passwd pmm-buffer)" ]
is "owner of the queue" "700 $user" "$(stat -c '%a %u:%g' "$root$queue")"
is "owner of the configuration" "640 0:${user#*:}" "$(stat -c '%a %u:%g' "$root$config")"
for unit in $enabled; do
    expect "enabled in that root: $unit" [ -L "$root$unit" ]
    gone "$unit"
done
foreign --purge pmm-buffer
gone "$root$queue"
gone "$root/etc/pmm-buffer"
for unit in $enabled; do
    gone "$root$unit"
done
