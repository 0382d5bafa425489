#!/usr/bin/env bash
# Runs the fuzz targets one after the other.
#
#   scripts/fuzz.sh [TARGET…]      (default: all of them)
#
# FUZZ_SECONDS is the time for each, 60 unless said otherwise. What is found is written to
# fuzz/artifacts/TARGET/ and ends the run; move it to fuzz/seeds/TARGET/ and `make test` will keep
# it. What was tried and was new stays in fuzz/corpus/, for the next run.
#
# Works with stable Rust: cargo-fuzz needs nightly for its sanitizers alone.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
seconds=${FUZZ_SECONDS:-60}
export PATH="$PWD/.tools/cargo-fuzz/bin:$PATH"
targets=("$@")
if ((${#targets[@]} == 0)); then
    for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

# the statements of the golden tables and of the recorded traffic, a file each
statements=fuzz/corpus/statements
rm -rf "$statements" && mkdir -p "$statements"
{ grep -hv '^#' tests/classify/*.tsv | cut -f4; cat tests/oracle/traffic/*.tsv; } |
    awk -v folder="$statements" '{
        gsub(/␤/, "\n"); gsub(/␍/, "\r"); file = sprintf("%s/%05d", folder, NR)
        printf "%s", $0 > file; close(file)
    }'

for target in "${targets[@]}"; do
    if [[ ! -e fuzz/fuzz_targets/$target.rs ]]; then
        echo "fuzz: no target \"$target\"; there are $(ls fuzz/fuzz_targets | sed 's/\.rs$//' | paste -sd' ')" >&2
        exit 2
    fi
done

"$cargo" fuzz build --fuzz-dir fuzz --sanitizer none
programs=fuzz/target/$(rustc -vV | sed -n 's/^host: //p')/release
for target in "${targets[@]}"; do
    corpus=fuzz/corpus/$target
    mkdir -p "$corpus" "fuzz/artifacts/$target"
    folders=("$corpus" "fuzz/seeds/$target")
    options=(-max_total_time="$seconds" -rss_limit_mb=2048 -print_final_stats=1)
    case $target in
        lexer | classifier)
            folders+=("$statements")
            options+=(-dict=fuzz/sql.dict -max_len=4096 -timeout=10)
            ;;
        growth) options+=(-dict=fuzz/sql.dict -max_len=200 -timeout=60) ;;
        splitter) options+=(-dict=fuzz/sql.dict -max_len=1500 -timeout=10) ;;
        session | gate) options+=(-max_len=1500 -timeout=10) ;;
        frame | startup) options+=(-max_len=10000 -timeout=10) ;;
    esac
    options+=(-artifact_prefix="fuzz/artifacts/$target/")
    echo "fuzz: $target, $seconds seconds" >&2
    "$programs/$target" "${folders[@]}" "${options[@]}"
done
