#!/bin/sh
# setup.sh as a fresh machine meets it. The commands that it calls are played by scripts in front of the PATH: nothing is
# installed, and what would be is written down. One line a case: ok NAME / not ok NAME why.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

play() { # NAME: the script of a command, from standard input
    { echo '#!/bin/sh'; cat; } > "bin/$1"
    chmod +x "bin/$1"
}

# run WHAT: setup.sh as it is, with the played commands; sets said and status
run() {
    : > calls
    said=$(PATH=$work/bin:$PATH RUNG_OS_RELEASE=$work/os-release CALLS=$work/calls "$root/setup.sh" "$1" 2>&1 </dev/null)
    status=$?
}

report() { # NAME CONDITION...
    name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name: status $status, said: $said, calls: $(cat calls)"; fi
}

says() { # STATUS TEXT
    [ "$status" -eq "$1" ] && case $said in *"$2"*) true ;; *) false ;; esac
}

mkdir bin
echo 'ID=debian' > os-release
echo '[ "$4" = make ] || [ "$4" = gcc ] || exit 1; echo "install ok installed"' | play dpkg-query
echo 'echo "apt-get $*" >> "$CALLS"' | play apt-get
echo 'exit 1' | play sudo

echo 'echo 1000' | play id
run build
report without_root_it_prints_the_one_command says 1 'apt-get update && apt-get install -y --no-install-recommends libc6-dev'
report without_root_it_runs_nothing test ! -s calls
report what_is_there_is_not_asked_for sh -c '! printf %s "$1" | grep -q " make "' sh "$said"
run test
report the_tests_need_more says 1 'libcmocka-dev'

echo 'echo 0' | play id
run build
report root_is_told_what_is_installed says 0 'setup: installing, to build Rung: libc6-dev'
report root_installs_it grep -q '^apt-get install .*libmicrohttpd-dev' calls
echo 'echo "no network" >&2; exit 100' | play apt-get
run build
report a_failed_installation_shows_why says 1 'no network'

echo 'echo "install ok installed"' | play dpkg-query
run test
report a_complete_machine_is_left_alone says 0 ''
report a_complete_machine_hears_nothing test -z "$said"

echo 'ID=other' > os-release
echo 'exit 1' | play pkg-config
run build
report another_system_is_told_what_it_needs says 1 'this is not Debian'
run nonsense
report wrong_usage_is_said says 2 'usage: ./setup.sh build|test'
