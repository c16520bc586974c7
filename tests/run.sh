#!/bin/sh
# Runs every test: the programs named on the command line (cmocka tests and corpus replays), then the scripts
# tests/house/*.sh and tests/golden/*.sh, which print `ok NAME`, `not ok NAME ...` or `skip NAME: why`. Goes on
# after a failure, shows the output of what failed, and ends with one line of counts over single test cases. B is
# the build directory.
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
export B
LIMIT_S=600
passed=0 failed=0 skipped=0
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
trap 'exit 130' INT TERM

count() { # PATTERN: lines of the output that match
    grep -aEc "$1" "$out"
}

sum() { # PATTERN with N in a group: the numbers added up
    sed -nE "s/$1/\1/p" "$out" | awk '{ n += $1 } END { print n + 0 }'
}

# Book one program: NAME STATUS OK SKIPPED TOTAL. Cases that never ran (a crash) are in TOTAL only and count as failed.
book() {
    bad=$(($5 - $3 - $4))
    [ "$bad" -lt 0 ] && bad=0
    [ "$2" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    passed=$((passed + $3)) skipped=$((skipped + $4)) failed=$((failed + bad))
    note=''
    [ "$4" -gt 0 ] && note=", $4 skipped"
    if [ "$bad" -gt 0 ]; then
        [ "$2" -eq 124 ] && note="$note, stopped after $LIMIT_S s"
        [ "$2" -gt 128 ] && note="$note, ended by signal $(($2 - 128))"
        echo "FAIL  $1: $bad failed, $3 passed$note"
        sed 's/^/    /' "$out"
    else
        echo "  ok  $1: $3 passed$note"
        grep -aE '^skip ' "$out" | sed 's/^/        /'
    fi
}

run_program() {
    name=${1#"$B"/tests/}
    timeout -k 10 "$LIMIT_S" "$1" >"$out" 2>&1 </dev/null
    status=$?
    total=$(sum '^\[=+\] Running ([0-9]+) test\(s\)\..*')
    if [ "$total" -eq 0 ]; then # no cmocka: the program is one case
        book "$name" $status $((status == 0)) 0 1
        return
    fi
    ok=$(count '^\[ +OK \] ')
    tallied=$(sum '^\[ +PASSED +\] ([0-9]+) test\(s\)\..*')
    [ "$tallied" -gt "$ok" ] && ok=$tallied
    book "$name" $status "$ok" "$(sum '^\[ +SKIPPED +\] ([0-9]+) test\(s\), listed below:.*')" "$total"
}

run_script() {
    timeout -k 10 "$LIMIT_S" "$1" >"$out" 2>&1 </dev/null
    status=$?
    ok=$(count '^ok ') skip=$(count '^skip ') bad=$(count '^not ok ')
    [ $((ok + skip + bad)) -eq 0 ] && status=1 && echo "the script reported no test" >>"$out"
    book "${1#tests/}" $status "$ok" "$skip" $((ok + skip + bad))
}

for program in "$@"; do
    run_program "$program"
done
for script in tests/house/*.sh tests/golden/*.sh; do
    [ -x "$script" ] && run_script "$script"
done

[ "$skipped" -gt 0 ] && note=", $skipped skipped" || note=''
echo "$passed passed, $failed failed$note"
[ "$failed" -eq 0 ]
