#!/bin/sh
# rung serve in service: TLS with a certificate made here, another one and another configuration while it runs, keys
# that show nowhere, and an orderly end. One line a check: ok NAME / not ok NAME / skip NAME: why.
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
B=${B:-build}
case $B in /*) ;; *) B=$root/$B ;; esac
dir=$(mktemp -d) || exit 1
pid=
trap '[ -n "$pid" ] && kill $pid 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
. "$root/tests/check.sh"
export HOME="$dir" PLANTED_KEY=planted-key-that-shows-nowhere
unset XDG_DATA_HOME

cases='serve_speaks_tls serve_refuses_tls_below_1_2 serve_refuses_plain_http_where_tls_is_spoken
       ps_reaches_a_server_with_tls ps_trusts_no_other_certificate
       a_reload_shows_the_new_certificate a_reload_with_a_broken_certificate_changes_nothing
       a_reload_reports_file_line_and_column a_reload_tells_what_it_cannot_change a_reload_takes_what_can_change
       keys_are_not_in_the_command_line keys_are_not_in_log_reply_or_ledger no_command_leaves_a_core_file nobody_else_looks_into_its_environment
       it_ends_in_order'
if ! command -v curl >/dev/null || ! command -v openssl >/dev/null; then
    for name in $cases; do echo "skip $name: curl and openssl are not both here"; done
    exit 0
fi

certificate() { # NAME: cert.pem and key.pem of a host called localhost and an organisation NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/O=$1/CN=localhost" \
        -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout key.new -out cert.new >openssl.log 2>&1 || exit 1
    mv key.new key.pem
    mv cert.new cert.pem
}

configuration() { # MORE
    cat >rung.yaml <<YAML
listen: 127.0.0.1:0
models:
  starter: {file: starter}
  far: {base_url: 'http://127.0.0.1:9/v1', api_key: 'env:PLANTED_KEY', retries: 0}
tiers: [{name: local, model: starter}, {name: mid, model: far}]
ledger: {path: ledger.db}
tls: {cert: cert.pem, key: key.pem}
$1
YAML
}

said() { # TEXT: whether the server says it, within ten seconds
    i=0
    until grep -q "$1" serve.log 2>/dev/null; do
        i=$((i + 1))
        [ $i -gt 100 ] && return 1
        sleep 0.1
    done
}

get() { # PATH, curl's options
    path=$1
    shift
    curl -sS --max-time 20 "$@" "$url$path" >out 2>&1
}

shown() { # ORGANISATION: whether that one's certificate is shown
    openssl s_client -connect "$host" </dev/null 2>/dev/null | openssl x509 -noout -subject | grep -q "$1"
}

certificate first
configuration
"$B/rung" serve --config rung.yaml >serve.log 2>&1 &
pid=$!
said 'Ctrl-C stops' || { cat serve.log; exit 1; }
url=$(sed -n 's/.*listens on \(https:.*\)\/v1$/\1/p' serve.log)
host=${url#https://}

check serve_speaks_tls get /health --cacert cert.pem
check serve_refuses_tls_below_1_2 sh -c "! curl -sS --tls-max 1.1 --cacert cert.pem $url/health"
check serve_refuses_plain_http_where_tls_is_spoken sh -c "! curl -sS --max-time 5 http://$host/health"

sed "s/^listen: .*/listen: $host/" rung.yaml >ps.yaml
check ps_reaches_a_server_with_tls "$B/rung" ps --config ps.yaml
certificate second
check ps_trusts_no_other_certificate sh -c "! '$B/rung' ps --config ps.yaml"
kill -HUP $pid
said 'configuration read again' && check a_reload_shows_the_new_certificate shown second

cp cert.pem good.pem
echo nonsense >cert.pem
kill -HUP $pid
said 'was not changed: cannot use'
check a_reload_with_a_broken_certificate_changes_nothing shown second
cp good.pem cert.pem

configuration 'no_such_key: 1'
kill -HUP $pid
check a_reload_reports_file_line_and_column said 'was not changed: rung.yaml:8:1: unknown key'

configuration 'aliases: {other: starter}
threads: 7'
kill -HUP $pid
check a_reload_tells_what_it_cannot_change said "'threads' cannot change while Rung runs"
get /v1/models --cacert cert.pem
check a_reload_takes_what_can_change grep -q '"other"' out

curl -sS --cacert cert.pem "$url/v1/chat/completions" -H 'content-type: application/json' \
    -d '{"model":"far","messages":[{"role":"user","content":"x"}]}' >out 2>&1
check keys_are_not_in_the_command_line sh -c "! tr '\\0' ' ' </proc/$pid/cmdline | grep -q planted-key"
check keys_are_not_in_log_reply_or_ledger sh -c '! grep -aq planted-key serve.log out ledger.db*'
case $B in
*/asan | */debug) echo 'skip no_command_leaves_a_core_file: debug builds do' ;;
*)
    mkfifo requests
    "$B/rung" route - --config rung.yaml <requests >out 2>&1 &
    routing=$!
    exec 9>requests
    no_core() { # PID: within ten seconds
        i=0
        until grep -q 'Max core file size  *0  *0 ' "/proc/$1/limits"; do
            i=$((i + 1))
            [ $i -gt 100 ] && return 1
            sleep 0.1
        done
    }
    no_cores() { no_core $routing && no_core $pid; }
    check no_command_leaves_a_core_file no_cores
    exec 9>&-
    wait $routing ;;
esac
case $B in
*/asan | */debug) echo 'skip nobody_else_looks_into_its_environment: debug builds stay open' ;;
*) check nobody_else_looks_into_its_environment sh -c "[ \$(stat -c %U /proc/$pid/environ) = root ]" ;;
esac

kill $pid
wait $pid
check it_ends_in_order [ $? = 0 ]
pid=
