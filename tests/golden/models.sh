#!/bin/sh
# Several models behind one server: loaded on demand, names of the store, rung ps and rung stop, a memory budget.
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
rung=${B:-$root/build}/rung
case $rung in /*) ;; *) rung=$root/$rung ;; esac
dir=$(mktemp -d) || exit 1
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
export HOME="$dir" XDG_DATA_HOME="$dir/data" OLLAMA_MODELS="$dir/store"
unset RUNG_MODELS RUNG_API_KEY

. "$root/tests/check.sh"

says() { grep -q -- "$1" "$dir/out"; }
says_not() { ! grep -q -- "$1" "$dir/out"; }
post() { # PATH JSON
    curl -s --max-time 30 -H 'content-type: application/json' -H 'authorization: Bearer secret' -d "$2" "$url$1" >"$dir/out" 2>&1
}
ask() { # MODEL MORE
    post /v1/chat/completions "{\"model\":\"$1\",\"max_tokens\":2,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]$2}"
}
ps() { "$rung" ps --config rung.yaml "$@" >"$dir/out" 2>&1; }
dropped() { # NAME: within five seconds
    for _ in $(seq 100); do
        ps && says_not "^$1 " && return 0
        sleep 0.05
    done
    return 1
}

# A store as Ollama keeps one, with the starter under the name "tiny".
cp "$root/models/starter.gguf" a.gguf
hash=$(sha256sum a.gguf | cut -d' ' -f1)
size=$(wc -c <a.gguf)
mkdir -p store/manifests/registry.ollama.ai/library/tiny store/blobs
cp a.gguf "store/blobs/sha256-$hash"
printf '{}' >"store/blobs/sha256-44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
cat >store/manifests/registry.ollama.ai/library/tiny/latest <<EOF
{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
 "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2,
  "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
 "layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:$hash", "size": $size}]}
EOF
cat >rung.yaml <<EOF
listen: 127.0.0.1:0
api_keys: [env:KEY]
allowed_hosts: [0.0.0.0]
ledger: {path: "off"}
memory: 500MB
models:
  starter: {file: starter, keep_alive: -1}
  a: {file: a.gguf, keep_alive: 0}
  named: {file: tiny}
  tight: {file: tiny, kv_cache: q8_0, kv_memory: 0.3MB}
EOF
export KEY=secret
"$rung" serve --config rung.yaml >serve.log 2>&1 &
server=$!
for _ in $(seq 100); do
    url=$(sed -n 's|^Rung .* listens on \(http.*\)/v1$|\1|p' serve.log)
    [ -n "$url" ] && break
    sleep 0.05
done
sed -i "s|^listen: .*|listen: ${url#http://}|" rung.yaml

loads_in_background() { for _ in $(seq 100); do ps && says '^starter .*for ever' && return 0; sleep 0.05; done; return 1; }
check the_first_tier_is_loaded_in_the_background loads_in_background
check what_nobody_asked_for_is_not_loaded says_not '^named '
ask named
check a_name_of_the_store_in_file_answers says '"model":"named"'
ps
check ps_shows_what_is_loaded says '^named .*512 .*min from now .*0$'
ask tiny
check a_model_of_the_store_answers_under_its_name says '"model":"tiny:latest"'
ask "$dir/a.gguf"
check a_request_names_no_path says 'does not exist here'
curl -s -H 'authorization: Bearer secret' "$url/v1/models" >out
check the_store_is_listed says '"id":"tiny:latest"'
ask a
check an_answer_comes_from_a_model_that_is_not_kept says '"model":"a"'
check it_is_dropped_at_once dropped a
ask named ',"keep_alive":"2h"'
ps
check a_request_says_how_long says '^named .*[12] .*from now'
# Twelve at once where the memory for keys and values holds one at its longest.
pids=
for i in $(seq 12); do
    curl -s --max-time 60 -H 'content-type: application/json' -H 'authorization: Bearer secret' "$url/v1/chat/completions" \
        -d "{\"model\":\"tight\",\"max_tokens\":60,\"logit_bias\":{\"4095\":-100},\"messages\":[{\"role\":\"user\",\"content\":\"hi $i\"}]}" \
        >"answer.$i" 2>&1 &
    pids="$pids $!"
done
wait $pids
cat answer.* >out
all_whole() { [ "$(grep -l '"completion_tokens":60' answer.* | wc -l)" = 12 ]; }
check requests_beyond_the_memory_wait_and_none_fails all_whole
ps --json
check ps_tells_of_the_memory_for_keys_and_values \
    says '"name":"tight".*"kv_cache":"q8_0","kv_bytes":[1-9][0-9]*,"kv_memory_bytes":300000'
"$rung" stop named tiny tight --config rung.yaml >out 2>&1
check stop_drops_what_is_named dropped named
ps --json
check ps_speaks_json says '"models":\[{"name":"starter"'
"$rung" stop nope --config rung.yaml >out 2>&1
check stop_says_what_it_does_not_know says "rung: .*nope"
post /api/generate '{"model": "named", "keep_alive": "1m"}'
check a_model_can_be_loaded_ahead says '"done_reason":"load"'
post /api/generate '{"model": "named", "prompt": "hi"}'
check a_prompt_is_answered says '"model":"named".*"done":true,"done_reason":"'
curl -s "$url/api/ps" >out
check ps_needs_a_key says 'API key'
port=${url##*:}
"$rung" ps --url "http://127.0.0.1:$port" >out 2>&1
check the_key_goes_to_this_machine says '^NAME'
"$rung" ps --url "http://0.0.0.0:$port" >out 2>&1
check the_key_goes_to_no_other_address says 'API key'
"$rung" ps --url "http://0.0.0.0:$port" --config rung.yaml >out 2>&1
check the_key_goes_where_its_configuration_is_named says '^NAME'
kill $server
wait $server
server=
"$rung" ps --config rung.yaml >out 2>&1
check without_a_server_ps_says_so says 'no server answers at .*rung serve'

# A changed file is refused before it is loaded.
sed -i 's|{file: tiny}|{file: "tiny@sha256:0000000000000000000000000000000000000000000000000000000000000000"}|' rung.yaml
"$rung" serve --config rung.yaml --listen 127.0.0.1:0 >out 2>&1 &
server=$!
refused() { for _ in $(seq 100); do kill -0 $server 2>/dev/null || break; sleep 0.05; done; says "model 'named'"; }
check another_digest_is_refused refused
