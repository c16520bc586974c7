/* rung audit: looks at an audit log. */
#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "data/json.h"
#include "gateway/audit/audit.h"

static const char help[] =
    "usage: rung audit verify FILE [--json]\n\n"
    "Checks that every line of an audit log is tied to the one before it: a line that was changed, taken out or put\n"
    "in shows. Lines cut off the end show only against a copy: keep the last hash somewhere else.\n"
    "The status is 0 when all lines fit, 1 when one does not.\n\n"
    "      --json   the result as JSON\n"
    "  -h, --help   this text\n\n"
    "examples:\n"
    "  rung audit verify audit.jsonl\n"
    "  rung audit verify audit.jsonl --json | jq -r .last_hash\n";

static void print_json(const struct audit_check *c)
{
    struct buf out = BUF_INIT(4096);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_put_bool(&w, "ok", c->bad_line == 0);
    json_put_i64(&w, "lines", c->lines);
    json_key(&w, "bad_line");
    if (c->bad_line)
        json_i64(&w, c->bad_line);
    else
        json_null_value(&w);
    json_put_cstr(&w, "first_prev", c->first_prev);
    json_put_cstr(&w, "last_hash", c->last_hash);
    json_close_object(&w);
    printf(STR_FMT "\n", STR_ARG(buf_view(&out)));
    buf_free(&out);
}

static int verify(const char *path, bool json)
{
    struct audit_check check;
    struct err err = ERR_INIT;
    if (!audit_verify(path, &check, &err))
        return cli_fail(&err);
    if (json)
        print_json(&check);
    else if (check.bad_line)
        printf("%s: line %lld does not fit the one before it: the log was changed there\n", path,
               (long long)check.bad_line);
    else
        printf("%s: %lld lines, all tied to the one before\nlast hash %s\n", path, (long long)check.lines,
               check.last_hash);
    return check.bad_line ? EXIT_FAILED : EXIT_OK;
}

int cmd_audit(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    bool json = false;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (o) {
        case 'j': json = true; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: return EXIT_USAGE;
        }
    }
    if (argc - optind != 2 || strcmp(argv[optind], "verify") != 0)
        return cli_usage("audit", "say what to do: rung audit verify FILE");
    return verify(argv[optind + 1], json);
}
