#!/usr/bin/env bash
# Brings what the build (`build`), the count of instructions (`instructions`) or the tests (`peers DIR`) need, or says exactly what to install.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

say() { printf 'setup: %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo "$@"
    else return 1
    fi
}

apt_install() {
    command -v apt-get >/dev/null || return 1
    as_root true || return 1
    say "installing $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 \
        || { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive \
             apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
}

# RocksDB is C++20; bindgen reads its header through libclang and needs clang's own headers beside it.
have_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    # libclang-cpp, which LLVM's own tools bring, is another library.
    ldconfig -p 2>/dev/null | grep -q 'libclang[-.0-9]*\.so' && return 0
    compgen -G '/usr/lib/llvm-*/lib/libclang.so*' >/dev/null || compgen -G '/usr/lib/llvm-*/lib/libclang-[0-9]*.so*' >/dev/null
}

build() {
    local missing=()
    command -v c++ >/dev/null || missing+=(g++)
    have_libclang || missing+=(libclang-dev)
    if [ ${#missing[@]} -gt 0 ] && ! apt_install "${missing[@]}"; then
        say "the build needs a C++20 compiler and libclang; missing here: ${missing[*]}"
        say "on Debian or Ubuntu:  sudo apt-get install ${missing[*]}"
        say "on Fedora or RHEL:    sudo dnf install gcc-c++ clang-devel"
        exit 1
    fi
    if ! command -v "${CARGO:-cargo}" >/dev/null; then
        say "the build needs Rust 1.95 or later (cargo); install it with rustup (https://rustup.rs), then run this again"
        exit 1
    fi
}

# Debian's packages would start services on this host; only their programs are wanted, so they are unpacked
# into a folder of our own and never installed. That needs no root either.
peers() {
    local dir=$1 package program
    mkdir -p "$dir"
    for program in victoria-metrics vmagent prometheus promtool; do
        command -v "$program" >/dev/null && continue
        [ -x "$dir/usr/bin/$program" ] && continue
        case $program in
            victoria-metrics | vmagent) package=victoria-metrics ;;
            *) package=prometheus ;;
        esac
        if ! fetch_package "$package" "$dir"; then
            say "the tests talk to real peers; $program is missing"
            say "install it (Debian: sudo apt-get install victoria-metrics prometheus) or put it on PATH, then run this again"
            exit 1
        fi
    done
}

# Libraries of PyPI and npm, in a folder of our own. What is there is kept as long as the lists are the same.
clients() {
    local dir=$1/clients lists=$root/tests/it/peers/clients stamp
    stamp=$(cat "$lists/requirements.txt" "$lists/package-lock.json" | cksum)
    [ "$(cat "$dir/stamp" 2>/dev/null)" = "$stamp" ] && return 0
    say "installing client libraries into $dir"
    rm -rf "$dir"
    mkdir -p "$dir"
    if ! make_python "$dir/python" || ! have_npm; then
        say "the tests push with client libraries; Python 3.10 or later with venv, or Node.js 18 or later with npm, is missing"
        say "install them (Debian: sudo apt-get install python3-venv nodejs npm), then run this again"
        exit 1
    fi
    "$dir/python/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$lists/requirements.txt"
    cp "$lists/package.json" "$lists/package-lock.json" "$dir"
    npm ci --prefix "$dir" --silent --no-audit --no-fund --ignore-scripts
    printf '%s\n' "$stamp" >"$dir/stamp"
}

make_python() {
    python3 -m venv "$1" >/dev/null 2>&1 && return 0
    apt_install python3-venv && python3 -m venv --clear "$1"
}

have_npm() {
    command -v node >/dev/null && command -v npm >/dev/null && return 0
    apt_install nodejs npm
}

fetch_package() {
    local package=$1 dir=$2
    command -v apt-get >/dev/null || return 1
    say "unpacking $package into $dir"
    (
        cd "$dir"
        apt-get download -qq "$package" 2>/dev/null \
            || { as_root apt-get update -qq && apt-get download -qq "$package"; }
        dpkg-deb -x "$package"_*.deb .
        rm -f "$package"_*.deb
    )
}

instructions() {
    command -v valgrind >/dev/null || apt_install valgrind && return 0
    say "counting instructions needs valgrind"
    say "on Debian or Ubuntu:  sudo apt-get install valgrind"
    say "on Fedora or RHEL:    sudo dnf install valgrind"
    exit 1
}

case ${1:-} in
    build) build ;;
    instructions) instructions ;;
    peers) peers "${2:?usage: setup.sh peers DIR}"; clients "$2" ;;
    *) say "usage: setup.sh build | instructions | peers DIR"; exit 64 ;;
esac
