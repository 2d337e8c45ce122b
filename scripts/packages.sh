#!/usr/bin/env bash
# Makes the Debian and the RPM package, or one of them, of the release program that is there already, into debian/ and
# generate-rpm/ of $CARGO_TARGET_DIR, or of the folder there for $CARGO_BUILD_TARGET, whose architecture they then are of. Nothing is
# compiled but the writer of man pages and completions, and the tools once.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${1:?usage: packages.sh DIR-FOR-TOOLS [deb] [rpm]}
shift
kinds=${*:-deb rpm}
target=${CARGO_BUILD_TARGET:-}
release=${CARGO_TARGET_DIR:=$PWD/target}${target:+/$target}/release
strip=strip
[ -z "$target" ] || strip=$(command -v "${target/-unknown/}-strip" || echo strip)
staged=$release/packaging
export CARGO_TARGET_DIR
# What is in the packages is as old as the commit.
age=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

tool() {
    local name=$1 version=$2 found
    found=$(command -v "$name" || echo "$tools/bin/$name")
    if [ ! -x "$found" ]; then
        echo "packages: building $name into $tools" >&2
        # Its own target folder: it shares no feature set with us, and would make our artifacts stale.
        CARGO_TARGET_DIR="$tools/build" cargo install --quiet --locked --version "$version" --root "$tools" "$name" >&2
        rm -rf "$tools/build"
    fi
    echo "$found"
}

setting() {
    sed -n "s/^$1 = \"\(.*\)\"$/\1/p" Cargo.toml | head -1
}

# In the form that Debian's tools read; what changed is in the other one, beside it.
changelog() {
    printf 'pmm-buffer (%s-1) unstable; urgency=medium\n\n  * What changed is in changelog.gz.\n\n -- %s  %s\n' \
        "$(setting version)" "$(setting maintainer)" "$(date -u -R -d "@$age")"
}

rm -rf "$staged"
mkdir -p "$staged"
"$strip" -o "$staged/pmm-buffer" "$release/pmm-buffer"
# Runs here, whatever it is made for.
env -u CARGO_BUILD_TARGET cargo run --quiet --release --locked --example cli_files -- "$staged"
gzip -9n "$staged"/man/*.1
changelog | gzip -9n >"$staged/changelog.Debian.gz"
cargo fetch --quiet --locked --target x86_64-unknown-linux-gnu --target aarch64-unknown-linux-gnu
scripts/licences.py | gzip -9n >"$staged/LICENCES.gz"

make_deb() {
    local deb
    deb=$(tool cargo-deb 3.8.0)
    "$deb" --quiet --locked --offline --no-build --strip ${target:+--target "$target"}
}

make_rpm() {
    local rpm
    rpm=$(tool cargo-generate-rpm 0.21.1)
    "$rpm" ${target:+--target "$target"}
}

# Only now: cargo would compile RocksDB anew for another environment.
export SOURCE_DATE_EPOCH=$age
for kind in $kinds; do
    "make_$kind"
done
