#!/bin/sh
# postgres.sh start|stop|kill FOLDER: a private PostgreSQL server for tests, on a socket in FOLDER. start (again, after
# stop or kill) prints its address; kill is kill -9 of all of it. Status 77: PostgreSQL is not installed here.
bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -1)")
[ "$bin" != . ] || bin=$(dirname "$(command -v initdb)") 2>/dev/null
[ -x "$bin/initdb" ] || { echo "skip: PostgreSQL is not installed" >&2; exit 77; }
folder=${2:?usage: postgres.sh start|stop|kill FOLDER}

# It refuses to run as root.
if [ "$(id -u)" -eq 0 ]; then
    user=$(id -un postgres 2>/dev/null || echo nobody)
    as() { runuser -u "$user" -- "$@"; }
    mkdir -p "$folder" && chown "$user" "$folder" && chmod 755 "$folder" || exit 1
else
    as() { "$@"; }
    mkdir -p "$folder" || exit 1
fi
cd "$folder" || exit 1

case $1 in
start)
    [ -f data/PG_VERSION ] || as "$bin/initdb" -D "$folder/data" -U rung -A trust -E UTF8 --no-sync >init.log 2>&1 </dev/null || {
        cat init.log >&2
        exit 1
    }
    rm -f data/postmaster.pid
    as "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/data/log" \
        -o "-k $folder -c listen_addresses='' -c max_connections=50 -c shared_buffers=32MB" start >/dev/null 2>&1 </dev/null || {
        tail -5 data/log >&2
        exit 1
    }
    echo "postgresql://rung@/postgres?host=$folder" ;;
stop) as "$bin/pg_ctl" -D "$folder/data" -m fast -w stop >/dev/null 2>&1 ;;
kill)
    pid=$(head -1 data/postmaster.pid) || exit 1
    kill -9 $(ps -o pid= --ppid "$pid") "$pid" 2>/dev/null
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done ;;
esac
