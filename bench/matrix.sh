#!/bin/sh
# bench/matrix.sh: every architecture in every type. Each of the shared float models is quantised by rung quantize and
# run; the table shows the error of its logits against those of the float model. Random weights lie flatter than
# trained ones, so the figures compare types, not models. A failure shows as "no".
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
shared=${RUNG_SHARED:-../shared}
[ -d "$shared/vectors/arch" ] || { echo "bench/matrix.sh needs shared/vectors/arch"; exit 1; }
types='F16 BF16 Q8_0 Q6_K Q5_K_M Q5_1 Q5_0 Q4_K_M Q4_1 Q4_0 IQ4_NL IQ4_XS MXFP4 Q3_K_M Q2_K'
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
seq 1 48 | tr '\n' ' ' > "$work/ids.txt"
printf '| architecture |'
for type in $types; do printf ' %s |' "$type"; done
printf '\n|---|'
for type in $types; do printf -- '---|'; done
printf '\n'
for model in "$shared"/vectors/arch/*.gguf; do
    name=$(basename "$model" .gguf)
    printf '| `%s` |' "$name"
    "$B/tools/logits" "$model" "$work/ids.txt" "$work/want.f32" || exit 1
    for type in $types; do
        error=no
        rm -f "$work/q.gguf"
        "$B/rung" quantize "$model" "$work/q.gguf" "$type" > "$work/said" 2>&1 &&
            "$B/tools/logits" "$work/q.gguf" "$work/ids.txt" "$work/got.f32" &&
            error=$("$B/bench/nmse" "$work/want.f32" "$work/got.f32") || error="no: $(tail -n 1 "$work/said" | cut -c1-60)"
        printf ' %s |' "$error"
    done
    printf '\n'
done
