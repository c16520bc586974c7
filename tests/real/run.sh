#!/bin/sh
# Real models from their real hosts: pulls each into a store of its own, and checks that its arithmetic is plausible
# (perplexity of a fixed text) and that a greedy answer is right. Needs the internet, about 7 GB of disk and 8 GB of
# memory; make test-real runs it. RUNG_REAL_MODELS names other models, RUNG_REAL_KEEP a store that stays.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
cd "$root" || exit 1
B=${B:-build}
MODELS=${RUNG_REAL_MODELS:-"hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M hf.co/ggml-org/gemma-3-4b-it-GGUF:Q4_K_M
hf.co/unsloth/Qwen3-4B-Instruct-2507-GGUF:Q4_K_M"}
MOST_PERPLEXITY=25
failed=0

echo "test-real: needs the internet; it downloads 2 to 3 GB for each of: $MODELS"
if [ -n "${RUNG_REAL_KEEP:-}" ]; then
    store=$RUNG_REAL_KEEP
else
    store=$(mktemp -d) || exit 1
    trap 'rm -rf "$store"' EXIT
    trap 'exit 130' INT TERM
fi
export RUNG_MODELS=$store

report() { # OK NAME WHAT
    if [ "$1" -eq 0 ]; then
        echo "ok $2: $3"
    else
        echo "not ok $2: $3"
        failed=1
    fi
}

for name in $MODELS; do
    if ! "$B/rung" pull "$name"; then
        report 1 "$name" "was not pulled"
        continue
    fi
    path=$("$B/rung" show --json "$name" | sed -n 's/.*"path": *"\([^"]*\)".*/\1/p' | head -n 1)
    perplexity=$("$B/tools/perplexity" "$path" <tests/real/text.txt)
    echo "$perplexity" | awk -v most=$MOST_PERPLEXITY '{ exit !($1 > 1 && $1 < most) }'
    report $? "$name" "perplexity ${perplexity:-unknown} of tests/real/text.txt, below $MOST_PERPLEXITY"
    answer=$("$B/rung" run --temp 0 --max-tokens 64 "$name" 'What is the capital of France?')
    echo "$answer" | grep -q Paris
    report $? "$name" "to the question for the capital of France it says: $answer"
done
exit $failed
