#!/bin/sh
# Models by name from end to end, against a stand-in for their hosts over real HTTP: pull, list, show, run, cp, rm,
# rung.lock. One line a case: ok NAME / not ok NAME why.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${B:-build}
case $build in /*) ;; *) build=$root/$build ;; esac
rung=$build/rung
standin=$build/tests/registry_standin
[ -x "$standin" ] || { echo "skip pull: no $standin here"; exit 0; }
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
export HOME="$work" RUNG_MODELS="$work/store" OLLAMA_MODELS="$work/ollama"
unset XDG_DATA_HOME XDG_CONFIG_HOME HF_TOKEN
starter=$root/models/starter.gguf
hash=$(sha256sum "$starter" | cut -c1-12)

start() { # OPTIONS: the stand-in, on a port of its own; $host
    [ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    : > standin.log
    "$standin" --file "$served" --log standin.log "$@" > standin.out &
    pid=$!
    host=
    for _ in $(seq 100); do
        host=$(sed -n 's/.*listening on \(.*\)/\1/p' standin.out)
        [ -n "$host" ] && break
        sleep 0.05
    done
    export HF_ENDPOINT="http://$host"
}
say() { # NAME STATUS WHY
    if [ "$2" -eq 0 ]; then echo "ok $1"; else echo "not ok $1: $3"; fi
}
does() { # NAME TEXT ARGUMENTS...: exits 0 and says TEXT
    name=$1 text=$2
    shift 2
    "$rung" "$@" > out.txt 2>&1 < /dev/null && grep -qF -- "$text" out.txt
    say "$name" $? "$(head -c 600 out.txt)"
}
refuses() { # NAME TEXT ARGUMENTS...: exits 1 and says TEXT
    name=$1 text=$2
    shift 2
    "$rung" "$@" > out.txt 2>&1 < /dev/null
    [ $? -eq 1 ] && grep -qF -- "$text" out.txt
    say "$name" $? "$(head -c 600 out.txt)"
}
is() { # NAME COMMAND...
    name=$1
    shift
    "$@" > out.txt 2>&1
    say "$name" $? "$(head -c 600 out.txt)"
}
asked_nothing() { ! grep -q . standin.log; }
no_blob_is_left() { [ -z "$(find store/blobs -name 'sha256-*' ! -name '*-partial*' 2>/dev/null)" ]; }

served=$starter
start
tiny="http://$host/library/tiny:4b"
refuses run_says_how_to_get_what_is_missing 'rung pull qwen3:4b' run qwen3:4b hi
does pull_fetches_from_a_registry "sha256:$hash" pull --quiet "$tiny"
does pull_again_is_up_to_date 'is up to date' pull --quiet "$tiny"
does list_shows_it "$hash" list
does show_describes_it 'architecture   qwen3' show "$tiny"
does show_has_the_template 'im_start' show --template "$tiny"
does a_pulled_model_answers 'card_arrival' run "$tiny" --system 'Classify the banking question into one intent.' \
    'I am still waiting on my new card'
does pull_fetches_from_hugging_face 'is here' pull --quiet hf.co/org/repo:q4_k_m
does pull_fetches_a_url 'is here' pull --quiet "http://$host/files/x.gguf"
does a_url_is_a_name 'architecture   qwen3' show "http://$host/files/x.gguf"
does cp_names_it_again 'mine:latest' cp "$tiny" mine
does a_copy_knows_where_it_came_from "$host/library/tiny:4b" list
does rm_keeps_what_is_shared '0 B freed' rm "$tiny"
does a_copy_still_knows_it "$host/library/tiny:4b" list
does a_copy_stays 'architecture   qwen3' show mine
printf '{{ models | length }}' > count.jinja
"$rung" list --json > list.json && [ "$(printf '{"models": %s}' "$(cat list.json)" | "$build/tools/render" count.jinja)" = 3 ]
say list_json_is_json $? "$(head -c 600 list.json)"

does pull_locks 'up to date' pull --quiet --lock "$tiny" hf.co/org/repo:Q4_K_M
is the_lock_names_digest_and_source grep -q "tiny:4b sha256:$hash.* $host/library/tiny:4b" rung.lock
: > standin.log
does what_is_locked_and_here_needs_no_host 'up to date' pull --quiet
is nobody_was_asked asked_nothing
printf 'sha' | dd of="$(find store/blobs -name 'sha256-*' -size +1M)" bs=1 seek=5000000 conv=notrunc 2> /dev/null
refuses a_changed_file_is_refused_before_it_is_loaded 'was changed' run "$tiny" hi
does pull_mends_it 'up to date' pull --quiet "$tiny"
does a_mended_model_answers 'tokens/s' run "$tiny" -n 1 hi

"$rung" quantize "$starter" other.gguf Q6_K > /dev/null 2>&1
other=$(sha256sum other.gguf | cut -c1-12)
port=${host#*:}
served=other.gguf
start --port "$port"
does a_locked_name_does_not_move "sha256:$hash" pull --quiet "$tiny"
mv store kept
refuses what_is_locked_is_fetched_or_nothing 'rung pull --update' pull --quiet "$tiny"
is nothing_else_is_visible no_blob_is_left
rm -rf store && mv kept store
does a_locked_model_still_answers 'tokens/s' run "$tiny" -n 1 hi
does a_name_moves_when_asked 'moved from' pull --quiet --update "$tiny"
is the_lock_moved_with_it grep -q "tiny:4b sha256:$other" rung.lock
refuses a_digest_asked_for_is_held_to "sha256:$other" pull --quiet "http://$host/library/tiny@sha256:$(sha256sum "$starter" | cut -c1-64)"

printf 'models:\n  named: {file: "%s"}\n' "$tiny" > rung.yaml
does a_name_of_the_configuration_may_be_one_of_the_store 'tokens/s' run named -n 1 hi
sed -i "s/sha256:$other/sha256:000000000000/" rung.lock
refuses it_is_held_to_the_lock_too 'locked to' run named -n 1 hi
echo 'what is this' >> rung.lock
refuses a_lock_that_cannot_be_read_is_no_lock_lost 'rung.lock:' run named -n 1 hi
rm rung.yaml rung.lock
mv store ollama
does ollamas_models_are_listed "Ollama's store" list
does ollamas_models_run 'tokens/s' run mine -n 1 hi
refuses ollamas_models_are_not_removed 'ollama rm' rm mine
does ollamas_models_are_copied 'ours:latest' cp mine ours
rm -rf ollama
does a_copy_of_ollamas_stands_alone 'tokens/s' run ours -n 1 hi

rm -rf store
start --port "$port" --rate 50
"$rung" pull --quiet "$tiny" > /dev/null 2>&1 &
killed=$!
for _ in $(seq 100); do
    [ "$(find store/blobs -name '*partial*' -size +0 2> /dev/null)" ] && break
    sleep 0.05
done
sleep 1
kill -9 "$killed"
wait "$killed" 2> /dev/null
is a_killed_pull_shows_nothing sh -c '! ls store/manifests/* 2> /dev/null | grep -q .'
start --port "$port"
does the_next_pull_goes_on "$other" pull --quiet "$tiny"

rm -rf store
start --port "$port" --fault digest
refuses a_wrong_digest_is_not_kept 'digest' pull --quiet "$tiny"
is nothing_wrong_is_visible no_blob_is_left
printf 'this is no model, but long enough to be one' > junk.gguf
served=junk.gguf
start --port "$port"
refuses what_is_no_gguf_is_not_kept 'no whole GGUF' pull --quiet "$tiny"
is no_junk_is_visible sh -c '! ls store/manifests/* | grep -q .'
refuses files_are_not_removed 'a file of your own' rm ./other.gguf
refuses unknown_models_are_not_found 'rung list' rm nobody
