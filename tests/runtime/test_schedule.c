/* Generations that share a budget of keys and values: whoever waits, is preempted or finds prompts remembered answers
 * as if it were alone, and everybody comes to an end. */
#include "../support.h"

#include <pthread.h>

#include "runtime/runtime_private.h"
#include "support_runtime.h"

#define SYSTEM "Name the intent of this request."
#define CONTEXT 512
#define MANY 12
#define LONG_CONTEXT 4096

static struct starter roomy;   /* what every answer is compared with */
static int64_t context_bytes;

static struct starter open_with(struct runtime *rt, const char *name, const struct local_model_options *options)
{
    struct err err = ERR_INIT;
    struct filemap *map = NULL;
    struct starter s = {.rt = rt};
    if (!rt)
        assert_ok(runtime_open(2, &s.rt, &err), err);
    assert_ok(filemap_open(RUNG_ROOT "/models/starter.gguf", &map, &err), err);
    assert_ok(runtime_load(s.rt, name, map, options, &s.model, &err), err);
    return s;
}

static struct starter open_tight(struct runtime *rt, const char *name, int64_t context, int64_t kv_bytes)
{
    return open_with(rt, name, &(struct local_model_options){.context = context, .kv_bytes = kv_bytes});
}

static int open_roomy(void **state)
{
    (void)state;
    starter_open(&roomy, 2);
    context_bytes = engine_session_bytes(&local_model_info(roomy.model)->engine, TENSOR_F16, CONTEXT);
    return 0;
}

static int close_roomy(void **state)
{
    (void)state;
    starter_close(&roomy);
    return 0;
}

static struct local_model_state state_of(const struct starter *s)
{
    struct local_model_state states[8];
    int n = runtime_loaded(s->rt, states, 8);
    for (int i = 0; i < n; i++)
        if (states[i].info == local_model_info(s->model))
            return states[i];
    fail_msg("the model is not loaded");
    return states[0];
}

/* ---- long answers of many askers ---- */

static const struct logit_bias no_end = {4095, -100};

struct asker {
    char user[160];
    struct chat_message messages[2];
    struct generation_request req;
};

/* Each asks something else and writes n tokens, by chance from a seed of its own. */
static void ask_at_length(struct asker *a, int i, int64_t n)
{
    snprintf(a->user, sizeof a->user, "question %d: %.*s", i, (i * 17) % 90,
             "please book me a flight from boston to denver next friday and a table for two in the evening");
    a->req = ask(a->messages, SYSTEM, a->user);
    a->req.sampler.temperature = 1;
    a->req.sampler.seed = (uint64_t)i;
    a->req.sampler.repetition_penalty = 1.1f;
    a->req.sampler.bias = &no_end;
    a->req.sampler.n_bias = 1;
    a->req.max_tokens = n;
}

static void assert_as_alone(const struct starter *like, const struct asker *a, struct answer *got, bool of_length)
{
    struct starter s = *like;
    struct answer *alone = answer_of(&s, &a->req);
    assert_same_answer(got, alone);
    if (of_length)
        assert_int_equal(got->finish, FINISH_LENGTH);
    assert_int_equal(got->usage.completion_tokens, alone->usage.completion_tokens);
    assert_int_equal(got->usage.prompt_tokens, alone->usage.prompt_tokens);
    assert_true(got->usage.queue_us <= got->usage.ttft_us && got->usage.ttft_us <= got->usage.total_us);
    free(alone);
    free(got);
}

static void begin_many(struct starter *s, struct asker askers[MANY], struct generation *g[MANY], int64_t tokens)
{
    for (int i = 0; i < MANY; i++) {
        ask_at_length(&askers[i], i, tokens);
        g[i] = begin(s, &askers[i].req);
    }
}

static void test_a_budget_of_one_context_preempts_and_nobody_notices(void **state)
{
    (void)state;
    struct starter tight = open_tight(NULL, "tight", CONTEXT, context_bytes);
    struct asker askers[MANY];
    struct generation *g[MANY];
    begin_many(&tight, askers, g, 200);
    for (int i = 0; i < MANY; i++)
        assert_as_alone(&roomy, &askers[i], collect(g[i]), true);
    struct local_model_state s = state_of(&tight);
    assert_true(s.preemptions > 0);
    assert_int_equal(s.kv_bytes, context_bytes);
    assert_in_range(s.kv_held, 1, context_bytes);
    starter_close(&tight);
}

static void test_a_cache_of_8_bits_is_preempted_without_a_trace(void **state)
{
    (void)state;
    const struct engine_info *info = &local_model_info(roomy.model)->engine;
    struct local_model_options options = {.context = CONTEXT, .kv_q8 = true};
    struct starter like = open_with(NULL, "roomy", &options);
    options.kv_bytes = engine_session_bytes(info, TENSOR_Q8_0, CONTEXT);
    struct starter tight = open_with(NULL, "tight", &options);
    assert_true(options.kv_bytes * 10 < context_bytes * 6);
    struct asker askers[MANY];
    struct generation *g[MANY];
    begin_many(&tight, askers, g, 150);
    for (int i = 0; i < MANY; i++)
        assert_as_alone(&like, &askers[i], collect(g[i]), true);
    assert_true(state_of(&tight).preemptions > 0);
    assert_in_range(state_of(&tight).kv_held, 1, options.kv_bytes);
    starter_close(&tight);
    starter_close(&like);
}

static void test_as_many_as_may_live_come_to_an_end_on_two_pages(void **state)
{
    (void)state;
    static struct asker askers[RUNTIME_MAX_LIVE];
    static struct generation *g[RUNTIME_MAX_LIVE];
    struct answer *alone[MANY];
    const struct engine_info *info = &local_model_info(roomy.model)->engine;
    struct starter tight = open_tight(NULL, "tight", 128, engine_session_bytes(info, TENSOR_F16, 128));
    for (int i = 0; i < RUNTIME_MAX_LIVE; i++) {
        ask_at_length(&askers[i], i % MANY, 8);
        g[i] = begin(&tight, &askers[i].req);
    }
    for (int i = 0; i < MANY; i++)
        alone[i] = answer_of(&roomy, &askers[i].req);
    for (int i = 0; i < RUNTIME_MAX_LIVE; i++) {
        struct answer *a = collect(g[i]);
        assert_same_answer(a, alone[i % MANY]);
        assert_int_equal(a->finish, FINISH_LENGTH);
        free(a);
    }
    for (int i = 0; i < MANY; i++)
        free(alone[i]);
    starter_close(&tight);
}

/* ---- the order ---- */

/* Holds the engine thread before its first turn until the test has submitted what it wants. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open;
};

static bool wait_at_gate(void *ctx)
{
    struct gate *gate = ctx;
    pthread_mutex_lock(&gate->lock);
    while (!gate->open)
        pthread_cond_wait(&gate->opened, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
    return false;
}

static void open_gate(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_signal(&gate->opened);
    pthread_mutex_unlock(&gate->lock);
}

#define GATE {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false}

/* The event that ends it has been handed out, so the engine thread is done with it. */
static int64_t admitted_us(struct generation *g)
{
    struct gen_event event;
    do
        assert_true(generation_next(g, -1, &event));
    while (event.kind != GEN_DONE);
    assert_int_equal(event.finish, FINISH_LENGTH);
    return g->first_step_us;
}

static void test_those_who_wait_are_let_in_in_order_of_arrival(void **state)
{
    (void)state;
    struct starter tight = open_tight(NULL, "tight", CONTEXT, context_bytes);
    struct gate gate = GATE;
    struct asker askers[MANY];
    struct generation *g[MANY];
    char user[1400];
    memset(user, 'x', sizeof user);
    for (size_t i = 1; i < sizeof user; i += 2)
        user[i] = ' ';
    for (int i = 0; i < MANY; i++) {
        ask_at_length(&askers[i], i, i % 3 ? 30 : 60);
        if (i % 3 == 1) {
            user[500 + 40 * i] = 0;   /* some need most of the budget */
            askers[i].messages[1].content = str_of(user);
        }
        if (i == 0) {
            askers[i].req.gone = wait_at_gate;
            askers[i].req.gone_ctx = &gate;
        }
        g[i] = begin(&tight, &askers[i].req);
        user[500 + 40 * i] = 'x';
    }
    open_gate(&gate);
    for (int64_t i = 0, last = 0, at; i < MANY; i++, last = at) {
        at = admitted_us(g[i]);
        assert_true(at >= last);
        generation_close(g[i]);
    }
    starter_close(&tight);
}

/* A model of a longer context, and a document that takes it several steps to read. */
static struct starter open_long(struct runtime *rt)
{
    struct starter s = {.rt = rt};
    struct err err = ERR_INIT;
    struct local_model_options options = {.context = LONG_CONTEXT};
    assert_ok(variant_open(&s, "long", &(struct variant){.context = LONG_CONTEXT}, &options, &err), err);
    return s;
}

static struct generation_request ask_of_a_document(struct chat_message messages[2])
{
    static char document[7000];
    memset(document, 'x', sizeof document - 1);
    for (size_t i = 1; i < sizeof document - 1; i += 2)
        document[i] = ' ';
    struct generation_request req = ask(messages, SYSTEM, document);
    req.max_tokens = 4;
    req.sampler.bias = &no_end;
    req.sampler.n_bias = 1;
    return req;
}

/* Both begin together; the quick one must be done before the slow one has read its document. */
static void assert_quick_is_first(struct starter *slow_model, struct starter *quick_model, int64_t quick_tokens)
{
    struct gate gate = GATE;
    struct asker quick;
    struct chat_message messages[2];
    struct generation_request slow = ask_of_a_document(messages);
    slow.gone = wait_at_gate;
    slow.gone_ctx = &gate;
    ask_at_length(&quick, 1, quick_tokens);
    struct generation *g = begin(slow_model, &slow), *q = begin(quick_model, &quick.req);
    int64_t later_us = q->start_us - g->start_us;
    open_gate(&gate);
    struct answer *a = collect(g), *b = collect(q);
    assert_true(a->usage.prompt_tokens > 6 * ENGINE_MAX_STEP_TOKENS);
    assert_true(later_us + b->usage.total_us < a->usage.ttft_us);
    struct answer *alone = answer_of(slow_model, &slow);
    assert_same_answer(a, alone);
    free(alone);
    free(a);
    assert_as_alone(quick_model, &quick, b, true);
}

static void test_a_short_question_is_not_held_up_by_a_long_document(void **state)
{
    (void)state;
    struct starter s = {0};
    struct err err = ERR_INIT;
    assert_ok(runtime_open(2, &s.rt, &err), err);
    s = open_long(s.rt);
    assert_quick_is_first(&s, &s, 2);
    starter_close(&s);
}

/* A document read 512 tokens a step would leave the other model's answer seven tokens. */
static void test_a_long_document_of_one_model_leaves_another_its_steps(void **state)
{
    (void)state;
    struct starter quick = open_tight(NULL, "quick", CONTEXT, 0);
    struct starter slow = open_long(quick.rt);
    slow.model->pace = (struct pace){.writing_us = 1, .prompt_token_us = PACE_ADDED_US};   /* learnt anew as it goes */
    assert_quick_is_first(&slow, &quick, 14);
    starter_close(&quick);
}

/* ---- remembered prompts ---- */

static void test_remembered_prompts_make_way_before_anybody_is_preempted(void **state)
{
    (void)state;
    struct starter tight = open_tight(NULL, "tight", CONTEXT, context_bytes);
    struct asker asker;
    for (int i = 0; i < MANY; i++) {
        ask_at_length(&asker, i, 100);
        assert_as_alone(&roomy, &asker, answer_of(&tight, &asker.req), true);
        assert_in_range(state_of(&tight).kv_held, 1, context_bytes);
    }
    ask_at_length(&asker, MANY, 0);   /* until the context is full */
    assert_as_alone(&roomy, &asker, answer_of(&tight, &asker.req), true);
    assert_int_equal(state_of(&tight).preemptions, 0);
    starter_close(&tight);
}

static void test_a_prompt_seen_before_is_not_read_again(void **state)
{
    (void)state;
    struct asker asker;
    struct starter s = open_tight(NULL, "own", CONTEXT, 0);
    ask_at_length(&asker, 5, 20);
    struct answer *first = answer_of(&s, &asker.req), *second = answer_of(&s, &asker.req);
    assert_int_equal(first->usage.cached_tokens, 0);
    assert_int_equal(second->usage.cached_tokens, second->usage.prompt_tokens - 1);
    assert_same_answer(first, second);
    free(first);
    free(second);
    starter_close(&s);
}

/* ---- going while others wait ---- */

static void test_one_that_waits_or_is_preempted_can_go(void **state)
{
    (void)state;
    struct starter tight = open_tight(NULL, "tight", CONTEXT, context_bytes);
    struct asker askers[MANY];
    struct generation *g[MANY];
    begin_many(&tight, askers, g, 200);
    while (state_of(&tight).preemptions == 0)
        usleep(200);
    for (int i = 1; i < MANY; i += 2) {
        generation_cancel(g[i]);
        struct answer *a = collect(g[i]);
        assert_int_equal(a->finish, FINISH_CANCELLED);
        assert_true(a->n_tokens < 200);
        free(a);
    }
    for (int i = 0; i < MANY; i += 2)
        assert_as_alone(&roomy, &askers[i], collect(g[i]), true);
    struct local_model_state s = state_of(&tight);
    assert_int_equal(s.running + s.waiting, 0);
    starter_close(&tight);
}

/* ---- company of other kinds ---- */

static void test_two_models_share_the_thread_under_their_own_budgets(void **state)
{
    (void)state;
    struct starter one = open_tight(NULL, "one", CONTEXT, context_bytes);
    struct starter two = open_tight(one.rt, "two", 256, 0);
    struct asker askers[MANY];
    struct generation *g[MANY];
    for (int i = 0; i < MANY; i++) {
        ask_at_length(&askers[i], i, 120);
        g[i] = begin(i % 2 ? &two : &one, &askers[i].req);
    }
    for (int i = 0; i < MANY; i++)
        assert_as_alone(&roomy, &askers[i], collect(g[i]), true);
    starter_close(&one);
}

static void test_an_adapter_is_preempted_like_its_base(void **state)
{
    (void)state;
    char path[64];
    struct err err = ERR_INIT;
    struct starter base = {0}, adapted;
    struct model_file file = {.path = RUNG_ROOT "/models/starter.gguf"};
    struct local_model_options options = {.kv_bytes = context_bytes, .keep_alive_ms = RUNTIME_KEEP_FOREVER};
    struct asker askers[MANY];
    struct generation *g[MANY];
    snprintf(path, sizeof path, "/tmp/rung-schedule-%d.gguf", (int)getpid());
    adapter_write(path);
    assert_ok(runtime_open(2, &base.rt, &err), err);
    adapted = base;
    assert_ok(runtime_declare(base.rt, "base", &file, &options, &base.model, &err), err);
    assert_ok(runtime_declare_adapter(base.rt, "banking", base.model, path, &adapted.model, &err), err);
    for (int i = 0; i < MANY; i++) {
        ask_at_length(&askers[i], i / 2, 150);
        g[i] = begin(i % 2 ? &adapted : &base, &askers[i].req);
    }
    for (int i = 0; i < MANY; i++)
        assert_as_alone(i % 2 ? &adapted : &base, &askers[i], collect(g[i]), true);
    assert_true(state_of(&base).preemptions > 0);
    unlink(path);
    runtime_close(base.rt);
}

/* ---- what others are told ---- */

struct late_gate {
    struct gate gate;
    atomic_int asked;
};

/* Holds the engine thread behind its first turn, with the generation's lock in its hands. */
static bool wait_behind_first_turn(void *ctx)
{
    struct late_gate *late = ctx;
    return atomic_fetch_add(&late->asked, 1) > 0 && wait_at_gate(&late->gate);
}

static void test_figures_are_of_now(void **state)
{
    (void)state;
    struct starter s = open_tight(NULL, "own", CONTEXT, 0);
    static struct late_gate late = {GATE, 0};
    struct asker asker;
    ask_at_length(&asker, 1, 20);
    asker.req.gone = wait_behind_first_turn;
    asker.req.gone_ctx = &late;
    struct generation *g = begin(&s, &asker.req);
    while (atomic_load(&late.asked) < 2)
        usleep(200);
    struct local_model_state now = state_of(&s);
    assert_int_equal(now.running, 1);
    assert_int_equal(now.waiting, 0);
    assert_true(now.kv_held > 0);
    open_gate(&late.gate);
    free(collect(g));
    assert_int_equal(state_of(&s).running, 0);
    starter_close(&s);
}

static void test_a_model_loaded_anew_holds_nothing(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct model_file file = {.path = RUNG_ROOT "/models/starter.gguf"};
    struct local_model_options options = {.keep_alive_ms = 0};
    struct starter s = {0};
    struct asker asker;
    struct load_wait wait = {.has_keep_alive = true, .keep_alive_ms = RUNTIME_KEEP_FOREVER};
    assert_ok(runtime_open(1, &s.rt, &err), err);
    assert_ok(runtime_declare(s.rt, "own", &file, &options, &s.model, &err), err);
    ask_at_length(&asker, 1, 20);
    free(answer_of(&s, &asker.req));
    while (runtime_loaded(s.rt, &(struct local_model_state){0}, 1) > 0)
        usleep(200);
    assert_ok(local_model_acquire(s.model, &wait, &err), err);
    assert_int_equal(state_of(&s).kv_held, 0);
    local_model_release(s.model);
    starter_close(&s);
}

/* ---- the budget itself ---- */

static void test_a_budget_without_a_context_bounds_it(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct generation *g;
    struct asker asker;
    char user[900];
    struct starter s = open_tight(NULL, "small", 0, context_bytes / 4 + 1);
    assert_int_equal(local_model_info(s.model)->context, CONTEXT / 4);
    ask_at_length(&asker, 1, 20);
    assert_as_alone(&roomy, &asker, answer_of(&s, &asker.req), true);
    memset(user, 'x', sizeof user);
    for (size_t i = 1; i < sizeof user; i += 2)
        user[i] = ' ';
    user[sizeof user - 1] = 0;
    asker.req = ask(asker.messages, SYSTEM, user);
    assert_false(generation_start(s.rt, s.model, &asker.req, &g, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.msg, "the context of small holds 128"));
    starter_close(&s);
}

static void test_a_budget_that_contradicts_the_context_is_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct filemap *map = NULL;
    struct local_model *m;
    struct local_model_options options = {.context = CONTEXT, .kv_bytes = context_bytes / 2};
    assert_ok(filemap_open(RUNG_ROOT "/models/starter.gguf", &map, &err), err);
    assert_false(runtime_load(roomy.rt, "small", map, &options, &m, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.msg, "holds 256 tokens"));
}

static void test_a_second_context_is_budgeted_where_it_crowds_nobody_out(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct model_file file = {.path = RUNG_ROOT "/models/starter.gguf"};
    struct local_model_options options = {0};
    struct starter s = {0};
    assert_ok(runtime_open(1, &s.rt, &err), err);
    assert_ok(runtime_declare(s.rt, "roomy", &file, &options, &s.model, &err), err);
    assert_int_equal(s.model->kv_bytes, 2 * context_bytes);
    int64_t least = s.model->own_bytes - context_bytes + s.model->identity.size;
    runtime_limit(s.rt, &(struct runtime_limits){.memory_bytes = least});
    assert_ok(runtime_declare(s.rt, "cramped", &file, &options, &s.model, &err), err);
    assert_int_equal(s.model->kv_bytes, context_bytes);
    struct load_wait wait = {0};
    assert_ok(local_model_acquire(s.model, &wait, &err), err);
    local_model_release(s.model);
    runtime_close(s.rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_budget_of_one_context_preempts_and_nobody_notices),
        cmocka_unit_test(test_a_cache_of_8_bits_is_preempted_without_a_trace),
        cmocka_unit_test(test_as_many_as_may_live_come_to_an_end_on_two_pages),
        cmocka_unit_test(test_those_who_wait_are_let_in_in_order_of_arrival),
        cmocka_unit_test(test_a_short_question_is_not_held_up_by_a_long_document),
        cmocka_unit_test(test_a_long_document_of_one_model_leaves_another_its_steps),
        cmocka_unit_test(test_remembered_prompts_make_way_before_anybody_is_preempted),
        cmocka_unit_test(test_a_prompt_seen_before_is_not_read_again),
        cmocka_unit_test(test_one_that_waits_or_is_preempted_can_go),
        cmocka_unit_test(test_two_models_share_the_thread_under_their_own_budgets),
        cmocka_unit_test(test_an_adapter_is_preempted_like_its_base),
        cmocka_unit_test(test_figures_are_of_now),
        cmocka_unit_test(test_a_model_loaded_anew_holds_nothing),
        cmocka_unit_test(test_a_budget_without_a_context_bounds_it),
        cmocka_unit_test(test_a_budget_that_contradicts_the_context_is_refused),
        cmocka_unit_test(test_a_second_context_is_budgeted_where_it_crowds_nobody_out),
    };
    return cmocka_run_group_tests(tests, open_roomy, close_roomy);
}
