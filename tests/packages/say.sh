# shellcheck shell=bash
# What the scripts share.

say() { printf 'packages: %s\n' "$*"; }

skip() { printf 'packages: SKIPPED %s\n' "$*"; }

fail() {
    printf 'packages: FAILED %s\n' "$*" >&2
    exit 1
}

# expect WHAT COMMAND...: the command has to succeed.
expect() {
    local what=$1 output
    shift
    output=$("$@" 2>&1) || fail "$what: $* says: $output"
    say "ok $what"
}

# same WHAT FILE FILE: both hold the same.
same() {
    diff -u "$2" "$3" >&2 || fail "$1: not as expected"
    say "ok $1"
}

# is WHAT WANTED FOUND
is() {
    [ "$2" = "$3" ] || fail "$1: wanted '$2', found '$3'"
    say "ok $1"
}

gone() {
    [ ! -e "$1" ] && [ ! -L "$1" ] || fail "$1 is still there"
    say "ok $1 is gone"
}

owned() {
    is "$1" "$2" "$(stat -c '%a %U:%G' "$1")"
}

# end FILE: ends the process whose number is in the file, if it is there, and waits for that.
end() {
    [ -e "$1" ] || return 0
    kill -TERM "$(cat "$1")" 2>/dev/null || true
    while [ -e "/proc/$(cat "$1")/exe" ]; do
        sleep 0.05
    done
    rm -f "$1"
}
