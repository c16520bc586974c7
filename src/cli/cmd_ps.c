/* rung ps: the models that a running server holds in memory. */
#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/server.h"
#include "data/json.h"

static const char help[] =
    "usage: rung ps [--json] [--url URL] [--config FILE]\n\n"
    "Which models the running rung serve has loaded: the memory they take, their context, what of their budget for\n"
    "keys and values is in use, when they are dropped if nobody asks, and how many requests use them now.\n\n"
    "  -j, --json          one JSON object, as GET /api/ps gives it\n"
    "  -u, --url URL       where the server is; default: where the configuration makes it listen\n"
    "  -c, --config FILE   the configuration\n"
    "  -h, --help          this text\n\n"
    "examples:\n"
    "  rung ps\n"
    "  rung ps --url http://127.0.0.1:11435\n";

static void show_size(int64_t bytes, char *text, size_t size)
{
    if (bytes >= 1000000000)
        snprintf(text, size, "%.1f GB", (double)bytes / 1e9);
    else
        snprintf(text, size, "%.0f MB", (double)bytes / 1e6);
}

static void show_left(int64_t left_ms, char *text, size_t size)
{
    int64_t s = (left_ms + 999) / 1000;
    if (left_ms < 0)
        snprintf(text, size, "for ever");
    else if (s >= 2 * 3600)
        snprintf(text, size, "%lld h from now", (long long)(s / 3600));
    else if (s >= 2 * 60)
        snprintf(text, size, "%lld min from now", (long long)(s / 60));
    else
        snprintf(text, size, "%lld s from now", (long long)s);
}

static int64_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void print_table(const json_t *reply)
{
    const json_t *models = json_object_get(reply, "models");
    printf("%-28s %-10s %-9s %-20s %-16s %s\n", "NAME", "SIZE", "CONTEXT", "KV CACHE", "UNTIL", "REQUESTS");
    for (size_t i = 0; i < json_array_size(models); i++) {
        const json_t *m = json_array_get(models, i), *rung = json_object_get(m, "rung");
        const char *name = json_string_value(json_object_get(m, "name"));
        char size[24], left[32], held[24], budget[24], cache[64];
        struct buf safe = BUF_INIT(4096);
        cli_make_safe(str_of(name), &safe);
        show_size(number(m, "size"), size, sizeof size);
        show_left(number(rung, "left_ms"), left, sizeof left);
        show_size(number(rung, "kv_bytes"), held, sizeof held);
        show_size(number(rung, "kv_memory_bytes"), budget, sizeof budget);
        snprintf(cache, sizeof cache, "%s of %s", held, budget);
        printf("%-28s %-10s %-9lld %-20s %-16s %lld", safe.p ? safe.p : "", size,
               (long long)number(m, "context_length"), cache, left, (long long)number(rung, "requests"));
        if (number(rung, "waiting") > 0)
            printf(" (%lld wait for memory)", (long long)number(rung, "waiting"));
        printf("\n");
        buf_free(&safe);
    }
}

static void print_json(const json_t *reply)
{
    struct buf out = BUF_INIT(16u << 20);
    struct json_writer w = JSON_WRITER(&out);
    json_value(&w, reply);
    printf("%s\n", out.p ? out.p : "{}");
    buf_free(&out);
}

int cmd_ps(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"url", required_argument, NULL, 'u'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct cli_server server = {0};
    struct err err = ERR_INIT;
    bool json = false;
    json_t *reply;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "ju:c:h", options, NULL)) != -1;) {
        switch (o) {
        case 'j': json = true; break;
        case 'u': server.url = optarg; break;
        case 'c': server.config_path = optarg; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: return EXIT_USAGE;
        }
    }
    if (optind < argc)
        return cli_usage("ps", "'%s' is not expected", argv[optind]);
    if (!cli_server_call(&server, "/api/ps", NULL, &reply, &err))
        return cli_fail(&err);
    if (json)
        print_json(reply);
    else
        print_table(reply);
    json_decref(reply);
    return EXIT_OK;
}
