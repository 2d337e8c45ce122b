#!/usr/bin/env bash
# Checks the dependencies: licences, bans and sources with cargo-deny, and advisories against a local copy of
# RustSec's data where there is one ($ADVISORY_DB, else ../shared/advisory-db beside the checkout).
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${1:?usage: deny.sh DIR-FOR-TOOLS}

deny=$(command -v cargo-deny || echo "$tools/bin/cargo-deny")
if [ ! -x "$deny" ]; then
    echo "deny: building cargo-deny into $tools" >&2
    # Its own target folder: cargo-deny shares no feature set with us, and would make our artifacts stale.
    CARGO_TARGET_DIR="$tools/build" cargo install --quiet --locked --version 0.20.2 --root "$tools" cargo-deny
    rm -rf "$tools/build"
fi
"$deny" --all-features check bans licenses sources

db=${ADVISORY_DB:-../shared/advisory-db}
if [ -d "$db/crates" ]; then
    python3 scripts/advisories.py "$db" Cargo.lock
else
    echo "deny: no copy of RustSec's data at $db: advisories not checked"
fi
