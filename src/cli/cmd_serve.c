/* rung serve: opens the gateway and the HTTP server, says where and what, and waits for a signal. */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/probe.h"
#include "cli/store/models.h"
#include "gateway/generations.h"
#include "store/ledger.h"

#define STOP_GRACE_MS 5000

static const char help[] =
    "usage: rung serve [--config FILE] [--listen ADDRESS:PORT] [--kv-cache TYPE] [--kv-memory SIZE] [--quiet]\n\n"
    "Speaks the OpenAI API. Each request goes to the model it names, or with \"model\": \"auto\" to the cheapest tier\n"
    "that can be trusted with it. Without --config it reads ./rung.yaml, then ~/.config/rung/rung.yaml, else\n"
    "built-in defaults with the embedded starter model. It connects to nothing that is not configured.\n"
    "Models load when they are asked for, those of the store under their names too; rung ps and rung stop.\n"
    "SIGHUP reads the configuration again; running requests end by the old one.\n\n"
    "  -c, --config FILE     the configuration; rung init writes one\n"
    "  -l, --listen ADDRESS  where to listen, localhost:11434 unless configured; port 0 is any free one\n"
    "      --kv-cache TYPE   how local models keep keys and values: f16, or q8_0 in half of the memory\n"
    "      --kv-memory SIZE  most memory for them, for each local model, such as 2GB; requests beyond wait\n"
    "  -q, --quiet           say nothing but errors\n"
    "  -h, --help            this text\n\n"
    "examples:\n"
    "  rung serve\n"
    "  rung serve --listen 127.0.0.1:11435 --config rung.yaml\n"
    "  OPENAI_BASE_URL=http://localhost:11434/v1 OPENAI_API_KEY=any python3 your-program.py\n";

struct serve {
    const struct cli_model_options *options;
    const char *listen;              /* in place of the configuration's; NULL: none */
    bool quiet;
    struct generations *gateway;
    struct http_server *server;
};

static bool port_taken(const char *host, uint16_t port, struct err *err)
{
    char who[80];
    probe_port(host, port, who, sizeof who);
    return err_set(err, ERR_BUSY, "port %u on %s is taken by %s; try: rung serve --listen %s:%u", port, host, who,
                   strchr(host, ':') ? "[::1]" : "127.0.0.1", port == 11434 ? 11435 : port + 1);
}

static bool open_server(struct serve *s, const struct config *c, struct err *err)
{
    struct http_server_options options = {
        .host = c->listen_host,
        .port = c->listen_port,
        .tls_cert = c->tls_cert,
        .tls_key = c->tls_key,
        .max_body_bytes = c->max_body_bytes,
        .max_workers = c->max_workers,
        .max_queue = c->max_queue,
        .handle = generations_handle,
        .error_body = gateway_error_body,
        .ctx = s->gateway,
    };
    if (http_server_open(&options, &s->server, err))
        return true;
    return err->code == ERR_BUSY ? port_taken(c->listen_host, c->listen_port, err) : false;
}

static void print_pool(const struct config_model *m)
{
    printf(" at %s", m->upstreams[0].base_url);
    if (m->n_upstreams > 1)
        printf(" and %d more", m->n_upstreams - 1);
    printf("%s\n", m->price.known || m->own_machine ? "" : " (no price: the bill takes it as free)");
}

static void print_tiers(const struct gateway *g, const struct config *c)
{
    for (int t = 0; t < c->n_tiers; t++) {
        const struct config_model *m = &c->models[c->tiers[t].model];
        const struct local_model_info *info = gateway_local_model(g, c->tiers[t].model);
        printf("  %-8s %-10s %s", t ? "" : "tiers", c->tiers[t].name, m->name);
        if (info)
            printf(", here, %lld tokens of context\n", (long long)info->context);
        else if (m->key_missing)
            printf(" at %s (%s is not set: not used)\n", m->upstreams[0].base_url, m->api_key_env);
        else
            print_pool(m);
    }
}

static void print_example(const struct config *c, const char *url)
{
    bool starter =
        c->n_tiers && c->models[c->tiers[0].model].file && strcmp(c->models[c->tiers[0].model].file, "starter") == 0;
    printf("\ntry:\n  curl -s %s/chat/completions -H 'content-type: application/json' -d '{\"model\": \"auto\",\n"
           "    \"messages\": [",
           url);
    if (starter)
        printf("{\"role\": \"system\", \"content\": \"Classify the banking question into one intent.\"},\n      ");
    printf("{\"role\": \"user\", \"content\": \"%s\"}]}'\n", starter ? "My new card has not come yet." : "Say hello.");
}

static void print_start(const struct serve *s, const struct gateway *g)
{
    const struct config *c = gateway_config(g);
    char url[300], path[4096] = "";
    bool v6 = strchr(c->listen_host, ':') != NULL;
    snprintf(url, sizeof url, "%s://%s%s%s:%u/v1", c->tls_cert ? "https" : "http", v6 ? "[" : "", c->listen_host,
             v6 ? "]" : "",
             http_server_port(s->server));
    ledger_default_path(path, sizeof path, NULL);
    printf("Rung %s listens on %s\n\n  %-8s %s\n  %-8s %s\n  %-8s auto", RUNG_VERSION, url, "config", c->path, "ledger",
           c->ledger_path ? c->ledger_path : path, "models");
    for (int i = 0; i < c->n_models; i++)
        printf(", %s", c->models[i].name);
    printf("\n");
    if (!config_is_loopback(c->listen_host) && c->n_api_keys == 0)
        printf("  %-8s every request needs one; rung key create NAME makes it\n", "keys");
    print_tiers(g, c);
    print_example(c, url);
    printf("\nCtrl-C stops.\n");
    fflush(stdout);
}

/* Signals are taken here and nowhere else; the second one ends the program at once. SIGHUP is wanted whatever the
 * parent made of it. */
static void block_signals(sigset_t *set)
{
    signal(SIGHUP, SIG_DFL);
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
}

/* What the command line says of keys and values holds for every local model. */
static void set_caches(struct config *c, const struct cli_model_options *o)
{
    for (int i = -1; i < c->n_models; i++) {
        struct config_cache *cache = i < 0 ? &c->cache : &c->models[i].cache;
        cache->kv_q8 = o->has_kv_cache ? o->kv_q8 : cache->kv_q8;
        cache->kv_bytes = o->kv_bytes ? o->kv_bytes : cache->kv_bytes;
    }
}

/* The file, and over it what the command line says. */
static bool load_config(const struct serve *s, struct config **ret, struct err *err)
{
    struct config *c;
    if (!config_load(s->options->config_path, &c, err))
        return false;
    set_caches(c, s->options);
    if (s->listen && !config_parse_address(s->listen, &c->arena, &c->listen_host, &c->listen_port)) {
        config_free(c);
        return err_nomem(err, "the configuration");
    }
    *ret = c;
    return true;
}

/* The certificate is read again too, for such files are renewed in their place. Takes the configuration. */
static bool renew(struct serve *s, struct config *c, struct buf *notes, struct err *err)
{
    struct gateway *old = generations_take(s->gateway);
    bool was = gateway_config(old)->tls_cert != NULL, is = c->tls_cert != NULL;
    gateway_close(old);
    if (was != is) {
        config_free(c);
        return err_set(err, ERR_INVALID, "'tls' cannot be switched on or off while Rung runs; restart it");
    }
    if (is && !http_server_renew_tls(s->server, c->tls_cert, c->tls_key, err)) {
        config_free(c);
        return false;
    }
    return generations_renew(s->gateway, c, notes, err);
}

/* A configuration that is not good changes nothing: the old one goes on. */
static void reload(struct serve *s)
{
    struct err err = ERR_INIT;
    struct config *c;
    struct buf notes = BUF_INIT(4096);
    char text[1024];
    if (!load_config(s, &c, &err) || !renew(s, c, &notes, &err)) {
        log_error("the configuration was not changed: %s", err_format(&err, text, sizeof text));
    } else {
        for (char *line = notes.p, *end; line && (end = strchr(line, '\n')); line = end + 1)
            log_warn("%.*s", (int)(end - line), line);
        if (!s->quiet)
            printf("configuration read again\n");
    }
    buf_free(&notes);
    fflush(stdout);
}

static void wait_for_signal(struct serve *s, const sigset_t *set)
{
    int got = 0;
    while (sigwait(set, &got) == 0 && got == SIGHUP)
        reload(s);
    pthread_sigmask(SIG_UNBLOCK, set, NULL);
    int running = http_server_inflight(s->server);
    if (!s->quiet && running)
        printf("\nstopping; %d running request%s may end within %d seconds\n", running, running == 1 ? "" : "s",
               STOP_GRACE_MS / 1000);
    fflush(stdout);
}

static bool start(struct serve *s, struct err *err)
{
    struct gateway *g = generations_take(s->gateway);
    bool ok = open_server(s, gateway_config(g), err);
    if (ok && !s->quiet)
        print_start(s, g);
    gateway_close(g);
    return ok;
}

static bool is_address(const char *text)
{
    struct arena arena = ARENA_INIT(4096);
    const char *host;
    uint16_t port;
    bool ok = config_parse_address(text, &arena, &host, &port);
    arena_free(&arena);
    return ok;
}

/* This process holds keys, and for long: no look into its memory or its environment by others of the same user.
 * Debug builds stay open to debuggers, and to the leak checker, which is one. */
static void close_to_others(void)
{
#ifndef RUNG_DEBUG
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* Each connection is a file: as many as the administrator allows, not as many as a shell begins with. */
static void allow_connections(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static int serve(struct serve *s)
{
    struct config *c;
    struct err err = ERR_INIT;
    sigset_t signals;
    int rc = EXIT_FAILED;
    if (s->listen && !is_address(s->listen))
        return cli_usage("serve", "'%s' is no address; write it like 127.0.0.1:11435", s->listen);
    close_to_others();
    allow_connections();
    if (!load_config(s, &c, &err))
        return cli_fail(&err);
    if (!gateway_may_listen(c, c->listen_host, &err)) {
        config_free(c);
        return cli_fail(&err);
    }
    block_signals(&signals);
    struct gateway_options options = {.starter = cli_starter()};
    if (!generations_open(c, &options, &s->gateway, &err))
        return cli_fail(&err);
    if (start(s, &err)) {
        wait_for_signal(s, &signals);
        http_server_close(s->server, STOP_GRACE_MS);
        rc = EXIT_OK;
    } else {
        cli_fail(&err);
    }
    generations_close(s->gateway);
    return rc;
}

enum { OPT_KV_CACHE = 256, OPT_KV_MEMORY };

int cmd_serve(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {"kv-cache", required_argument, NULL, OPT_KV_CACHE},
                                            {"kv-memory", required_argument, NULL, OPT_KV_MEMORY},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct cli_model_options model = {0};
    const char *listen = NULL;
    bool quiet = false;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "c:l:qh", options, NULL)) != -1;) {
        if (o == 'c') {
            model.config_path = optarg;
        } else if (o == 'l') {
            listen = optarg;
        } else if (o == OPT_KV_CACHE) {
            if (!cli_take_kv_cache("serve", optarg, &model))
                return EXIT_USAGE;
        } else if (o == OPT_KV_MEMORY) {
            if (!cli_take_kv_memory("serve", optarg, &model))
                return EXIT_USAGE;
        } else if (o == 'q') {
            quiet = true;
        } else if (o == 'h') {
            fputs(help, stdout);
            return EXIT_OK;
        } else {
            return EXIT_USAGE;
        }
    }
    if (optind < argc)
        return cli_usage("serve", "'%s' is not expected", argv[optind]);
    return serve(&(struct serve){.options = &model, .listen = listen, .quiet = quiet});
}
