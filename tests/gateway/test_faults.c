/* The fault matrix: whatever an upstream does, at every endpoint, plain and streamed, the client gets a clear answer, who stands in is
 * asked as long as nothing was seen, what may have been billed is booked as that, and other requests do not notice. docs/faults.md is
 * this table. */
#include "data/json.h"
#include "gateway/answer/answer.h"
#include "store/report.h"
#include "support_faulty.h"
#include "support_gateway.h"

#define HEAD(status) "HTTP/1.1 " status "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
#define ERROR_BODY "{\"error\":{\"message\":\"as told\",\"type\":\"x\"}}"
#define DELTA "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"part\"},\"finish_reason\":null}]}\n\n"
#define FINISH "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n"
#define INSIDE 1                           /* of a stream: 200, and an error inside */
#define EITHER 2                           /* 502 or 504, whichever ceiling is met first */

static const struct fault {
    const char *name;
    enum faulty_how how;
    enum faulty_then then;
    const char *say, *more;
    int plain, stream;                     /* the status that the client sees */
    bool billed;                           /* booked as possibly billed */
    bool tls;
} faults[] = {
    {"nobody listens", FAULTY_REFUSE, .plain = 502, .stream = 502},
    {"no connection is accepted", FAULTY_NO_ACCEPT, .plain = 504, .stream = 504},
    {"TLS: garbage", FAULTY_BLURT, THEN_CLOSE, "no TLS here\r\n", .plain = 502, .stream = 502, .tls = true},
    {"TLS: silence", FAULTY_BLURT, THEN_HANG, .plain = 504, .stream = 504, .tls = true},
    {"closed before the head", .plain = 502, .stream = 502, .billed = true},
    {"reset before the head", .then = THEN_RESET, .plain = 502, .stream = 502, .billed = true},
    {"silence after the request", .then = THEN_HANG, .plain = 504, .stream = 504, .billed = true},
    {"silence after the head", .then = THEN_HANG, .say = HEAD("200 OK"), .plain = 504, .stream = 504, .billed = true},
    {"silence after a stream's head", .then = THEN_HANG, .say = STREAM, .plain = 504, .stream = 504, .billed = true},
    {"no HTTP", .say = "SSH-2.0-OpenSSH_9.2\r\n", .plain = 502, .stream = 502, .billed = true},
    {"header without end", .then = THEN_REPEAT, .say = "HTTP/1.1 200 OK\r\n", .more = "x-more: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
     .plain = 502, .stream = 502, .billed = true},
    {"302", .say = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", .plain = 502, .stream = 502},
    {"400", .say = HEAD("400 Bad Request") ERROR_BODY, .plain = 400, .stream = 400},
    {"401", .say = HEAD("401 Unauthorized") ERROR_BODY, .plain = 502, .stream = 502},
    {"402", .say = HEAD("402 Payment Required") ERROR_BODY, .plain = 502, .stream = 502},
    {"403", .say = HEAD("403 Forbidden") ERROR_BODY, .plain = 502, .stream = 502},
    {"404", .say = HEAD("404 Not Found") ERROR_BODY, .plain = 502, .stream = 502},
    {"408", .say = HEAD("408 Request Timeout") ERROR_BODY, .plain = 502, .stream = 502},
    {"413", .say = HEAD("413 Content Too Large") ERROR_BODY, .plain = 413, .stream = 413},
    {"422", .say = HEAD("422 Unprocessable Content") "{\"detail\":\"as told\"}", .plain = 422, .stream = 422},
    {"429", .say = HEAD("429 Too Many Requests") ERROR_BODY, .plain = 429, .stream = 429},
    {"429 with Retry-After", .say = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", .plain = 429, .stream = 429},
    {"500", .say = HEAD("500 Internal Server Error") ERROR_BODY, .plain = 502, .stream = 502},
    {"500 with an error page without end", .then = THEN_REPEAT, .say = HEAD("500 Internal Server Error"), .more = "<p>sorry</p>",
     .plain = 502, .stream = 502},
    {"500 whose body never comes", .then = THEN_HANG, .say = HEAD("500 Internal Server Error"), .plain = 502, .stream = 502},
    {"502", .say = HEAD("502 Bad Gateway") "<html>bad gateway</html>", .plain = 502, .stream = 502},
    {"503", .say = HEAD("503 Service Unavailable") ERROR_BODY, .plain = 502, .stream = 502},
    {"504", .say = HEAD("504 Gateway Timeout") "<html>no answer in time</html>", .plain = 502, .stream = 502, .billed = true},
    {"529", .say = HEAD("529 Overloaded") ERROR_BODY, .plain = 502, .stream = 502},
    {"200 with nothing", .say = HEAD("200 OK"), .plain = 502, .stream = 502, .billed = true},
    {"200 with half of a JSON", .say = HEAD("200 OK") "{\"choices\":[{\"message\":{\"content\":\"ha", .plain = 502, .stream = 502, .billed = true},
    {"200 shorter than its length", .say = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{}", .plain = 502,
     .stream = 502, .billed = true},
    {"200 with another JSON", .say = HEAD("200 OK") "{\"hello\":[1]}", .plain = 502, .stream = 502, .billed = true},
    {"200 with HTML", .say = HEAD("200 OK") "<html>welcome</html>", .plain = 502, .stream = 502, .billed = true},
    {"200 with an error in it", .say = HEAD("200 OK") ERROR_BODY, .plain = 502, .stream = 502, .billed = true},
    {"body without end", .then = THEN_REPEAT, .say = HEAD("200 OK") "{\"id\":\"", .more = "endless endless endless endless ", .plain = EITHER,
     .stream = EITHER, .billed = true},
    {"body that drips", .then = THEN_DRIP, .say = HEAD("200 OK") "{\"id\":\"", .more = "drip", .plain = 504, .stream = 504, .billed = true},
    {"malformed chunk", .say = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello", .plain = 502,
     .stream = 502, .billed = true},
    {"stream of nothing", .say = STREAM, .plain = 502, .stream = 502, .billed = true},
    {"stream of comments without end", .then = THEN_DRIP, .say = STREAM, .more = ": PROCESSING\n\n", .plain = 504, .stream = 504, .billed = true},
    {"stream of empty events without end", .then = THEN_REPEAT, .say = STREAM, .more = "data: {\"choices\":[]}\n\n", .plain = EITHER,
     .stream = EITHER, .billed = true},
    {"stream with an error first", .say = STREAM "data: " ERROR_BODY "\n\n", .plain = 502, .stream = 502, .billed = true},
    {"stream of garbage", .say = STREAM "data: {{{\n\n", .plain = 502, .stream = 502, .billed = true},
    {"stream line without end", .then = THEN_REPEAT, .say = STREAM "data: ", .more = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", .plain = EITHER,
     .stream = EITHER, .billed = true},
    {"stream cut in its middle", .say = STREAM DELTA, .plain = 502, .stream = INSIDE, .billed = true},
    {"stream reset in its middle", .then = THEN_RESET, .say = STREAM DELTA, .plain = 502, .stream = INSIDE, .billed = true},
    {"silence in the middle of a stream", .then = THEN_HANG, .say = STREAM DELTA, .plain = 504, .stream = INSIDE, .billed = true},
    {"error in the middle of a stream", .say = STREAM DELTA "data: " ERROR_BODY "\n\n", .plain = 502, .stream = INSIDE, .billed = true},
    {"garbage in the middle of a stream", .say = STREAM DELTA "data: \x01\x02\n\n", .plain = 502, .stream = INSIDE, .billed = true},
    {"finish reason \"error\"", .say = STREAM DELTA "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"error\"}]}\n\n", .plain = 502,
     .stream = INSIDE, .billed = true},
    {"stream without [DONE]", .say = STREAM DELTA FINISH, .plain = 200, .stream = 200},
    {"stream without finish reason", .say = STREAM DELTA "data: [DONE]\n\n", .plain = 200, .stream = 200},
    {"[DONE] twice", .say = STREAM DELTA FINISH "data: [DONE]\n\ndata: [DONE]\n\n", .plain = 200, .stream = 200},
    {"more without end after [DONE]", .then = THEN_REPEAT, .say = STREAM DELTA FINISH "data: [DONE]\n\n", .more = DELTA, .plain = 200,
     .stream = 200},
    {"connection left open after [DONE]", .then = THEN_HANG, .say = STREAM DELTA FINISH "data: [DONE]\n\n", .plain = 200, .stream = 200},
};
#define N_FAULTS (sizeof faults / sizeof *faults)

static const struct {
    const char *path, *body;               /* printf-like: the model, whether it is streamed */
} endpoints[] = {
    {"/v1/chat/completions", "{\"model\":\"%s\",\"stream\":%s,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"},
    {"/v1/responses", "{\"model\":\"%s\",\"stream\":%s,\"input\":\"x\"}"},
    {"/v1/messages", "{\"model\":\"%s\",\"stream\":%s,\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"},
    {"/api/chat", "{\"model\":\"%s\",\"stream\":%s,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"},
    {"/api/generate", "{\"model\":\"%s\",\"stream\":%s,\"prompt\":\"x\"}"},
};
#define N_ENDPOINTS (sizeof endpoints / sizeof *endpoints)

/* ---- one request of many at a time ---- */

struct question {
    uint16_t port;
    size_t endpoint;
    bool stream;
    const char *model;
    pthread_t thread;
    struct plain_reply r;
};

static void *question_run(void *arg)
{
    struct question *q = arg;
    char body[400];
    snprintf(body, sizeof body, endpoints[q->endpoint].body, q->model, q->stream ? "true" : "false");
    plain_request(q->port, "POST", endpoints[q->endpoint].path, "Content-Type: application/json\r\n", body, &q->r);
    return NULL;
}

/* Every endpoint, plain and streamed, at once. */
static void ask_everywhere(uint16_t port, const char *model, struct question q[2 * N_ENDPOINTS])
{
    for (size_t i = 0; i < 2 * N_ENDPOINTS; i++) {
        q[i] = (struct question){.port = port, .endpoint = i / 2, .stream = i % 2, .model = model};
        pthread_create(&q[i].thread, NULL, question_run, &q[i]);
    }
}

static void await_everywhere(struct question q[2 * N_ENDPOINTS])
{
    for (size_t i = 0; i < 2 * N_ENDPOINTS; i++)
        pthread_join(q[i].thread, NULL);
}

static void expect(const struct fault *f, const struct question *q, int wanted)
{
    bool right = wanted == INSIDE ? q->r.status == 200 && strcasestr(q->r.body, "error")
               : wanted == EITHER ? q->r.status == 502 || q->r.status == 504
                                  : q->r.status == wanted;
    if (!right)
        fail_msg("%s, %s%s of %s: %d, wanted %d: %s\n%s", f->name, endpoints[q->endpoint].path, q->stream ? " streamed" : "", q->model,
                 q->r.status, wanted, q->r.headers, q->r.body);
}

static int64_t rows_with(const struct house *h, enum ledger_outcome outcome)
{
    struct err err = ERR_INIT;
    struct ledger_report *r;
    assert_ok(ledger_flush(h->gateway->ledger, &err), err);
    assert_ok(report_read(h->ledger, 0, REPORT_BY_TIER, &r, &err), err);
    int64_t n = r->outcomes[outcome];
    report_free(r);
    return n;
}

static struct stand_in spare;

#define GOOD "{\"model\":\"s\",\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"spared\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}"
#define CONDUCT "timeouts_ms: {%s}, breaker: {failures: 1000}, retries: 0, "

/* Short only where the fault is a silence, which ends by them; else a slow machine would see silences of its own. */
static const char *timeouts_of(const struct fault *f)
{
    if (f->stream == INSIDE)
        return "connect: 20000, first_token: 20000, idle: 500, total: 40000";
    if (f->plain == 504 || f->plain == EITHER)
        return "connect: 500, first_token: 500, idle: 500, total: 1500";
    if (f->then == THEN_HANG && f->plain != 200)
        return "connect: 20000, first_token: 1500, idle: 500, total: 3000";
    return "connect: 20000, first_token: 20000, idle: 20000, total: 40000";
}

static void open_fault(struct house *h, const struct fault *f, uint16_t port)
{
    const char *scheme = f->tls ? "https" : "http";
    house_open(h,
               "models: {alone: {base_url: '%s://127.0.0.1:%u/v1', " CONDUCT "}, safe: {base_url: '%s://127.0.0.1:%u/v1', " CONDUCT
               "fallback: [spare]}, spare: {base_url: 'http://127.0.0.1:%u/v1'}}\ntiers: [{name: far, model: alone}]\n",
               scheme, port, timeouts_of(f), scheme, port, timeouts_of(f), spare.port);
}

static void try_fault(const struct fault *f)
{
    struct faulty upstream;
    struct house h;
    struct question alone[2 * N_ENDPOINTS], safe[2 * N_ENDPOINTS], beside[2 * N_ENDPOINTS];
    faulty_open(&upstream, f->how, f->then, f->say, f->more);
    open_fault(&h, f, upstream.port);
    ask_everywhere(h.port, "alone", alone);
    ask_everywhere(h.port, "spare", beside);
    await_everywhere(beside);
    await_everywhere(alone);
    int64_t billed = rows_with(&h, LEDGER_POSSIBLY_BILLED);
    ask_everywhere(h.port, "safe", safe);
    await_everywhere(safe);
    for (size_t i = 0; i < 2 * N_ENDPOINTS; i++) {
        int wanted = i % 2 ? f->stream : f->plain;
        expect(f, &alone[i], wanted);
        expect(f, &safe[i], wanted == INSIDE ? INSIDE : 200);
        expect(f, &beside[i], 200);
        if (wanted != 200 && wanted != INSIDE && !strstr(safe[i].r.body, "spared"))
            fail_msg("%s at %s: %s", f->name, endpoints[i / 2].path, safe[i].r.body);
        plain_free(&alone[i].r);
        plain_free(&safe[i].r);
        plain_free(&beside[i].r);
    }
    if (billed != (f->billed ? (int64_t)(2 * N_ENDPOINTS) : 0))
        fail_msg("%s: %lld rows are possibly billed", f->name, (long long)billed);
    assert_int_equal(rows_with(&h, LEDGER_OPEN), 0);
    house_close(&h);
    faulty_close(&upstream);
}

static int setup(void **state)
{
    (void)state;
    stand_in_open(&spare);
    stand_in_play(&spare, (struct stand_in_script){.body = GOOD});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stand_in_close(&spare);
    return 0;
}

static void test_every_fault_at_every_endpoint_ends_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAULTS; i++)
        try_fault(&faults[i]);
}

/* ---- the table in docs/faults.md ---- */

static void status_text(int status, char *text, size_t size)
{
    if (status == INSIDE)
        snprintf(text, size, "200, the error inside");
    else if (status == EITHER)
        snprintf(text, size, "502 or 504");
    else
        snprintf(text, size, "%d", status);
}

static void test_the_page_of_faults_is_this_table(void **state)
{
    (void)state;
    char path[512], plain[40], stream[40], line[300];
    snprintf(path, sizeof path, "%s/docs/faults.md", RUNG_ROOT);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    for (size_t i = 0; i < N_FAULTS; i++) {
        const struct fault *f = &faults[i];
        bool well = f->plain == 200;
        status_text(f->plain, plain, sizeof plain);
        status_text(f->stream, stream, sizeof stream);
        snprintf(line, sizeof line, "| %s | %s | %s | %s | %s |\n", f->name, plain, stream,
                 well ? "not needed" : f->stream == INSIDE ? "plain only" : "yes",
                 well ? "as reported" : f->billed ? "possibly billed" : "not billed");
        if (!strstr(text, line))
            fail_msg("docs/faults.md misses the line: %s", line);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_fault_at_every_endpoint_ends_as_the_table_says, setup, teardown),
        cmocka_unit_test(test_the_page_of_faults_is_this_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
