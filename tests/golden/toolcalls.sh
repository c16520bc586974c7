#!/bin/sh
# Tool calls and reasoning of each model family over HTTP: real chat templates, models that follow a script
# (tests/playback.c). One line a case: ok NAME / not ok NAME why.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
B=${B:-build}
case $B in /*) ;; *) B=$root/$B ;; esac
shared=${RUNG_SHARED:-$root/../shared}
templates=$shared/vectors/template
if [ ! -d "$templates" ]; then
    echo "skip toolcalls: no shared/vectors/template here"
    exit 0
fi
work=$(mktemp -d)
server=
upper=
trap '[ -n "$server" ] && kill $server 2>/dev/null && wait $server 2>/dev/null; [ -n "$upper" ] && kill $upper; rm -rf "$work"' EXIT
cd "$work" || exit 1
export HOME=$work

say() { # NAME STATUS WHY
    if [ "$2" -eq 0 ]; then echo "ok $1"; else echo "not ok $1: $3"; fi
}

# NAME TEMPLATE SCRIPT: what the family writes to call get_weather for Bern.
printf 'models:\n' > rung.yaml
families=
family() {
    printf '%s' "$3" > "$1.json"
    "$B/tests/playback" "$1.gguf" "$templates/$2" "$1.json" || { echo "not ok ${1}_script"; exit 1; }
    printf '  %s: {file: %s/%s.gguf}\n' "$1" "$work" "$1" >> rung.yaml
    families="$families $1"
}
family qwen3 Qwen-Qwen3-0.6B.jinja '{"control": ["<|im_start|>", "<tool_call>", "</tool_call>", "<think>", "</think>"], "end": "<|im_end|>",
    "words": ["<think>", "\nI need ", "the weather.\n", "</think>", "\n\n", "<tool_call>", "\n{\"name\": \"get_", "weather\", ",
    "\"arguments\": {\"city\"", ": \"Bern\"}}", "\n\n\n", "</tool_call>"]}'
family hermes NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja '{"control": ["<|im_start|>"], "end": "<|im_end|>",
    "words": ["<tool_", "call>\n", "{\"arguments\": {\"city\": \"Be", "rn\"}, \"name\": ", "\"get_weather\"}", "\n</tool_call>"]}'
family qwen25 Qwen-Qwen2.5-7B-Instruct.jinja '{"control": ["<|im_start|>"], "end": "<|im_end|>",
    "words": ["<tool_call>\n", "{\"name\": \"get_weather\", \"arguments\": ", "{\"city\": \"Bern\"}}", "\n</tool_call>"]}'
family llama32 meta-llama-Llama-3.2-3B-Instruct.jinja '{"control": ["<|start_header_id|>", "<|end_header_id|>"], "end": "<|eot_id|>",
    "words": ["{\"name\": ", "\"get_weather\", ", "\"parameters\": {\"ci", "ty\": \"Bern\"", "}}"]}'
family nemo mistralai-Mistral-Nemo-Instruct-2407.jinja '{"control": ["[INST]", "[/INST]", "[TOOL_CALLS]"], "end": "</s>",
    "words": ["[TOOL_CALLS]", "[{\"name\": \"get_weather\"", ", \"arguments\": {\"city\":", " \"Bern\"}, \"id\": ", "\"abcdefghi\"}]"]}'
family ministral mistralai-Ministral-3-14B-Reasoning-2512.jinja '{"control": ["[INST]", "[/INST]", "[TOOL_CALLS]", "[ARGS]", "[THINK]", "[/THINK]"],
    "end": "</s>", "words": ["[THINK]", "I need ", "the weather.", "[/THINK]", "[TOOL_CALLS]", "get_weather", "[ARGS]", "{\"city\": ", "\"Bern\"}"]}'
family coder Qwen3-Coder.jinja '{"control": ["<|im_start|>"], "end": "<|im_end|>",
    "words": ["<tool_call>\n", "<function=get_weather>\n", "<parameter=city>\n", "Bern\n", "</parameter>\n", "</function>\n", "</tool_call>"]}'
family gemma4 google-gemma-4-31B-it-interleaved.jinja '{"control": ["<|turn>", "<|tool_call>", "<tool_call|>", "<|channel>", "<channel|>"],
    "end": "<turn|>", "words": ["<|tool_call>", "call:get_", "weather{city:", "<|\"|>Bern", "<|\"|>}", "<tool_call|>"]}'
family gptoss openai-gpt-oss-120b.jinja '{"control": ["<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|return|>"],
    "end": "<|call|>", "words": ["<|channel|>", "commentary", " to=functions.", "get_weather ", "<|constrain|>", "json", "<|message|>",
    "{\"city\": ", "\"Bern\"}"]}'

family unsure Qwen-Qwen2.5-7B-Instruct.jinja '{"control": ["<|im_start|>"], "end": "<|im_end|>", "sure": 0.4,
    "words": ["Let me look. ", "<tool_call>\n", "{\"name\": \"get_weather\", \"arguments\": ", "{\"city\": \"Bern\"}}", "\n</tool_call>"]}'
families=${families% unsure}

"$B/tests/standin" --answer 'from above' > upper.txt &
upper=$!
for _ in $(seq 100); do
    port=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/p' upper.txt)
    [ -n "$port" ] && break
    sleep 0.1
done
printf '  upper: {base_url: "http://127.0.0.1:%s/v1"}\n' "$port" >> rung.yaml
printf 'listen: 127.0.0.1:0\nledger: {path: ledger.db}\nconfidence: {default: 0.9}\ntiers:\n' >> rung.yaml
printf '  - {name: local, model: unsure}\n  - {name: frontier, model: upper}\n' >> rung.yaml
"$B/rung" serve --config rung.yaml > serve.log 2>&1 &
server=$!
for _ in $(seq 100); do
    url=$(sed -n 's|.* listens on \(http://[^ ]*\)$|\1|p' serve.log)
    [ -n "$url" ] && break
    sleep 0.1
done
[ -n "${url:-}" ] || { echo "not ok toolcalls_server: $(cat serve.log)"; exit 0; }

tools='"tools": [{"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters":
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]'
ask='{"role": "user", "content": "How is the weather in Bern?"}'

chat() { # MODEL MESSAGES MORE
    curl -s "$url/chat/completions" -H 'content-type: application/json' \
        -d "{\"model\": \"$1\", \"temperature\": 0, \"messages\": [$2], $tools$3}"
}

for name in $families; do
    chat "$name" "$ask" '' > reply.json
    grep -q '"finish_reason":"tool_calls"' reply.json && grep -q '"name":"get_weather"' reply.json &&
        tr -d ' ' < reply.json | grep -qF '"arguments":"{\"city\":\"Bern\"}"'
    say "${name}_calls_a_tool" $? "$(cut -c1-600 reply.json)"
    id=$(sed -n 's/.*"tool_calls":\[{"id":"\([^"]*\)".*/\1/p' reply.json)

    chat "$name" "$ask" ', "stream": true' > stream.txt
    sed -n 's/.*"arguments":"\(.*\)"}}\].*/\1/p' stream.txt | tr -d '\n ' > arguments.txt
    grep -qF '{\"city\":\"Bern\"}' arguments.txt && grep -q '"finish_reason":"tool_calls"' stream.txt
    say "${name}_streams_the_arguments" $? "$(cat arguments.txt; tail -c 600 stream.txt)"

    call='{"role": "assistant", "content": null, "tool_calls": [{"id": "'"$id"'", "type": "function", "function":
        {"name": "get_weather", "arguments": "{\"city\": \"Bern\"}"}}]}'
    chat "$name" "$ask, $call, {\"role\": \"tool\", \"tool_call_id\": \"$id\", \"content\": \"{\\\"rain\\\": true}\"}" '' > again.json
    grep -q '"choices"' again.json
    say "${name}_takes_the_result_back" $? "$(cut -c1-600 again.json)"
done

for name in qwen3 ministral; do
    chat "$name" "$ask" '' > reply.json
    grep -q '"reasoning_content":"I need the weather' reply.json && ! grep -q 'content":"[^"]*need the weather.*"content"' reply.json
    say "${name}_parts_its_reasoning" $? "$(cut -c1-600 reply.json)"
done

for more in '' ', "stream": true'; do
    chat auto "$ask" "$more" > reply.txt
    grep -q 'get_weather\|Let me' reply.txt
    [ $? -eq 1 ] && grep -q above reply.txt
    say "an_unsure_call_climbs_whole${more:+_while_streaming}" $? "$(cut -c1-600 reply.txt)"
    chat auto "$ask" "$more, \"metadata\": {\"privacy\": \"local\"}" > reply.txt
    grep -q get_weather reply.txt
    say "a_private_unsure_call_stays${more:+_while_streaming}" $? "$(cut -c1-600 reply.txt)"
done
