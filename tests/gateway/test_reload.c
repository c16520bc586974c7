/* Another configuration while requests run: who asked before ends by the old one, who asks after is answered by the new one. */
#include <pthread.h>
#include <stdatomic.h>

#include "data/json.h"
#include "gateway/generations.h"
#include "support_gateway.h"

#define STARTER "models: {starter: {file: starter}}\ntiers: [{name: local, model: starter}]\n"
#define ANSWER(text) "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"" text "\"},\"finish_reason\":\"stop\"}]," \
                     "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}"
#define ASK "{\"model\":\"far\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"

extern const char rung_starter_gguf[], rung_starter_gguf_end[];

struct served {
    struct generations *generations;
    struct http_server *server;
    uint16_t port;
    char ledger[64];
};

static struct config *config_of(const char *yaml)
{
    struct err err = ERR_INIT;
    struct config *c = NULL;
    assert_ok(config_parse(str_of(yaml), "test.yaml", &c, &err), err);
    return c;
}

static void open_served(struct served *s, const char *yaml)
{
    struct err err = ERR_INIT;
    struct gateway_options o = {.starter = {rung_starter_gguf, (size_t)(rung_starter_gguf_end - rung_starter_gguf)}};
    assert_ok(generations_open(config_of(yaml), &o, &s->generations, &err), err);
    struct http_server_options so = {
        .host = "127.0.0.1", .handle = generations_handle, .error_body = gateway_error_body, .ctx = s->generations};
    assert_ok(http_server_open(&so, &s->server, &err), err);
    s->port = http_server_port(s->server);
}

static void close_served(struct served *s)
{
    http_server_close(s->server, 1000);
    generations_close(s->generations);
}

static void renew(struct served *s, const char *yaml)
{
    struct err err = ERR_INIT;
    struct buf notes = BUF_INIT(4096);
    assert_ok(generations_renew(s->generations, config_of(yaml), &notes, &err), err);
    buf_free(&notes);
}

static void far_yaml(char *yaml, size_t size, uint16_t port)
{
    snprintf(yaml, size, "models: {far: {base_url: 'http://127.0.0.1:%u/v1'}}\ntiers: [{name: mid, model: far}]\nledger: {path: off}\n",
             port);
}

struct asking {
    uint16_t port;
    struct plain_reply reply;
};

static void *ask_far(void *arg)
{
    struct asking *a = arg;
    plain_request(a->port, "POST", "/v1/chat/completions", "Content-Type: application/json\r\n", ASK, &a->reply);
    return NULL;
}

static bool was_asked(void *stand_in) { return stand_in_requests(stand_in) > 0; }

static void test_reload_lets_a_running_request_end_by_the_old_configuration(void **state)
{
    (void)state;
    static struct stand_in before, after;
    char yaml[400];
    pthread_t thread;
    struct served s;
    stand_in_open(&before);
    stand_in_open(&after);
    stand_in_play(&before, (struct stand_in_script){.body = ANSWER("before"), .streamed = true, .content_type = "application/json",
                                                    .pause_ms = 300});
    stand_in_play(&after, (struct stand_in_script){.body = ANSWER("after")});
    far_yaml(yaml, sizeof yaml, before.port);
    open_served(&s, yaml);
    struct asking early = {.port = s.port}, late = {.port = s.port};
    pthread_create(&thread, NULL, ask_far, &early);
    assert_true(eventually(was_asked, &before));
    far_yaml(yaml, sizeof yaml, after.port);
    renew(&s, yaml);
    ask_far(&late);
    assert_int_equal(late.reply.status, 200);
    assert_non_null(strstr(late.reply.body, "\"after\""));
    pthread_join(thread, NULL);
    assert_int_equal(early.reply.status, 200);
    assert_non_null(strstr(early.reply.body, "\"before\""));
    assert_int_equal(stand_in_requests(&before), 1);
    plain_free(&early.reply);
    plain_free(&late.reply);
    close_served(&s);
    stand_in_close(&before);
    stand_in_close(&after);
}

static int ask_port(uint16_t port)
{
    struct asking a = {.port = port};
    ask_far(&a);
    int status = a.reply.status;
    plain_free(&a.reply);
    return status;
}

static void test_reload_with_a_model_that_is_not_there_changes_nothing(void **state)
{
    (void)state;
    static struct stand_in far;
    char yaml[400];
    struct served s;
    struct err err = ERR_INIT;
    struct buf notes = BUF_INIT(4096);
    stand_in_open(&far);
    stand_in_play(&far, (struct stand_in_script){.body = ANSWER("yes")});
    far_yaml(yaml, sizeof yaml, far.port);
    open_served(&s, yaml);
    struct config *bad = config_of("models: {here: {file: /nowhere/model.gguf}}\nledger: {path: off}\n");
    assert_false(generations_renew(s.generations, bad, &notes, &err));
    assert_non_null(strstr(err.msg, "here"));
    assert_int_equal(ask_port(s.port), 200);
    buf_free(&notes);
    close_served(&s);
    stand_in_close(&far);
}

static void test_reload_says_what_it_cannot_change(void **state)
{
    (void)state;
    struct served s;
    struct err err = ERR_INIT;
    struct buf notes = BUF_INIT(4096);
    open_served(&s, STARTER "ledger: {path: off}\n");
    struct config *other = config_of(STARTER "listen: 127.0.0.1:9\nthreads: 3\nledger: {path: /tmp/x.db}\n");
    assert_ok(generations_renew(s.generations, other, &notes, &err), err);
    assert_non_null(strstr(notes.p, "'listen' cannot change"));
    assert_non_null(strstr(notes.p, "'threads' cannot change"));
    assert_non_null(strstr(notes.p, "'ledger' cannot change"));
    assert_null(strstr(notes.p, "'limits'"));
    struct gateway *g = generations_take(s.generations);
    assert_string_equal(gateway_config(g)->listen_host, "localhost");
    gateway_close(g);
    buf_free(&notes);
    close_served(&s);
}

static bool lists(struct served *s, const char *name)
{
    struct plain_reply r;
    plain_request(s->port, "GET", "/api/ps", "", "", &r);
    bool found = strstr(r.body, name) != NULL;
    plain_free(&r);
    return found;
}

static bool is_loaded(void *served) { return lists(served, "\"one\""); }
static bool is_dropped(void *served) { return !lists(served, "\"one\""); }

static void test_reload_keeps_a_model_whose_entry_is_the_same_and_drops_one_that_is_gone(void **state)
{
    (void)state;
    static const char base[] = "models: {one: {file: starter, keep_alive: 1h}}\nledger: {path: off}\n",
                      more[] = "models: {one: {file: starter, keep_alive: 1h}, two: {file: starter, keep_alive: 0}}\nledger: {path: off}\n",
                      gone[] = "models: {two: {file: starter, keep_alive: 0}}\nledger: {path: off}\n";
    struct served s;
    open_served(&s, base);
    assert_true(eventually(is_loaded, &s));
    struct gateway *g = generations_take(s.generations);
    const struct local_model_info *was = gateway_local_model(g, 0);
    gateway_close(g);
    renew(&s, more);
    g = generations_take(s.generations);
    assert_ptr_equal(gateway_local_model(g, 0), was);
    gateway_close(g);
    assert_true(is_loaded(&s));
    renew(&s, gone);
    assert_true(eventually(is_dropped, &s));
    renew(&s, base);
    struct plain_reply r;
    plain_request(s.port, "POST", "/v1/chat/completions", "Content-Type: application/json\r\n", ask_starter("My card?", NULL), &r);
    assert_int_equal(r.status, 200);
    plain_free(&r);
    assert_true(is_loaded(&s));
    close_served(&s);
}

struct crowd_member {
    struct served *s;
    atomic_bool *stop;
    int answered;
};

static void *keep_asking(void *arg)
{
    struct crowd_member *m = arg;
    while (!atomic_load(m->stop)) {
        assert_int_equal(ask_port(m->s->port), 200);
        m->answered++;
    }
    return NULL;
}

static void test_reload_fails_no_request_of_a_crowd(void **state)
{
    (void)state;
    enum { MEMBERS = 4, RELOADS = 60 };
    static struct stand_in far;
    char yaml[400];
    struct served s;
    pthread_t threads[MEMBERS];
    struct crowd_member members[MEMBERS];
    atomic_bool stop = false;
    stand_in_open(&far);
    stand_in_play(&far, (struct stand_in_script){.body = ANSWER("yes")});
    far_yaml(yaml, sizeof yaml, far.port);
    open_served(&s, yaml);
    for (int i = 0; i < MEMBERS; i++) {
        members[i] = (struct crowd_member){.s = &s, .stop = &stop};
        pthread_create(&threads[i], NULL, keep_asking, &members[i]);
    }
    for (int i = 0; i < RELOADS; i++)
        renew(&s, yaml);
    assert_int_equal(ask_port(s.port), 200);
    atomic_store(&stop, true);
    for (int i = 0; i < MEMBERS; i++)
        pthread_join(threads[i], NULL);
    close_served(&s);
    stand_in_close(&far);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reload_lets_a_running_request_end_by_the_old_configuration),
        cmocka_unit_test(test_reload_with_a_model_that_is_not_there_changes_nothing),
        cmocka_unit_test(test_reload_says_what_it_cannot_change),
        cmocka_unit_test(test_reload_keeps_a_model_whose_entry_is_the_same_and_drops_one_that_is_gone),
        cmocka_unit_test(test_reload_fails_no_request_of_a_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
