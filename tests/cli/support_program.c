/* Starting and ending programs, asking them, and comparing the bills of both sides. */
#include "support_program.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "data/json.h"

#define START_TRIES 3000           /* of 10 ms */
#define ASK_TIMEOUT_MS 30000L
#define MANY_TOKENS (INT64_C(1) << 60)
#define PICO_INPUT 3000000         /* PROGRAM_MODELS, a token */
#define PICO_CACHED 1000000
#define PICO_OUTPUT 7000000
#define PICO_REASONING 11000000

/* ---- programs ---- */
const char *program_path(const char *name)
{
    static char build[2048], paths[4][4096]; /* the link is read once: seen from mounts of one's own it may be another */
    static unsigned next;
    char *path = paths[next++ % 4];
    if (!build[0]) {
        ssize_t n = readlink("/proc/self/exe", build, sizeof build - 1);
        assert_true(n > 0);
        build[n] = '\0';
        for (int i = 0; i < 3; i++) /* BUILD/tests/cli/test_x */
            *strrchr(build, '/') = '\0';
    }
    snprintf(path, sizeof paths[0], "%s/%s", build, name);
    return path;
}

static char *read_log(const struct program *p)
{
    char *text = calloc(1, 65536);
    int fd = open(p->log, O_RDONLY | O_CLOEXEC);
    assert_non_null(text);
    if (fd >= 0 && read(fd, text, 65535) < 0)
        text[0] = '\0';
    close(fd);
    return text;
}

bool program_said(const struct program *p, const char *words)
{
    char *text = read_log(p);
    bool said = strstr(text, words) != NULL;
    free(text);
    return said;
}

static void become(const struct program *p, pid_t parent, const char *const argv[])
{
    int log = open(p->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (log < 0 || getppid() != parent || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        _exit(126);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

/* Both programs say "... listen... 127.0.0.1:PORT" in one line. */
static uint16_t port_in(const char *log)
{
    const char *at = strstr(log, "listen");
    at = at ? strstr(at, "127.0.0.1:") : NULL;
    char *end = NULL;
    long port = at ? strtol(at + 10, &end, 10) : 0;
    return end && (*end == '\n' || *end == '/') ? (uint16_t)port : 0;
}

void program_start(struct program *p, const char *const argv[])
{
    pid_t self = getpid();
    int status;
    unlink(p->log);
    fflush(NULL);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0)
        become(p, self, argv);
    for (int i = 0; i < START_TRIES; i++) {
        char *log = read_log(p);
        uint16_t port = port_in(log);
        bool ended = !port && waitpid(p->pid, &status, WNOHANG) == p->pid;
        if (ended)
            fail_msg("%s ended: %s", argv[0], log);
        free(log);
        if (port) {
            p->port = port;
            return;
        }
        usleep(10000);
    }
    fail_msg("%s does not listen", argv[0]);
}

int program_stop(struct program *p, int signal)
{
    int status;
    if (!p->pid)
        return 0;
    kill(p->pid, signal);
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    p->pid = 0;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

char *program_run(int *ret_status, const char *fmt, ...)
{
    char command[8192];
    struct buf out = BUF_INIT(1 << 20);
    va_list args;
    int n = snprintf(command, sizeof command, "'%s' ", program_path("rung"));
    va_start(args, fmt);
    vsnprintf(command + n, sizeof command - (size_t)n, fmt, args);
    va_end(args);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    for (int c; (c = fgetc(f)) != EOF;)
        buf_char(&out, (char)c);
    int status = pclose(f);
    *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    buf_puts(&out, "");
    assert_true(buf_ok(&out));
    return out.p ? buf_take(&out) : strdup("");
}

char *program_key(const char *config, const char *words)
{
    int status;
    char *out = program_run(&status, "key %s --config %s 2>/dev/null", words, config);
    if (status != 0)
        fail_msg("rung key %s ended with %d: %s", words, status, out);
    out[strcspn(out, "\n")] = '\0';
    return out;
}

/* ---- questions ---- */
static size_t take_body(char *p, size_t size, size_t n, void *ctx)
{
    buf_add(ctx, p, size * n);
    return size * n;
}

static size_t take_header(char *p, size_t size, size_t n, void *ctx)
{
    static const char name[] = "retry-after:";
    struct answer *a = ctx;
    if (size * n > sizeof name && strncasecmp(p, name, sizeof name - 1) == 0)
        a->retry_after_s = (int)strtol(p + sizeof name - 1, NULL, 10);
    return size * n;
}

static struct curl_slist *headers_of(const char *key)
{
    char line[256];
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    if (!key)
        return list;
    snprintf(line, sizeof line, "Authorization: Bearer %s", key);
    return curl_slist_append(list, line);
}

void ask_for(uint16_t port, const char *key, const char *path, const char *body, long patience_ms, struct answer *ret)
{
    char url[256];
    long status = 0;
    CURL *e = curl_easy_init();
    struct curl_slist *headers = headers_of(key);
    *ret = (struct answer){.retry_after_s = -1, .body = BUF_INIT(1 << 20)};
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, patience_ms ? patience_ms : ASK_TIMEOUT_MS);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, &ret->body);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, ret);
    if (body)
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, body);
    if (curl_easy_perform(e) == CURLE_OK)
        curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
    ret->status = (int)status;
    curl_slist_free_all(headers);
    curl_easy_cleanup(e);
}

void ask(uint16_t port, const char *key, const char *path, const char *body, struct answer *ret)
{
    ask_for(port, key, path, body, 0, ret);
}

int ask_status(uint16_t port, const char *key, const char *path, const char *body)
{
    struct answer a;
    ask(port, key, path, body, &a);
    buf_free(&a.body);
    return a.status;
}

/* ---- load ---- */
#define QUESTION "\"model\":\"big\",\"max_tokens\":40,\"messages\":[{\"role\":\"user\",\"content\":\"one two three %d\"}]"
static const struct {
    const char *path, *body;
    int calls;                     /* that an answer takes */
    const char *last;              /* words that a whole answer holds */
} questions[] = {
    {"/v1/chat/completions", "{" QUESTION "}", 1, "\"usage\""},
    {"/v1/chat/completions", "{\"stream\":true," QUESTION "}", 1, "[DONE]"},
    {"/v1/chat/completions", "{\"n\":3," QUESTION "}", 3, "\"usage\""},
    {"/v1/embeddings", "{\"model\":\"vec\",\"input\":[\"one text\",\"and %d\"]}", 1, "\"usage\""},
};
#define N_QUESTIONS ((int)(sizeof questions / sizeof questions[0]))

static void *client_main(void *arg)
{
    const struct load_client *client = arg;
    struct load *load = client->load;
    for (int i = client->number; !atomic_load(&load->stop); i++) {
        char body[512];
        struct answer a;
        int kind = load->alone && questions[i % N_QUESTIONS].calls > 1 ? 0 : i % N_QUESTIONS;
        snprintf(body, sizeof body, questions[kind].body, client->number * 1000000 + i);
        atomic_fetch_add(&load->asked, 1);
        long patience_ms = load->hang_up_ms && i % 3 ? 1 + i * 7 % load->hang_up_ms : 0;
        ask_for(load->servers[i / N_QUESTIONS % load->n_servers]->port, load->key, questions[kind].path, body,
                patience_ms, &a);
        buf_char(&a.body, '\0');
        bool whole = a.status == 200 && buf_ok(&a.body) && strstr(a.body.p, questions[kind].last);
        if (whole)
            atomic_fetch_add(&load->answered, questions[kind].calls);
        else
            atomic_fetch_add(&load->refused, 1);
        buf_free(&a.body);
        if (!whole)
            usleep(5000);
    }
    return NULL;
}

void load_start(struct load *load)
{
    for (int i = 0; i < LOAD_CLIENTS; i++) {
        load->clients[i].load = load;
        load->clients[i].number = i;
        assert_int_equal(pthread_create(&load->clients[i].thread, NULL, client_main, &load->clients[i]), 0);
    }
}

void load_stop(struct load *load)
{
    atomic_store(&load->stop, true);
    for (int i = 0; i < LOAD_CLIENTS; i++)
        pthread_join(load->clients[i].thread, NULL);
}

/* ---- bills ---- */
struct bill bill_of_standin(const struct program *standin)
{
    struct answer a;
    struct err err = ERR_INIT;
    json_t *root;
    ask(standin->port, NULL, "/billed", NULL, &a);
    assert_int_equal(a.status, 200);
    assert_ok(json_parse_object(buf_view(&a.body), "the stand-in's bill", &root, &err), err);
    int64_t prompt = json_integer_value(json_object_get(root, "prompt"));
    int64_t cached = json_integer_value(json_object_get(root, "cached"));
    int64_t completion = json_integer_value(json_object_get(root, "completion"));
    int64_t reasoning = json_integer_value(json_object_get(root, "reasoning"));
    struct bill b = {
        .calls = json_integer_value(json_object_get(root, "calls")),
        .tokens = prompt + completion,
        .pico_usd = (prompt - cached) * PICO_INPUT + cached * PICO_CACHED + (completion - reasoning) * PICO_OUTPUT +
                    reasoning * PICO_REASONING,
    };
    json_decref(root);
    buf_free(&a.body);
    return b;
}

/* Answers that nobody waited for any more are accounted for too, once their usage is known. */
#define ACCOUNTED " FROM attempt WHERE outcome NOT IN ('possibly_billed', 'announced') AND prompt > 0"

void bill_of_ledger(const char *where, struct bill *ret_sure, struct bill *ret_maybe)
{
    *ret_sure = (struct bill){
        .calls = sql_ask(where, "SELECT count(*)" ACCOUNTED),
        .tokens = sql_ask(where, "SELECT coalesce(sum(prompt + completion + reasoning), 0)" ACCOUNTED),
        .pico_usd = sql_ask(where, "SELECT coalesce(sum(cost_pico_usd), 0) FROM request"),
    };
    *ret_maybe = (struct bill){
        .calls = sql_ask(where, "SELECT count(*) FROM attempt WHERE outcome = 'possibly_billed'"),
        .tokens = sql_ask(where, "SELECT coalesce(sum(reserved_tokens), 0) FROM request"
                                 " WHERE outcome = 'possibly_billed'"),
        .pico_usd = sql_ask(where, "SELECT coalesce(sum(uncertain_pico_usd), 0) FROM request"),
    };
    if (sql_ask(where, "SELECT count(*) FROM request WHERE uncertain_attempts > 0 AND reserved_tokens = 0"))
        ret_maybe->tokens = MANY_TOKENS;
}

static void must_lie(const char *what, int64_t sure, int64_t counted, int64_t maybe)
{
    print_message("  %-8s settled %lld <= billed %lld <= settled + possibly billed %lld\n", what, (long long)sure,
                  (long long)counted, (long long)(sure + maybe));
    assert_true(sure <= counted && counted <= sure + maybe);
}

#define KEYS_SPENT "SELECT coalesce(sum(spent_pico_usd), 0) FROM spend WHERE api_key <> '' AND"

void bill_must_fit(const struct bill *counted, const char *where)
{
    struct bill sure, maybe;
    bill_of_ledger(where, &sure, &maybe);
    must_lie("calls", sure.calls, counted->calls, maybe.calls);
    must_lie("tokens", sure.tokens, counted->tokens, maybe.tokens);
    must_lie("pico-USD", sure.pico_usd, counted->pico_usd, maybe.pico_usd);
    assert_int_equal(sql_ask(where, "SELECT count(*) FROM request WHERE outcome = 'open'"), 0);
    assert_int_equal(sql_ask(where, "SELECT count(*) FROM attempt WHERE outcome = 'announced'"), 0);
    assert_int_equal(sql_ask(where, "SELECT count(*) - count(DISTINCT id) FROM request"), 0);
    assert_int_equal(sql_ask(where, "SELECT coalesce(sum(reserved_pico_usd), 0) FROM spend"), 0);
    assert_int_equal(sql_ask(where, "SELECT coalesce(sum(spent_pico_usd), 0) FROM spend WHERE api_key = ''"),
                     sure.pico_usd + maybe.pico_usd);
    int64_t keys = sql_ask(where, "SELECT coalesce(sum(cost_pico_usd + uncertain_pico_usd), 0) FROM request"
                                  " WHERE api_key <> ''");
    assert_int_equal(sql_ask(where, KEYS_SPENT " length(period) = 7"), keys);
    assert_int_equal(sql_ask(where, KEYS_SPENT " length(period) = 10"), keys);
}
