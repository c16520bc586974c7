#!/bin/sh
# Private requests are counted in packets: rung serve runs under strace between stand-ins that are the owner's and one
# that is not, and private requests of every dialect, plain and streamed, meet time-outs, failures, climbs, fallbacks
# and reloads. Two witnesses count: the stand-in that may not be asked, and every address in the trace. One line a
# check: ok NAME / not ok NAME / skip NAME: why.
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
B=${B:-build}
case $B in /*) ;; *) B=$root/$B ;; esac
dir=$(mktemp -d) || exit 1
pids=
cleanup() {
    for pid in $pids; do kill "$pid" 2>/dev/null; done
    wait
    rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1
. "$root/tests/check.sh"
export HOME="$dir"
unset XDG_DATA_HOME XDG_STATE_HOME OLLAMA_MODELS
export ASAN_OPTIONS=detect_leaks=0 # the leak checker does not work under strace
faults='own auto slow failing cut garbage gone upper'
cases='private_requests_end_by_the_old_configuration private_requests_stay_after_a_reload
       private_requests_stay_after_a_bad_reload what_is_not_private_is_seen_by_both_witnesses
       private_requests_use_no_open_connection every_packet_went_where_it_may'
for fault in $faults; do cases="private_requests_stay_when_asked_for_$fault $cases"; done
if ! command -v curl >/dev/null || ! command -v strace >/dev/null ||
    ! strace -f -qq -o probe -e trace=connect true 2>/dev/null; then
    for name in $cases; do echo "skip $name: curl and strace are not both here, or strace may not trace"; done
    exit 0
fi
# A program that is closed to others shows its addresses to the administrator's strace only.
case $(id -u):$B in
0:* | *:*/asan | *:*/debug) ;;
*)
    for name in $cases; do echo "skip $name: needs root, or BUILD=debug"; done
    exit 0 ;;
esac

seen() { # TEXT FILE: whether it stands there within thirty seconds
    i=0
    until grep -q "$1" "$2" 2>/dev/null; do
        i=$((i + 1))
        [ $i -gt 300 ] && return 1
        sleep 0.1
    done
}

stand_in() { # NAME ARGUMENT...: sets port, which may be connected to
    name=$1
    shift
    "$B/tests/standin" --log "$name.log" "$@" >"$name.out" &
    pids="$pids $!"
    seen '127\.0\.0\.1:' "$name.out" || { echo "not ok the stand-in $name did not start"; exit 1; }
    port=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/p' "$name.out" | head -n 1)
    allowed="$allowed|$port"
}

allowed=9
stand_in own; own=$port
stand_in dripping --chunk-ms 300; dripping=$port
stand_in hang --fail hang; hang=$port
stand_in failing --fail 500; failing=$port
stand_in cut --fail cut; cut=$port
stand_in garbage --fail garbage; garbage=$port
before=$allowed
stand_in forbidden; forbidden=$port
allowed=$before

pool() { # NAME PORT: the owner's machine beside one that is not, and another to fall back to
    printf '  %s:\n    upstreams: [{name: mine, base_url: "http://127.0.0.1:%s/v1", private: true},\n' "$1" "$2"
    printf '      {name: cloud, base_url: "http://127.0.0.1:%s/v1"}]\n' "$forbidden"
    printf '    timeouts_ms: {first_token: 300, connect: 300, total: 1500}\n    fallback: [upper]\n'
}

configuration() { # OWN PRIVATE MORE
    cat >rung.yaml <<YAML
listen: 127.0.0.1:0
models:
  starter: {file: starter}
  own: {base_url: 'http://127.0.0.1:$1/v1', private: $2}
  dripping: {base_url: 'http://127.0.0.1:$dripping/v1', private: $2}
$(pool slow "$hang"; pool failing "$failing"; pool cut "$cut"; pool garbage "$garbage"; pool gone 9)
  upper: {base_url: 'http://127.0.0.1:$forbidden/v1'}
tiers: [{name: local, model: starter}, {name: mid, model: failing}, {name: frontier, model: upper}]
confidence: {default: 1}
residency:
  rules: [{name: mail, detect: email, class: local}]
ledger: {path: ledger.db}
audit: {path: audit.jsonl}
$3
YAML
}

post() { # PATH BODY HEADER: the status
    curl -s --max-time 60 -o reply -w '%{http_code}\n' -H 'content-type: application/json' -H "$3" -d "$2" "$url$1"
}

later() { # FILE PATH BODY HEADER: the status goes to the file
    curl -s --max-time 60 -o /dev/null -w '%{http_code}\n' -H 'content-type: application/json' -H "$4" -d "$3" \
        "$url$2" >>"$1" &
    asking="$asking $!"
}

# Every dialect asks MODEL, all at once: the marks are a header, a member of the body, or what stands in the text.
ask() { # MODEL
    marked='x-rung-privacy: local' unmarked='accept: */*' asking=
    turns='"messages":[{"role":"user","content":"Where is my card?"}]'
    mail='"messages":[{"role":"user","content":"ask ann@example.org"}]'
    : >chats
    : >others
    for stream in true false; do
        more="\"model\":\"$1\",\"stream\":$stream"
        later chats /v1/chat/completions "{$more,$turns,\"metadata\":{\"privacy\":\"local\"}}" "$unmarked"
        later chats /v1/chat/completions "{$more,$mail}" "$unmarked"
        later chats /v1/messages "{$more,\"max_tokens\":8,$turns}" "$marked"
        later chats /v1/responses "{$more,\"input\":\"Where is my card?\"}" "$marked"
        later chats /api/chat "{$more,$turns}" "$marked"
        later chats /api/generate "{$more,\"prompt\":\"Where is my card?\"}" "$marked"
        later others /v1/completions "{$more,\"prompt\":\"Where is my\"}" "$marked"
        later others /v1/chat/completions "{$more,\"n\":2,$turns}" "$marked"
    done
    later others /v1/embeddings "{\"model\":\"$1\",\"input\":\"Where is my card?\"}" "$marked"
    later others /api/embed "{\"model\":\"$1\",\"input\":\"Where is my card?\"}" "$marked"
    later others /api/embeddings "{\"model\":\"$1\",\"prompt\":\"ask ann@example.org\"}" "$unmarked"
    later others /v1/messages/count_tokens "{\"model\":\"$1\",$turns}" "$marked"
    wait $asking
}

# What came back: all were answered, all refused, or (where the owner's machine fails) each somehow.
stays() { # MODEL STATUSES
    echo "chats: $(sort chats | uniq -c | tr '\n' ' '), others: $(sort others | uniq -c | tr '\n' ' ')"
    cat forbidden.log
    [ "$(wc -l <chats)" -eq 12 ] && [ "$(wc -l <others)" -eq 8 ] && ! grep -qvE "$2" chats && ! grep -q 000 others &&
        [ "$(wc -l <forbidden.log)" -eq "$counted" ]
}

configuration "$own" true
: >serve.log
# shellcheck disable=SC2016
strace -f -qq -o trace -e 'trace=connect,sendto,sendmsg,sendmmsg' sh -c 'echo $$ >pid; exec "$@"' sh \
    "$B/rung" serve --config rung.yaml >serve.log 2>&1 &
tracer=$!
seen 'Ctrl-C stops' serve.log || { cat serve.log; exit 1; }
serving=$(cat pid)
pids="$serving $pids"
url=$(sed -n 's/.*listens on \(http:.*\)\/v1$/\1/p' serve.log)
counted=0

for fault in $faults; do
    case $fault in
    own | auto) statuses='^200$' ;;
    upper) statuses='^4..$' ;;
    *) statuses='^[245]..$' ;;
    esac
    ask "$fault"
    check "private_requests_stay_when_asked_for_$fault" stays "$fault" "$statuses"
done

# What was the owner's machine is not any more, while an answer comes from it.
asking=
turns='"messages":[{"role":"user","content":"one two three four five six seven eight nine ten"}]'
curl -sN --max-time 60 -H 'content-type: application/json' -H 'x-rung-privacy: local' \
    -d "{\"model\":\"dripping\",\"stream\":true,$turns}" "$url/v1/chat/completions" >stream &
streaming=$!
seen one stream
configuration "$forbidden" false
kill -HUP "$serving"
seen 'configuration read again' serve.log
wait $streaming
check private_requests_end_by_the_old_configuration grep -q 'data: \[DONE\]' stream
ask own
check private_requests_stay_after_a_reload stays own '^4..$'
configuration "$forbidden" true 'routes: [{name: far, start: frontier, require: {region: mars}}]'
kill -HUP "$serving"
seen 'was not changed' serve.log
ask own
check private_requests_stay_after_a_bad_reload stays own '^4..$'

# One that is not private shows that both witnesses see; after it a connection is open.
open='{"model":"upper","messages":[{"role":"user","content":"Where is my card?"}]}'
status=$(post /v1/chat/completions "$open" 'accept: */*')
to_forbidden() { grep -c "sin_port=htons($forbidden)" trace; }
asked_once() {
    cat forbidden.log reply
    echo "status $status, $(to_forbidden) connections in the trace"
    [ "$status" = 200 ] && [ "$(grep -c '^request' forbidden.log)" -eq 1 ] && seen "sin_port=htons($forbidden)" trace
}
check what_is_not_private_is_seen_by_both_witnesses asked_once
counted=$(wc -l <forbidden.log)
ask upper
check private_requests_use_no_open_connection stays upper '^4..$'

kill "$serving"
wait $tracer
every_packet() {
    grep -E 'sa_family=AF_' trace | grep -vE "sin_port=htons\(($allowed)\), sin_addr=inet_addr\(\"127\.0\.0\.1\"\)" >elsewhere
    head -n 3 elsewhere
    [ "$(wc -l <elsewhere)" -eq 1 ] && grep -q "connect(.*sin_port=htons($forbidden)" elsewhere &&
        [ "$(grep -c "sin_port=htons($own)" trace)" -gt 0 ] && [ "$(grep -c "sin_port=htons($hang)" trace)" -gt 0 ]
}
check every_packet_went_where_it_may every_packet
