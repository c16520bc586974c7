#!/bin/sh
# rung fit and rung doctor as people and scripts meet them. One line a case: ok NAME / not ok NAME why.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
B=${B:-build}
case $B in /*) ;; *) B=$root/$B ;; esac
rung=$B/rung
work=$(mktemp -d)
host=
trap '[ -n "$host" ] && kill $host 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
export HOME=$work
unset XDG_DATA_HOME XDG_STATE_HOME XDG_CONFIG_HOME RUNG_MODELS OLLAMA_MODELS

say() { # NAME STATUS WHY
    if [ "$2" -eq 0 ]; then echo "ok $1"; else echo "not ok $1: $3"; fi
}

"$rung" fit > said 2>&1
status=$?
[ $status -eq 0 ] && grep -q 'this machine' said && grep -q '24 GB GPU' said && grep -q 'weak at' said && grep -q 'rule of thumb' said
say fit_recommends_for_machines $? "$(cat said)"
"$rung" fit --json > said 2>&1 && grep -q '"recommended"' said && grep -q '"measured":true' said
say fit_recommends_as_json $? "$(cat said)"

"$rung" fit starter > said 2>&1 && grep -q 'fits' said && grep -q '<- this file' said
say fit_of_the_starter $? "$(cat said)"
"$rung" fit starter --json > said 2>&1 && grep -q '"total_bytes":' said && grep -q '"estimated":false' said
say fit_of_the_starter_as_json $? "$(cat said)"
"$rung" fit 7b > said 2>&1 && grep -q '7.00 billion' said && grep -q 'estimated' said
say fit_of_a_size $? "$(cat said)"
"$rung" fit 9000b > said 2>&1
[ $? -eq 1 ] && grep -q 'does not fit' said
say fit_of_what_does_not_fit_fails $? "$(cat said)"
"$rung" fit starter --context 99999 > said 2>&1
[ $? -eq 1 ] && grep -q 'trained for 512' said
say fit_names_a_context_that_is_too_long $? "$(cat said)"
"$rung" fit --context 0 > said 2>&1
[ $? -eq 2 ]
say fit_refuses_no_context $? "$(cat said)"
"$rung" fit nosuch.gguf > said 2>&1
[ $? -eq 1 ] && grep -q 'nosuch.gguf' said
say fit_names_a_missing_file $? "$(cat said)"
head -c 1000 "$root/models/starter.gguf" > cut.gguf
"$rung" fit ./cut.gguf > said 2>&1
[ $? -eq 1 ] && grep -q 'cut.gguf' said
say fit_names_a_broken_file $? "$(cat said)"

# A model on its host: the header only.
"$B/tests/registry_standin" --file "$root/models/starter.gguf" --log host.log > host.txt 2>&1 &
host=$!
for _ in $(seq 50); do
    port=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/p' host.txt)
    [ -n "$port" ] && break
    sleep 0.1
done
"$rung" fit "http://127.0.0.1:$port/library/tiny" > said 2>&1 && grep -q 'fits' said
say fit_reads_a_header_from_its_host $? "$(cat said)"
grep 'blobs' host.log | grep -v 'range=0-' | grep -q 'range='
[ $? -ne 0 ] && [ "$(find "$work" -name 'sha256-*' | wc -l)" -eq 0 ]
say fit_fetches_nothing_into_the_store $? "$(cat host.log)"
kill $host
host=

# ---- doctor ----
"$rung" doctor > said 2>&1
status=$?
[ $status -eq 0 ] && grep -q '^ok  *cpu' said && grep -q '^ok  *memory' said && grep -q 'embedded starter' said
say doctor_finds_a_sound_house $? "$(cat said)"
printf 'models:\n  gone: {file: %s/gone.gguf}\n  far: {base_url: "https://example.invalid/v1", api_key: "env:NO_SUCH_KEY_HERE"}\n' "$work" > rung.yaml
printf 'tiers:\n  - {name: local, model: gone}\n' >> rung.yaml
"$rung" doctor > said 2>&1
[ $? -eq 1 ] && grep -q '^problem  *model' said && grep -q 'gone.gguf' said && grep -q 'NO_SUCH_KEY_HERE' said
say doctor_names_a_missing_model_and_key $? "$(cat said)"
"$rung" doctor --json > said 2>&1
[ $? -eq 1 ] && grep -q '"level":"problem"' said && grep -q '"todo"' said
say doctor_speaks_json $? "$(cat said)"
printf 'models:\n  s: {file: starter, adapters: [{name: ad, file: ./gone.gguf}]}\ntiers: [{name: local, model: s}]\n' > rung.yaml
"$rung" doctor > said 2>&1
[ $? -eq 1 ] && grep -q "^problem  *model .*adapter .*gone.gguf" said && grep -q "mend 'file' of adapter 'ad'" said
say doctor_names_a_missing_adapter $? "$(cat said)"
mkdir open && chmod 777 open
RUNG_MODELS=$PWD/open "$rung" doctor > said 2>&1
[ $? -eq 1 ] && grep -q 'anybody can change the models' said
say doctor_names_a_store_that_anybody_can_change $? "$(cat said)"
"$rung" doctor --config nowhere.yaml > said 2>&1
[ $? -eq 1 ] && grep -q 'check the path' said && grep -q ', 1 problem$' said
say doctor_knows_a_missing_configuration_from_a_bad_one $? "$(cat said)"
printf 'models: [\n' > rung.yaml
"$rung" doctor > said 2>&1
[ $? -eq 1 ] && grep -q '^problem  *config' said && grep -q 'rung.yaml:' said
say doctor_names_the_line_of_a_bad_configuration $? "$(cat said)"
printf 'models:\n  up: {base_url: "http://127.0.0.1:9/v1"}\ntiers:\n  - {name: local, model: up}\n' > rung.yaml
"$rung" doctor --upstreams > said 2>&1
[ $? -eq 1 ] && grep -q '^problem  *upstream' said
say doctor_asks_upstreams_on_request $? "$(cat said)"
"$rung" doctor > said 2>&1 && ! grep -q upstream said
say doctor_asks_no_upstream_otherwise $? "$(cat said)"
