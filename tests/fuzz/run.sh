#!/bin/sh
# tests/fuzz/run.sh SECONDS NAME...: each fuzzer tests/fuzz/fuzz_NAME.c for that long, built with libFuzzer and
# the sanitizers (build/fuzz), starting from tests/fuzz/corpus/NAME, which stays as it is. One line per fuzzer; a
# crashing input is kept in build/fuzz/crashes/ and makes the exit status 1.
cd "$(dirname "$0")/../.." || exit 1
seconds=$1
shift
case $seconds in '' | *[!0-9]*)
    echo "usage: tests/fuzz/run.sh SECONDS NAME..." >&2
    exit 2 ;;
esac
command -v clang >/dev/null || { echo "the fuzzers need clang (Debian package: clang)" >&2; exit 1; }

B=build/fuzz
CHECKS=address,undefined
MAX_LEN=65536
mkdir -p $B/bin $B/crashes
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# The Makefile builds the objects, with its own flags for instruction sets; only the linking differs from a replay program.
# Kernels see no byte from outside, and their unrolled tiles take clang minutes with the sanitizers on: they are built without.
build() { # NAME
    floors=$(sed -n 's/^\([a-z]*\):.*/\1/p' docs/floors.txt | grep -vx cli | sed "s|.*|$B/lib/lib&.a|")
    make="make -s -j $(nproc) CC=clang B=$B"
    { $make $B/lib/libkernels.a && $make CFLAGS="-O1 -g -fsanitize=fuzzer-no-link,$CHECKS -fno-sanitize-recover=all" \
        $floors $B/obj/tests/fuzz/fuzz_"$1".o; } >"$work/build.log" 2>&1 || { tail -40 "$work/build.log"; return 1; }
    clang -fsanitize=fuzzer,$CHECKS $B/obj/tests/fuzz/fuzz_"$1".o -Wl,--start-group $floors -Wl,--end-group \
        ${LIBS:?the libraries to link: call this by make fuzz} \
        -o $B/bin/fuzz_"$1"
}

status=0
for name in "$@"; do
    if ! build "$name"; then
        echo "$name: does not build"
        status=1
        continue
    fi
    mkdir -p "$work/$name"
    seed=tests/fuzz/corpus/$name
    [ -d "$seed" ] || seed=
    $B/bin/fuzz_"$name" -max_total_time="$seconds" -max_len=$MAX_LEN -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix=$B/crashes/"$name"- "$work/$name" $seed >"$work/$name.log" 2>&1
    code=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$name.log")
    if [ $code -eq 0 ]; then
        echo "$name: ${runs:-0} runs in $seconds s, 0 crashes"
    else
        echo "$name: ${runs:-?} runs, CRASH; the input is in $B/crashes/"
        grep -aE 'ERROR:|runtime error|SUMMARY|Test unit written' "$work/$name.log" | head -8
        cp "$work/$name.log" $B/crashes/"$name".log
        status=1
    fi
done
exit $status
