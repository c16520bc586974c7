/* rung stop: tells a running server to drop a model from memory. */
#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/server.h"
#include "data/json.h"

static const char help[] =
    "usage: rung stop NAME... [--url URL] [--config FILE]\n\n"
    "Drops models from the memory of the running rung serve: at once, or when the requests that use them have ended.\n"
    "The next request for one loads it again.\n\n"
    "  -u, --url URL       where the server is; default: where the configuration makes it listen\n"
    "  -c, --config FILE   the configuration\n"
    "  -h, --help          this text\n\n"
    "examples:\n"
    "  rung stop qwen3:4b\n"
    "  rung stop starter --url http://127.0.0.1:11435\n";

static bool stop(const struct cli_server *server, const char *name, struct err *err)
{
    struct buf body = BUF_INIT(64u << 10);
    struct json_writer w = JSON_WRITER(&body);
    json_t *reply;
    json_open_object(&w);
    json_put_cstr(&w, "model", name);
    json_put_i64(&w, "keep_alive", 0);
    json_close_object(&w);
    bool ok = buf_check(&body, "the name", err) && cli_server_call(server, "/api/generate", body.p, &reply, err);
    if (ok)
        json_decref(reply);
    buf_free(&body);
    return ok;
}

int cmd_stop(int argc, char **argv)
{
    static const struct option options[] = {{"url", required_argument, NULL, 'u'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct cli_server server = {0};
    struct err err = ERR_INIT;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "u:c:h", options, NULL)) != -1;) {
        switch (o) {
        case 'u': server.url = optarg; break;
        case 'c': server.config_path = optarg; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return cli_usage("stop", "name the model to drop; rung ps lists what is loaded");
    for (int i = optind; i < argc; i++)
        if (!stop(&server, argv[i], &err))
            return cli_fail(&err);
    return EXIT_OK;
}
