#!/bin/sh
# The demonstration without a key: every request is taken, what should climb is marked, what fits nowhere is named, and the
# last lines are commands that work. One line a case: ok NAME / not ok NAME why.
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
export B
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
env -u OPENAI_API_KEY examples/demo.sh > "$work/said" 2>&1
status=$?

say() { # NAME STATUS
    if [ "$2" -eq 0 ]; then echo "ok $1"; else echo "not ok $1: $(tail -n 50 "$work/said")"; fi
}
has() { # NAME PATTERN
    grep -qE -- "$2" "$work/said"
    say "$1" $?
}

say demo_ends_well $status
[ "$(wc -l < examples/requests.jsonl)" -ge 80 ]
say demo_has_80_requests $?
has demo_takes_them_all "^$(($(wc -l < examples/requests.jsonl) + 1)) requests in "
for kind in classify extract route; do
    has "demo_keeps_some_of_$kind" "^  $kind +[0-9]+ +[1-9]"
done
has demo_marks_what_should_climb 'would climb \(escalation: unavailable\)'
has demo_names_what_fits_no_tier 'context: fits no tier +[1-9]'
has demo_shows_the_bill_before '^  before +\$0\.0'
has demo_shows_the_bill_after '^  after +\$0\.00 '
has demo_shows_the_year 'saved a year at this rate'
[ "$(grep -cE '^  [01]\.[0-9][0-9]  ' "$work/said")" -eq 3 ]
say demo_shows_three_answers $?
has demo_ends_with_a_request_to_try '^    curl -s http://localhost:11434/v1/chat/completions'
