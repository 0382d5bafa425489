#!/usr/bin/env bash
# Runs every test of the workspace; arguments are passed on as nextest filters.
#
# With cargo-nextest each test is a process of its own, with a time limit (.config/nextest.toml);
# without it `cargo test` runs the same tests.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}

"$cargo" test --locked --workspace --doc -q
if "$cargo" nextest --version >/dev/null 2>&1; then
    exec "$cargo" nextest run --locked --workspace --profile "${NEXTEST_PROFILE:-default}" "$@"
fi
exec "$cargo" test --locked --workspace --all-targets -- "$@"
