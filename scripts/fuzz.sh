#!/usr/bin/env bash
# Fuzzes each decoder for so many seconds (`fuzz.sh SECONDS [TARGET...]`), from the seeds and what earlier runs found. Needs no
# nightly toolchain: coverage is counted by a pass of LLVM that every rustc has, and sanitizers, which are for unsafe code, are
# left out.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

seconds=${1:?usage: fuzz.sh SECONDS [TARGET...]}
shift
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pmm-buffer
# What is compiled with these flags is of no use to any other build.
export CARGO_TARGET_DIR=${PMM_BUFFER_FUZZ_TARGET_DIR:-$cache/fuzz}
target=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="-Cpasses=sancov-module -Ccodegen-units=1 \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"

targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    for file in fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi
# With --target, what runs while compiling is compiled without the flags.
"${CARGO:-cargo}" build --release --locked --target "$target" "${targets[@]/#/--bin=}"

for name in "${targets[@]}"; do
    echo "fuzzing $name for $seconds s"
    mkdir -p "corpus/$name" "artifacts/$name"
    log=artifacts/$name/log
    if ! "$CARGO_TARGET_DIR/$target/release/$name" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=10 \
        -artifact_prefix="artifacts/$name/" "corpus/$name" "seeds/$name" >"$log" 2>&1; then
        tail -n 30 "$log"
        echo "fuzzing $name found something: the input is in fuzz/artifacts/$name, and belongs into a test"
        exit 1
    fi
    grep -E '^Done|^stat::' "$log" || tail -n 1 "$log"
done
