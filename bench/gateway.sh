#!/bin/sh
# What the gateway adds, and the most it bears: the same load on a stand-in upstream directly, through a plain nginx
# proxy, and through `rung serve` with ledger, a key, its rate limits and budgets on, in turns, all in one run on this
# machine. Then its memory without a model, before and after, and how long it takes from nothing to an answer of
# /health. B is the build directory; without nginx its rows are left out.
#   bench/gateway.sh [SECONDS_EACH] [ROUNDS]
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
seconds=${1:-10}
rounds=${2:-3}
work=$(mktemp -d) || exit 1
standin='' rung='' nginx=''
cleanup() {
    for pid in $nginx $rung $standin; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
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
budget_usd_per_month: 1000000
ledger: {path: $work/ledger.db}
EOF
HOME=$work "$B/rung" serve --config "$work/rung.yaml" >"$work/rung.out" 2>&1 &
rung=$!
through=$(port "$work/rung.out") || { cat "$work/rung.out" >&2; exit 1; }
key=$(HOME=$work "$B/rung" key create bench --rpm 100000000 --tpm 1000000000 --budget-day 100000 \
    --budget-month 1000000 --config "$work/rung.yaml" | grep -o 'rk-[A-Za-z0-9]*' | awk 'length > 30' | head -n 1)
[ -n "$key" ] || { echo "gateway.sh: no key was made" >&2; exit 1; }

proxied=''
if command -v nginx >/dev/null; then
    proxied=$((20000 + direct % 10000))
    cat >"$work/nginx.conf" <<EOF
worker_processes 2;
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.log;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path $work/t1;
    proxy_temp_path $work/t2;
    fastcgi_temp_path $work/t3;
    uwsgi_temp_path $work/t4;
    scgi_temp_path $work/t5;
    upstream standin { server 127.0.0.1:$direct; keepalive 256; }
    server {
        listen 127.0.0.1:$proxied;
        keepalive_requests 100000000;
        location / { proxy_pass http://standin; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }
}
EOF
    nginx -c "$work/nginx.conf" -p "$work" 2>/dev/null &
    nginx=$!
    sleep 1
    curl -s -o /dev/null "http://127.0.0.1:$proxied/" || { cat "$work/nginx.log" >&2; proxied=''; }
fi

field() { # LINE NAME
    echo "$1" | sed -n "s/.*\<$2=\([0-9]*\).*/\1/p"
}

median() { # NUMBERS...
    printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

load() { # NAME PORT RATE
    line=$("$B/bench/gateway" "$2" standin "$3" "$seconds" "$key")
    echo "  $1 $line" >&2
    echo "$line"
}

memory() {
    echo "gateway without a model, $1: $(awk '/^VmRSS/ { print $2 }' "/proc/$rung/status") KiB resident," \
        "$(awk '/^Threads/ { print $2 }' "/proc/$rung/status") threads"
}

memory before
for rate in 100 1000; do
    p50s='' p99s='' n50s='' n99s='' errors=0
    for _ in $(seq "$rounds"); do
        a=$(load 'direct ' "$direct" "$rate")
        b=$(load 'through' "$through" "$rate")
        p50s="$p50s $(($(field "$b" p50_us) - $(field "$a" p50_us)))"
        p99s="$p99s $(($(field "$b" p99_us) - $(field "$a" p99_us)))"
        errors=$((errors + $(field "$b" errors)))
        [ -n "$proxied" ] || continue
        c=$(load 'nginx  ' "$proxied" "$rate")
        n50s="$n50s $(($(field "$c" p50_us) - $(field "$a" p50_us)))"
        n99s="$n99s $(($(field "$c" p99_us) - $(field "$a" p99_us)))"
    done
    # shellcheck disable=SC2086
    echo "gateway at $rate/s: added p50 $(median $p50s) us, added p99 $(median $p99s) us (median of $rounds rounds), errors $errors"
    # shellcheck disable=SC2086
    [ -n "$proxied" ] && echo "nginx at $rate/s: added p50 $(median $n50s) us, added p99 $(median $n99s) us"
done

highest='' highest_nginx=''
for _ in $(seq "$rounds"); do
    highest="$highest $(field "$(load 'through' "$through" 0)" rate)"
    [ -n "$proxied" ] && highest_nginx="$highest_nginx $(field "$(load 'nginx  ' "$proxied" 0)" rate)"
done
# shellcheck disable=SC2086
echo "gateway at its highest: $(median $highest) requests/s with 64 connections"
if [ -n "$proxied" ]; then
    # shellcheck disable=SC2086
    share=$(awk -v a="$(median $highest)" -v b="$(median $highest_nginx)" 'BEGIN { printf "%.2f", a / b }')
    # shellcheck disable=SC2086
    echo "nginx at its highest: $(median $highest_nginx) requests/s; the gateway bears $share of that"
fi
sleep 12                              # threads that a rush needed have gone
memory after

starts=''
for _ in 1 2 3 4 5; do
    kill "$rung" 2>/dev/null && wait "$rung" 2>/dev/null
    began=$(date +%s%N)
    HOME=$work "$B/rung" serve --config "$work/rung.yaml" --listen "127.0.0.1:$through" >/dev/null 2>&1 &
    rung=$!
    until curl -s -o /dev/null "http://127.0.0.1:$through/health"; do :; done
    starts="$starts $((($(date +%s%N) - began) / 1000))"
done
# shellcheck disable=SC2086
echo "cold start: $(median $starts) us from nothing to an answer of /health (median of 5; curl's own start is in it)"
