/* rung list: the models of this machine, latest first. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/store/models.h"
#include "cli/progress.h"
#include "cli/store/store.h"
#include "data/json.h"

#define JSON_BYTES (32u << 20)

static const char help[] =
    "usage: rung list [--json]\n\n"
    "The models that are here: Rung's own, and those of an Ollama on this machine, which are used in place. A name\n"
    "with a * is pinned by rung.lock.\n\n"
    "  -j, --json   one JSON array\n"
    "  -h, --help   this text\n\n"
    "examples:\n"
    "  rung list\n"
    "  rung list --json | jq -r '.[].name'\n";

struct row {
    char *name, *path, *source;
    char digest[DIGEST_HEX + 1];
    bool pinned;
    enum registry_owner owner;
    int64_t size, modified_ms;
};

struct rows {
    struct row *rows;
    int n, cap;
    bool failed;
};

static bool take(void *ctx, const struct registry_model *m)
{
    struct rows *all = ctx;
    if (all->n == all->cap) {
        int cap = all->cap ? 2 * all->cap : 32;
        struct row *more = realloc(all->rows, (size_t)cap * sizeof *more);
        if (!more)
            return !(all->failed = true);
        all->rows = more;
        all->cap = cap;
    }
    struct row *row = &all->rows[all->n++];
    *row = (struct row){.name = str_dup(str_of(m->name)), .path = str_dup(str_of(m->path)),
                        .source = str_dup(str_of(m->source)), .pinned = m->pinned, .owner = m->owner, .size = m->size,
                        .modified_ms = m->modified_ms};
    memcpy(row->digest, m->digest, sizeof row->digest);
    all->failed = !row->name || !row->path || !row->source;
    return !all->failed;
}

static int latest_first(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->modified_ms != y->modified_ms ? (x->modified_ms < y->modified_ms) - (x->modified_ms > y->modified_ms)
                                            : strcmp(x->name, y->name);
}

static void print_age(int64_t age_ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "day"}, {3600000, "hour"}, {60000, "minute"}};
    for (int i = 0; i < 3; i++) {
        int64_t n = age_ms / units[i].ms;
        if (n > 0) {
            char text[40];
            snprintf(text, sizeof text, "%lld %s%s ago", (long long)n, units[i].name, n == 1 ? "" : "s");
            printf("%-16s", text);
            return;
        }
    }
    printf("%-16s", "just now");
}

static void print_text(const struct rows *all)
{
    size_t width = strlen("NAME");
    int64_t now = clock_wall_ms();
    if (all->n == 0) {
        printf("No models are here yet: rung pull NAME fetches one, rung fit says which fit this machine.\n");
        return;
    }
    for (int i = 0; i < all->n; i++)
        width = strlen(all->rows[i].name) > width ? strlen(all->rows[i].name) : width;
    printf("%-*s  %-12s  %8s  %-16s%s\n", (int)width + 1, "NAME", "DIGEST", "SIZE", "MODIFIED", "FROM");
    for (int i = 0; i < all->n; i++) {
        const struct row *row = &all->rows[i];
        char size[32];
        int n = printf("%s%s", row->name, row->pinned ? "*" : "");
        printf("%*s  %.12s  %8s  ", (int)width + 1 - n, "", row->digest,
               progress_show_bytes(row->size, size, sizeof size));
        print_age(now - row->modified_ms);
        printf("%s\n", row->owner == OWNER_OLLAMA ? "Ollama's store" : row->source);
    }
}

static bool print_json(const struct rows *all, struct err *err)
{
    struct buf out = BUF_INIT(JSON_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    char when[25];
    json_open_array(&w);
    for (int i = 0; i < all->n; i++) {
        const struct row *row = &all->rows[i];
        clock_iso8601(row->modified_ms, when);
        json_open_object(&w);
        json_put_cstr(&w, "name", row->name);
        json_put_cstr(&w, "digest", row->digest);
        json_put_i64(&w, "bytes", row->size);
        json_put_cstr(&w, "modified", when);
        json_put_cstr(&w, "owner", registry_owner_names[row->owner]);
        json_put_cstr(&w, "source", row->source);
        json_put_bool(&w, "pinned", row->pinned);
        json_put_cstr(&w, "path", row->path);
        json_close_object(&w);
    }
    json_close_array(&w);
    bool ok = buf_check(&out, "the list of models", err);
    if (ok)
        printf("%s\n", out.p);
    buf_free(&out);
    return ok;
}

static int list(bool json)
{
    struct registry *r = NULL;
    struct rows all = {0};
    struct err err = ERR_INIT;
    bool ok = cli_open_registry(NULL, &r, &err) && registry_each(r, take, &all, &err);
    if (ok && all.failed)
        ok = err_nomem(&err, "the list of models");
    if (ok && all.n)
        qsort(all.rows, (size_t)all.n, sizeof all.rows[0], latest_first);
    if (ok && json)
        ok = print_json(&all, &err);
    else if (ok)
        print_text(&all);
    for (int i = 0; i < all.n; i++) {
        free(all.rows[i].name);
        free(all.rows[i].path);
        free(all.rows[i].source);
    }
    free(all.rows);
    registry_close(r);
    return ok ? EXIT_OK : cli_fail(&err);
}

int cmd_list(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    bool json = false;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "jh", options, NULL)) != -1;) {
        if (o == 'h')
            return fputs(help, stdout) < 0 ? EXIT_FAILED : EXIT_OK;
        if (o != 'j')
            return EXIT_USAGE;
        json = true;
    }
    if (optind < argc)
        return cli_usage("list", "'%s' is not expected", argv[optind]);
    return list(json);
}
