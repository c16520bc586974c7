#!/bin/sh
# Style as a test: what of the rules a machine can see cheaply. `check ROOT` prints what is wrong; the samples at
# the end show that each rule can fail.
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1

# One line per fault. Comments and string literals are taken out before calls are looked for.
check() {
    LC_ALL=C.UTF-8 awk '
        function fault(what) { print substr(FILENAME, length(root) + 2) ":" FNR ": " what }
        function code_of(line,   out, close_at) {
            gsub(/\\./, "", line)
            gsub(/"[^"]*"/, "\"\"", line)
            out = ""
            while (line != "") {
                if (in_comment) {
                    close_at = index(line, "*/")
                    if (!close_at) return out
                    line = substr(line, close_at + 2)
                    in_comment = 0
                } else {
                    close_at = index(line, "/*")
                    if (!close_at) { out = out line; break }
                    out = out substr(line, 1, close_at - 1)
                    line = substr(line, close_at + 2)
                    in_comment = 1
                }
            }
            sub(/\/\/.*/, "", out)
            return out
        }
        FNR == 1 {
            in_comment = 0
            body = 0
            cli = FILENAME ~ /\/src\/cli\//
            if ($0 !~ /^\/\*/) fault("the file does not open with a comment that says what it is for")
        }
        length($0) > 120 { fault("longer than 120 columns") }
        /\t/ { fault("a tab; indent with 4 spaces") }
        /[ ]$/ { fault("white space at the end of the line") }
        {
            code = code_of($0)
            if (code ~ /(^|[^a-zA-Z0-9_])(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atof|strtok)[ ]*\(/)
                fault("a banned call (strcpy, strcat, sprintf, gets, atoi, strtok)")
            if (!cli && code ~ /(^|[^a-zA-Z0-9_])(exit|abort|printf|puts|putchar)[ ]*\(/)
                fault("a library neither exits, aborts nor prints")
            if (!cli && code ~ /(^|[^a-zA-Z0-9_])stdout([^a-zA-Z0-9_]|$)/) fault("a library does not print to stdout")
            if (code ~ /(^|[^a-zA-Z0-9_])typedef[ ]+(struct|union|enum)([^a-zA-Z0-9_]|$)/) fault("typedef of a struct, union or enum; use the tag")
        }
        /^\{/ { body = FNR }
        /^\}/ {
            if (body && FNR - body - 1 > 100) fault("a function of " FNR - body - 1 " lines; at most 100")
            body = 0
        }
    ' root="$1" $(find "$1/src" -name '*.[ch]' | sort)
    find "$1/src" -name '*.c' -printf '%h\n' | sort | uniq -c |
        awk -v skip="$(printf '%s/' "$1" | wc -c)" '$1 > 16 { print substr($2, skip + 1) ": " $1 " .c files; a folder holds at most 16" }'
}

faults=$(check "$root")
if [ -z "$faults" ]; then
    echo "ok source_follows_the_style"
else
    echo "not ok source_follows_the_style: $(echo "$faults" | wc -l) faults"
    echo "$faults" | head -40
fi

sees() { # NAME PATTERN
    if check "$bad" | grep -q "$2"; then
        echo "ok $1"
    else
        echo "not ok $1: '$2' was not seen"
    fi
}

bad=$(mktemp -d) || exit 1
trap 'rm -rf "$bad"' EXIT
mkdir -p "$bad/src/base" "$bad/src/cli" "$bad/src/full"
awk 'BEGIN {
    print "int x;"; print "int long_line; /* " sprintf("%120s", "") "*/"; print "typedef struct a { int b; } a_t;"
    print "void f(void)\n{\n    exit(1);\n    printf(\"x\");\n    fprintf(stdout, \"x\");\n    strcpy(a, b);\n\tint tab;\n}"
    print "void g(void)\n{"; for (i = 0; i < 101; i++) print "    g();"; print "}" }' >"$bad/src/base/bad.c"
printf '/* A file without faults: exit(1) and \\"strcpy\\" in words only. */\nvoid f(void)\n{\n    snprintf("exit(1) /* ", 1); /* abort() */\n    my_exit(1);\n}\n' >"$bad/src/base/good.c"
printf '/* Commands. */\nvoid f(void)\n{\n    printf("x");\n    exit(1);\n}\n' >"$bad/src/cli/cmd.c"
i=0
while [ $i -lt 17 ]; do
    echo '/* x */' >"$bad/src/full/f$i.c"
    i=$((i + 1))
done
sees style_check_sees_a_file_without_opening_words 'base/bad.c:1: the file does not open'
sees style_check_sees_long_lines 'base/bad.c:2: longer than 120'
sees style_check_sees_typedefs_of_structs 'base/bad.c:3: typedef'
sees style_check_sees_exit 'base/bad.c:6: a library neither'
sees style_check_sees_printf 'base/bad.c:7: a library neither'
sees style_check_sees_stdout 'base/bad.c:8: a library does not print'
sees style_check_sees_banned_calls 'base/bad.c:9: a banned call'
sees style_check_sees_tabs 'base/bad.c:10: a tab'
sees style_check_sees_long_functions 'base/bad.c:115: a function of 101 lines'
sees style_check_sees_full_folders 'src/full: 17 .c files'
if check "$bad" | grep -qE 'good.c|cmd.c'; then
    echo "not ok style_check_leaves_good_files_alone"
    check "$bad" | grep -E 'good.c|cmd.c'
else
    echo "ok style_check_leaves_good_files_alone"
fi
