#!/bin/sh
# Ollama's pages that change what is on the disk, over real HTTP, against a stand-in for the model host: pull, copy,
# delete, and what a server with models of the store says of them meanwhile.
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
build=${B:-$root/build}
case $build in /*) ;; *) build=$root/$build ;; esac
rung=$build/rung standin=$build/tests/registry_standin
[ -x "$standin" ] || { echo "skip ollama: no $standin here"; exit 0; }
dir=$(mktemp -d) || exit 1
server='' pid=''
trap 'for p in $server $pid; do kill "$p" 2>/dev/null; done; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
export HOME="$dir" XDG_DATA_HOME="$dir/data" RUNG_MODELS="$dir/store" OLLAMA_MODELS="$dir/ollama"
unset RUNG_API_KEY HF_TOKEN

. "$root/tests/check.sh"

says() { grep -q -- "$1" "$dir/out"; }
says_not() { ! grep -q -- "$1" "$dir/out"; }
ask() { # METHOD PATH JSON: the reply, and its status on a line of its own
    curl -s --max-time 30 -X "$1" -H 'content-type: application/json' -d "$3" -w '\nstatus %{http_code}\n' "$url$2" >"$dir/out" 2>&1
}
read_tags() { curl -s --max-time 30 "$url/api/tags" >"$dir/out" 2>&1; }
serve() { # CONFIGURATION
    printf '%s\n' "$1" >rung.yaml
    : >serve.log
    "$rung" serve --config rung.yaml >serve.log 2>&1 &
    server=$!
    url=
    for _ in $(seq 100); do
        url=$(sed -n 's|.*listens on \(http://[^ /]*\).*|\1|p' serve.log)
        [ -n "$url" ] && break
        sleep 0.05
    done
}

"$standin" --file "$root/models/starter.gguf" --log standin.log >standin.out &
pid=$!
for _ in $(seq 100); do
    host=$(sed -n 's/.*listening on \(.*\)/\1/p' standin.out)
    [ -n "$host" ] && break
    sleep 0.05
done
tiny=$host/library/tiny:4b
plain='listen: 127.0.0.1:0
ledger: {path: "off"}
models: {starter: {file: starter}}'
serve "$plain"

ask POST /api/pull "{\"model\": \"$host/library/tiny:nope\"}"
check a_tag_that_is_not_there_is_404 says 'status 404'
check it_says_which_tags_there_are says '"error":".*latest, 4b'
ask POST /api/pull "{\"model\": \"$tiny\"}"
check pull_tells_of_the_manifest_first says '^{"status":"pulling manifest"}$'
check pull_tells_of_bytes says '^{"status":"pulling [0-9a-f]*","digest":"sha256:[0-9a-f]\{64\}","total":[0-9]*,"completed":[0-9]*}$'
check pull_ends_with_success says '^{"status":"success"}$'
ask POST /api/pull "{\"name\": \"$tiny\", \"stream\": false}"
check pull_in_one_piece_is_one_object says '^{"status":"success"}$'
read_tags
check tags_list_what_was_pulled says "\"name\":\"$tiny\",.*\"digest\":\"[0-9a-f]\{64\}\",\"modified_at\""
ask POST /api/copy "{\"source\": \"$tiny\", \"destination\": \"mine\"}"
check copy_is_an_empty_200 says 'status 200'
ask POST /api/copy "{\"source\": \"$tiny\", \"destination\": \"mine\"}"
check copy_does_not_overwrite says 'status 409'
ask POST /api/generate '{"model": "mine", "prompt": "hi", "stream": false, "options": {"num_predict": 3}}'
check a_copy_answers says '"model":"mine:latest".*"done":true'
ask POST /api/show '{"model": "mine:latest"}'
check show_describes_a_copy says '"quantization_level":"Q8_0".*"general.architecture":"qwen3".*"capabilities":\["completion"'
check show_leaves_lists_out says '"tokenizer.ggml.tokens":null'
ask POST /api/show '{"name": "mine", "verbose": true}'
check show_lists_everything_when_asked says '"tokenizer.ggml.tokens":\["'
ask DELETE /api/delete '{"model": "mine"}'
check delete_is_an_empty_200 says 'status 200'
read_tags
check tags_do_not_list_it says_not '"mine'
curl -s --max-time 30 "$url/v1/models" >out 2>&1
check nor_do_models says_not '"mine'
ask POST /api/generate '{"model": "mine", "prompt": "hi"}'
check what_was_deleted_does_not_answer says 'status 404'
ask DELETE /api/delete '{"model": "mine"}'
check it_cannot_be_deleted_twice says 'status 404'
ask POST /api/copy "{\"source\": \"$tiny\", \"destination\": \"mine\"}"
ask POST /api/generate '{"model": "mine", "prompt": "hi", "stream": false, "options": {"num_predict": 3}}'
check what_is_back_answers says '"model":"mine:latest".*"done":true'

for name in "$root/models/starter.gguf" "http://$host/files/x.gguf" ../x 'a b' ''; do
    ask POST /api/pull "{\"model\": \"$name\"}"
    check "no_request_chooses_a_file_or_an_address" says 'status 400'
done
ask POST /api/pull "{\"model\": \"$tiny\", \"insecure\": true}"
check insecure_is_refused says "'insecure' is not supported"
ask POST /api/pull "{\"model\": \"$tiny\", \"username\": \"u\", \"password\": \"p\"}"
check so_are_names_and_passwords says "'username' is not supported"
ask POST /api/create '{"model": "x", "from": "mine"}'
check making_models_is_refused says 'status 501'
ask POST /api/show '{"model": "nope"}'
check show_does_not_know_everything says 'status 404'
ask GET /api/delete ''
check delete_is_a_method says 'status 405'

kill $server
wait $server
serve "listen: 127.0.0.1:0
ledger: {path: $dir/ledger.db}
models: {starter: {file: starter}, other: {file: starter}}"
user=$("$rung" key create user --models starter --config rung.yaml 2>/dev/null)
admin=$("$rung" key create admin --admin --config rung.yaml 2>/dev/null)
with() { # KEY METHOD PATH JSON
    curl -s --max-time 30 -X "$2" -H "authorization: Bearer $1" -d "$4" -w '\nstatus %{http_code}\n' "$url$3" >out 2>&1
}
with "$user" POST /api/pull "{\"model\": \"$tiny\"}"
check a_key_may_not_pull says 'status 403'
with "$user" POST /api/copy "{\"source\": \"$tiny\", \"destination\": \"theirs\"}"
check nor_copy says 'status 403'
with "$user" DELETE /api/delete "{\"model\": \"$tiny\"}"
check nor_delete says 'status 403'
with "$admin" POST /api/pull "{\"model\": \"$tiny\"}"
check an_admins_key_may says 'status 200'
curl -s --max-time 30 -H "authorization: Bearer $user" "$url/api/tags" >out 2>&1
check a_key_sees_the_models_it_may_use says '"name":"starter"'
check and_no_others says_not '"name":"other"\|tiny'
with "$user" POST /api/show '{"model": "other"}'
check nor_what_they_are says 'status 404'
with "$user" POST /api/generate '{"model": "other"}'
check nor_does_it_load_them says 'status 404'
with "$user" POST /api/chat '{"model": "starter", "stream": false, "messages": [{"role": "user", "content": "hi"}]}'
check it_asks_what_it_may says '"done":true'
with "" POST /api/chat '{"model": "starter", "messages": [{"role": "user", "content": "hi"}]}'
check nobody_asks_without_a_key says 'status 401'
