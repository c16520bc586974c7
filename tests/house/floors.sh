#!/bin/sh
# The house stands: docs/floors.txt lists only floors above which a floor is built, and no #include climbs.
# `check ROOT` prints what is wrong; the samples at the end show that it sees it.
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1

check() { # ROOT: one line per fault
    awk '
        FILENAME ~ /floors\.txt$/ {
            if ($0 ~ /^#/ || NF == 0) next
            floor = $1
            if (sub(/:$/, "", floor) == 0) { print "floors.txt:" FNR ": not a line \"floor: floors it may use\""; next }
            if (floor in known) print "floors.txt:" FNR ": " floor " stands here twice"
            for (i = 2; i <= NF; i++) {
                if (!($i in known)) print "floors.txt:" FNR ": " floor " may not use " $i ", which is not below it"
                may[floor, $i] = 1
            }
            known[floor] = 1
            may[floor, floor] = 1
            next
        }
        FNR == 1 {
            n = split(FILENAME, part, "/")
            floor = ""
            for (i = 1; i < n; i++) if (part[i] == "src") floor = part[i + 1]
            if (!(floor in known)) print FILENAME ": " floor " is no floor of docs/floors.txt"
        }
        /^[ \t]*#[ \t]*include[ \t]*"/ {
            split($0, quoted, "\"")
            target = quoted[2]
            if (target ~ /\.\./) { print FILENAME ":" FNR ": an include by \"..\""; next }
            if (target !~ /\//) { print FILENAME ":" FNR ": an include without its floor: " target; next }
            sub(/\/.*/, "", target)
            if (!((floor, target) in may)) print FILENAME ":" FNR ": " floor " may not include from " target
        }
    ' "$1/docs/floors.txt" $(find "$1/src" -name '*.[ch]' | sort)
}

report() { # NAME FAULTS: no faults is ok
    if [ -z "$2" ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        echo "$2"
    fi
}

sees() { # NAME ROOT PATTERN
    if check "$2" | grep -q "$3"; then
        echo "ok $1"
    else
        echo "not ok $1: '$3' was not seen"
    fi
}

report no_include_climbs "$(check "$root")"

bad=$(mktemp -d) || exit 1
trap 'rm -rf "$bad"' EXIT
mkdir -p "$bad/docs" "$bad/src/low" "$bad/src/high" "$bad/src/odd"
printf 'low: high\nhigh: low\n' >"$bad/docs/floors.txt"
echo '#include "high/x.h"' >"$bad/src/low/a.c"
printf '#include "low/x.h"\n#include "x.h"\n  # include "odd/x.h"\n#include "low/../odd/x.h"\n' >"$bad/src/high/b.c"
: >"$bad/src/odd/c.h" && echo '/* */' >"$bad/src/odd/c.h"
sees floors_check_sees_a_table_that_climbs "$bad" 'floors.txt:1: low may not use high'
printf 'low:\nhigh: low\n' >"$bad/docs/floors.txt"
sees floors_check_sees_an_include_that_climbs "$bad" 'low/a.c:1: low may not include from high'
sees floors_check_sees_an_include_that_is_not_on_the_line "$bad" 'high/b.c:3: high may not include from odd'
sees floors_check_sees_an_include_without_floor "$bad" 'high/b.c:2: an include without its floor'
sees floors_check_sees_dots "$bad" 'high/b.c:4: an include by'
sees floors_check_sees_a_folder_that_is_no_floor "$bad" 'odd/c.h: odd is no floor'
