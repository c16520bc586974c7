#!/bin/sh
# Keys beside a running server, and the bill of a conversation: rung key, rung bill --by key, --conversation.
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
rung=${B:-$root/build}/rung
case $rung in /*) ;; *) rung=$root/$rung ;; esac
standin=$(dirname "$rung")/tests/standin
dir=$(mktemp -d) || exit 1
server= upstream=
trap 'for p in $server $upstream; do kill "$p" 2>/dev/null; done; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
export HOME="$dir" XDG_DATA_HOME="$dir/data"

. "$root/tests/check.sh"

says() { grep -q -- "$1" "$dir/out"; }
says_not() { ! grep -q -- "$1" "$dir/out"; }
key() { "$rung" key "$@" --config rung.yaml >"$dir/out" 2>"$dir/err"; }
status() { # KEY PATH [JSON]
    curl -s --max-time 30 -o "$dir/out" -w '%{http_code}' -H 'content-type: application/json' \
        -H "authorization: Bearer $1" ${3:+-d "$3"} "$url$2"
}
is_soon() { # STATUS KEY: within five seconds
    for _ in $(seq 100); do [ "$(status "$2" /v1/models)" = "$1" ] && return 0; sleep 0.05; done
    return 1
}

"$standin" --answer "a b c" >standin.out &
upstream=$!
for _ in $(seq 100); do
    port=$(sed -n 's/.*127.0.0.1:\([0-9]*\)$/\1/p' standin.out)
    [ -n "$port" ] && break
    sleep 0.05
done
cat >prices.yaml <<END
version: 1
prices:
  - {model: big, input: 10, cached_read: 1, output: 40}
END
cat >rung.yaml <<END
listen: 127.0.0.1:0
ledger: {path: ledger.db}
prices: prices.yaml
models:
  starter: {file: starter}
  big: {base_url: "http://127.0.0.1:$port/v1"}
tiers: [{name: local, model: starter}, {name: frontier, model: big}]
END
"$rung" serve --config rung.yaml >serve.log 2>&1 &
server=$!
for _ in $(seq 100); do
    url=$(sed -n 's|^Rung .* listens on \(http.*\)/v1$|\1|p' serve.log)
    [ -n "$url" ] && break
    sleep 0.05
done

key list
check no_key_yet_is_said says 'There is no key yet'
check without_keys_any_is_good [ "$(status any /v1/models)" = 200 ]
key create typo --tiers local,fronteer
check tier_that_is_none_makes_no_key [ $? = 1 ]
check tier_that_is_none_is_named grep -q "no tier 'fronteer'" err
key create typo --privacy eu_onyl
check class_that_is_none_makes_no_key grep -q "no class 'eu_onyl'" err
key create later --models qwen3:4b
check model_of_the_store_is_noted grep -q "note: .*qwen3:4b" err
key revoke later
key create alice --rpm 100 --budget-month 20 --tiers local,frontier
alice=$(cat out)
check a_new_key_is_alone_on_standard_output [ "$(wc -l <out)" = 1 ]
check a_new_key_has_its_form says '^rk-[0-9A-Za-z]\{43\}$'
check its_making_is_told_on_standard_error grep -q "key 'alice' (key_" err
check the_secret_is_nowhere_in_the_ledger sh -c '! cat ledger.db* | grep -q "$1"' sh "$alice"
check the_first_key_locks_the_door is_soon 401 any
check the_key_opens_it [ "$(status "$alice" /v1/models)" = 200 ]
check two_live_keys_of_one_name_are_refused sh -c '! "$0" key create alice --config rung.yaml 2>err' "$rung"
check the_refusal_names_it grep -q alice err
check ps_has_the_key_of_the_environment env RUNG_API_KEY="$alice" "$rung" ps --url "$url"
check ps_without_one_is_told_why sh -c '! "$0" ps --url "$1" 2>err && grep -q "API key is needed" err' "$rung" "$url"
key create bob --json --models starter --expires 1h --admin
check json_has_the_secret_once says '"key":"rk-'
check json_has_the_lists says '"models":\["starter"\]'
check json_says_who_is_admin says '"admin":true'

for turn in 1 2 3; do
    text=$(printf "turn%0$((turn * 40))d" 0)
    check "turn_${turn}_is_answered" [ "$(status "$alice" /v1/chat/completions \
        "{\"model\":\"big\",\"max_tokens\":50,\"metadata\":{\"conversation_id\":\"support 4711\"},\"messages\":[{\"role\":\"user\",\"content\":\"$text\"}]}")" = 200 ]
done
settled() { for _ in $(seq 100); do key list && says '^alice .* of \$20.0000 ' && says_not '^alice .*\$0.00 of' && return 0; sleep 0.05; done; return 1; }
check what_a_key_spent_is_listed settled

"$rung" bill --conversation "support 4711" --config rung.yaml >out 2>&1
check conversation_has_its_turns says '^conversation support 4711: 3 turns'
check turns_tell_who_answered says ' 3  20.* frontier big '
check growth_is_drawn says '########################$'
check what_caches_saved_is_said says "upstreams' caches saved \$0.00"
"$rung" bill --conversation "support 4711" --config rung.yaml --json >out 2>&1
check conversation_as_json says '"total":{"prompt_tokens":'
check a_conversation_nobody_had_is_an_error sh -c '! "$0" bill --conversation nosuch --config rung.yaml >out 2>&1' "$rung"
check the_error_tells_where_ids_come_from says metadata.conversation_id
"$rung" bill --by key --config rung.yaml >out 2>&1
check bill_by_key_has_names says '^  alice  *3 '
check bill_names_the_price_file says 'prices of .*prices.yaml, SHA-256 [0-9a-f]\{12\}'

key revoke alice
check revoking_is_told says 'is revoked'
check a_revoked_key_stops is_soon 401 "$alice"
key list --json
check the_list_keeps_revoked_keys says '"status":"revoked"'
check no_secret_is_listed says_not '"key":'
key revoke nosuch
check revoking_nobody_is_an_error grep -q nosuch err

check usage_without_an_action sh -c '"$0" key; [ $? = 2 ]' "$rung" 2>/dev/null
check usage_for_a_bad_limit sh -c '"$0" key create x --rpm many; [ $? = 2 ]' "$rung" 2>/dev/null
check usage_for_limits_of_a_list sh -c '"$0" key list --rpm 3; [ $? = 2 ]' "$rung" 2>/dev/null
check usage_for_a_time_that_is_over sh -c '"$0" key create x --expires 2020-01-01; [ $? = 2 ]' "$rung" 2>/dev/null
"$rung" key --help >out
check help_has_examples says '^examples:'
