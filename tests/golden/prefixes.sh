#!/bin/sh
# A prompt's beginning that was seen before is cached; with `prefix_disk` a restarted server knows it too, even one that
# was killed, and neither for another API key nor where a request is private.
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
rung=${B:-$root/build}/rung
case $rung in /*) ;; *) rung=$root/$rung ;; esac
dir=$(mktemp -d) || exit 1
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
export HOME="$dir" XDG_CACHE_HOME="$dir/cache" ANNA=sk-anna BERT=sk-bert
folder=$dir/cache/rung/prefixes

. "$root/tests/check.sh"

start() { # CONFIG
    : >serve.log   # so that no earlier address is read
    "$rung" serve --config "$1" >serve.log 2>&1 &
    server=$!
    for _ in $(seq 200); do
        url=$(sed -n 's/^Rung .* listens on \(.*\)$/\1/p' serve.log)
        [ -n "$url" ] && return
        sleep 0.05
    done
}
stop() { # SIGNAL
    kill "-$1" "$server"
    wait "$server" 2>/dev/null
    server=
}
words='one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen'
instruction="Name the intent of this request. $words $words $words $words $words $words $words"
ask() { # KEY QUESTION MORE
    curl -s --max-time 60 -H 'content-type: application/json' -H "authorization: Bearer $1" "$url/chat/completions" -d "{
        \"model\": \"starter\", \"max_tokens\": 2$3, \"messages\": [{\"role\": \"system\", \"content\": \"$instruction\"},
        {\"role\": \"user\", \"content\": \"$2\"}]}" >out 2>&1
}
cached() { sed -n 's/.*"cached_tokens":\([0-9]*\).*/\1/p' out; }
is_cached() { [ "$(cached)" -gt 100 ]; }
is_not_cached() { [ "$(cached)" -eq 0 ]; }
files() { find "$folder" -name '*.prefix' 2>/dev/null | wc -l; }
file_comes() {
    for _ in $(seq 100); do
        [ "$(files)" -gt 0 ] && return 0
        sleep 0.05
    done
    return 1
}
nothing_is_open() { ! find "$folder" -type f ! -perm 600 | grep . && [ "$(stat -c %a "$folder")" = 700 ]; }

cat >memory.yaml <<END
listen: 127.0.0.1:0
api_keys: [env:ANNA, env:BERT]
ledger: {path: "off"}
END
cat memory.yaml - >disk.yaml <<END
prefix_disk: 100MB
END

start memory.yaml
ask sk-anna 'book a flight' ''
check first_prompt_is_not_cached is_not_cached
ask sk-anna 'play some jazz' ''
check second_prompt_after_the_same_instruction_is_cached is_cached
ask sk-bert 'play some jazz' ''
check another_key_shares_nothing is_not_cached
stop TERM
check nothing_is_written_unless_asked_for [ ! -e "$folder" ]

start disk.yaml
ask sk-anna 'book a flight' ', "metadata": {"privacy": "local"}'
ask sk-anna 'play some jazz' ', "metadata": {"privacy": "local"}'
check private_prompt_is_cached_in_memory is_cached
stop TERM
check private_prompt_is_not_written [ "$(files)" -eq 0 ]

start disk.yaml
ask sk-anna 'book a flight' ''
ask sk-anna 'play some jazz' ''
check instruction_seen_twice_is_written file_comes
check folder_is_its_owners_alone nothing_is_open
stop KILL
start disk.yaml
ask sk-bert 'what is the time' ''
check restarted_server_tells_another_key_nothing is_not_cached
ask sk-anna 'what is the time' ''
check restarted_server_knows_the_instruction is_cached
stop TERM

for file in "$folder"/*.prefix; do
    printf 'not a file of the prefix cache, though it bears the name of one and is long enough' >"$file"
done
start disk.yaml
ask sk-anna 'what is the time' ''
check damaged_file_is_not_used is_not_cached
check damaged_file_is_removed [ "$(files)" -eq 0 ]
stop TERM

chmod 755 "$folder"
check open_folder_is_refused sh -c '! "$0" serve --config disk.yaml >out 2>&1 && grep -q "chmod 700" out' "$rung"
