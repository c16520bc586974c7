#!/bin/sh
# The main job on examples/requests.jsonl: answered here where that can be trusted, the rest climbs or is marked; then the bill.
set -eu
cd "$(dirname "$0")/.."
rung=${B:-build}/rung
work=${B:-build}/demo
mkdir -p "$work"

cat examples/requests.jsonl > "$work/requests.jsonl"
examples/make-long.sh >> "$work/requests.jsonl"     # one request longer than 128,000 tokens

if [ -n "${OPENAI_API_KEY:-}" ]; then
    echo "OPENAI_API_KEY is set: what climbs goes to api.openai.com and costs a few cents."
else
    echo "OPENAI_API_KEY is not set: nothing leaves this machine; what should climb is answered here and marked."
fi
echo
"$rung" route "$work/requests.jsonl" --config examples/demo.yaml --show 3

cat <<EOF

Try it: start the server with
    $rung serve --config examples/demo.yaml
and in another terminal
    curl -s http://localhost:11434/v1/chat/completions -H 'Content-Type: application/json' -d '{"model": "auto", "messages": [
      {"role": "system", "content": "Classify the banking question into one intent."},
      {"role": "user", "content": "Is my new card on its way?"}]}'
EOF
