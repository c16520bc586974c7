#!/bin/sh
# What the gateway adds: the same open-loop load on a stand-in upstream directly and through `rung serve` with the
# ledger on, both in one run, alternating. Then the resident memory of that process, which holds no model. B is the
# build directory.
#   bench/gateway.sh [SECONDS_EACH] [ROUNDS]
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
seconds=${1:-10}
rounds=${2:-3}
work=$(mktemp -d) || exit 1
standin='' rung=''
cleanup() {
    [ -n "$rung" ] && kill "$rung" 2>/dev/null && wait "$rung" 2>/dev/null
    [ -n "$standin" ] && kill "$standin" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# port FILE: waits for a line that ends in 127.0.0.1:PORT or holds such an address, and prints the port.
port() {
    for _ in $(seq 100); do
        found=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/p' "$1" 2>/dev/null | head -n 1)
        [ -n "$found" ] && echo "$found" && return
        sleep 0.1
    done
    echo "gateway.sh: $1 names no port" >&2
    exit 1
}

"$B/tests/standin" >"$work/standin.out" &
standin=$!
direct=$(port "$work/standin.out") || exit 1
cat >"$work/rung.yaml" <<EOF
listen: 127.0.0.1:0
models:
  standin:
    base_url: http://127.0.0.1:$direct/v1
    price_usd_per_mtok: {input: 1.25, cached_input: 0.125, output: 10.00}
tiers:
  - {name: frontier, model: standin}
ledger: {path: $work/ledger.db}
EOF
HOME=$work "$B/rung" serve --config "$work/rung.yaml" >"$work/rung.out" 2>&1 &
rung=$!
through=$(port "$work/rung.out") || { cat "$work/rung.out" >&2; exit 1; }

field() { # LINE NAME
    echo "$1" | sed -n "s/.* $2=\([0-9]*\).*/\1/p"
}

median() { # NUMBERS...
    printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

for rate in 100 1000; do
    p50s='' p99s='' errors=0
    for _ in $(seq "$rounds"); do
        a=$("$B/bench/gateway" "$direct" standin "$rate" "$seconds")
        b=$("$B/bench/gateway" "$through" standin "$rate" "$seconds")
        echo "  direct   $a"
        echo "  through  $b"
        p50s="$p50s $(($(field "$b" p50_us) - $(field "$a" p50_us)))"
        p99s="$p99s $(($(field "$b" p99_us) - $(field "$a" p99_us)))"
        errors=$((errors + $(field "$b" errors)))
    done
    # shellcheck disable=SC2086
    echo "gateway at $rate/s: added p50 $(median $p50s) us, added p99 $(median $p99s) us (median of $rounds rounds), errors $errors"
done
echo "gateway without a model: $(awk '/^VmRSS/ { print $2 }' "/proc/$rung/status") KiB resident," \
    "$(awk '/^Threads/ { print $2 }' "/proc/$rung/status") threads"
