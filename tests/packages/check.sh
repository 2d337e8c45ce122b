#!/usr/bin/env bash
# Checks the packages that `make packages` has made: check.sh TARGET-DIR DIR-FOR-TOOLS
#
# They are installed, upgraded, removed and purged in a copy of this system: an overlay over / whose changes go to memory, in
# its own mount, network and process namespaces, with an empty /run. No service manager runs in it, and nothing of it
# reaches the system. That needs root; what cannot be checked here is named.
#
# | file | its job |
# |---|---|
# | check.sh | looks at the packages from outside, and makes the next versions of them |
# | sandbox.sh | makes the copy, and runs a script in it |
# | say.sh | what the scripts share |
# | deb.sh, rpm.sh | the life of a package, in the copy |
# | agent.sh | the installed agent, as the unit runs it |
# | client.sh | PMM Client, as far as the buffer sees it, with the real vmagent |
# | manager.sh | the service manager, as far as both packages ask it |
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:?usage: check.sh TARGET-DIR DIR-FOR-TOOLS}
tools=${2:?usage: check.sh TARGET-DIR DIR-FOR-TOOLS}
. tests/packages/say.sh
PATH=$PATH:$tools/bin
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/packages"

newest() {
    ls -t "$@" 2>/dev/null | head -1
}

# As the next version of the project would be: another number, and another default in the configuration.
next_deb() {
    dpkg-deb -R "$1" "$scratch/next"
    sed -i 's/^Version: .*/Version: 9.9.9-1/' "$scratch/next/DEBIAN/control"
    printf '\n# A line of the next version.\n' >>"$scratch/next/etc/pmm-buffer/pmm-buffer.yml"
    (cd "$scratch/next" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | xargs -0 md5sum >DEBIAN/md5sums)
    dpkg-deb --root-owner-group -Zgzip -z1 -b "$scratch/next" "$2" >/dev/null
}

check_deb() {
    local deb
    deb=$(newest "$target"/debian/pmm-buffer_*.deb)
    [ -n "$deb" ] || fail "no package in $target/debian: make packages"
    if ! command -v dpkg >/dev/null; then
        skip "the Debian package: no dpkg here"
        return 0
    fi
    expect "conffile" grep -qx /etc/pmm-buffer/pmm-buffer.yml <(dpkg-deb -I "$deb" conffiles)
    expect "the libraries that it needs" grep -Eq '^Depends:.*libc6 \(>= ' <(dpkg-deb -f "$deb" Depends | sed 's/^/Depends: /')
    if command -v lintian >/dev/null; then
        expect "lintian" lintian --fail-on error,warning --suppress-tags-from-file tests/packages/lintian.txt "$deb"
    else
        skip "lintian: not installed"
    fi
    cp "$deb" "$scratch/packages/first.deb"
    next_deb "$deb" "$scratch/packages/next.deb"
    tests/packages/sandbox.sh "$scratch" tests/packages/deb.sh
}

check_rpm() {
    local rpm
    rpm=$(newest "$target"/generate-rpm/pmm-buffer-*.rpm)
    [ -n "$rpm" ] || fail "no package in $target/generate-rpm: make packages"
    if ! command -v rpm >/dev/null; then
        skip "the RPM package: no rpm here"
        return 0
    fi
    cp "$rpm" "$scratch/packages/first.rpm"
    cp "$target/release/packaging/pmm-buffer" "$scratch/packages/program"
    CARGO_TARGET_DIR=$target cargo-generate-rpm --payload-compress gzip -s 'release = "2"' -o "$scratch/packages/next.rpm"
    tests/packages/sandbox.sh "$scratch" tests/packages/rpm.sh
}

# The layout for the other architecture, around a stand-in: what it is compiled to can only be seen on such a host.
check_arm64() {
    local triple=aarch64-unknown-linux-gnu
    local release=$scratch/arm64/$triple/release
    mkdir -p "$release"
    cp -r "$target/release/packaging" "$release"
    printf 'a stand-in\n' | tee "$release/packaging/pmm-buffer" >"$release/pmm-buffer"
    export CARGO_TARGET_DIR=$scratch/arm64
    cargo-deb --quiet --locked --offline --no-build --no-strip --target "$triple" -o "$scratch/arm64.deb" >/dev/null 2>&1
    expect "architecture of the deb for arm64" [ "$(dpkg-deb -f "$scratch/arm64.deb" Architecture)" = arm64 ]
    same "files of the deb for arm64" <(files_of_deb "$scratch/packages/first.deb") <(files_of_deb "$scratch/arm64.deb")
    cargo-generate-rpm --target "$triple" --auto-req no -o "$scratch/arm64.rpm"
    if command -v rpm >/dev/null; then
        expect "architecture of the rpm for arm64" [ "$(rpm -qp --qf '%{ARCH}' "$scratch/arm64.rpm")" = aarch64 ]
        same "files of the rpm for arm64" <(rpm -qpl "$scratch/packages/first.rpm") <(rpm -qpl "$scratch/arm64.rpm")
    fi
}

files_of_deb() {
    dpkg-deb -c "$1" | awk '{ print $1, $2, $6 }'
}

check_deb
check_rpm
check_arm64
say "what could be checked is fine"
