/* Adapters as models of their own name: beside the starter, in the same steps, without loading it twice. */
#include "../support.h"

#include "runtime/runtime_private.h"
#include "support_runtime.h"

#define STARTER RUNG_ROOT "/models/starter.gguf"

static const struct load_wait plain_wait;

struct pair {
    struct starter base, adapted;
    char path[64];
};

static int open_pair(void **state)
{
    struct pair *p = calloc(1, sizeof *p);
    struct err err = ERR_INIT;
    struct model_file file = {.path = STARTER};
    struct local_model_options options = {.keep_alive_ms = RUNTIME_KEEP_FOREVER};
    snprintf(p->path, sizeof p->path, "/tmp/rung-adapter-%d.gguf", (int)getpid());
    adapter_write(p->path);
    assert_ok(runtime_open(2, &p->base.rt, &err), err);
    p->adapted.rt = p->base.rt;
    assert_ok(runtime_declare(p->base.rt, "starter", &file, &options, &p->base.model, &err), err);
    assert_ok(runtime_declare_adapter(p->base.rt, "banking", p->base.model, p->path, &p->adapted.model, &err), err);
    *state = p;
    return 0;
}

static int close_pair(void **state)
{
    struct pair *p = *state;
    runtime_close(p->base.rt);
    unlink(p->path);
    free(p);
    return 0;
}

static void test_an_adapter_does_not_begin_with_what_its_base_knows(void **state)
{
    struct pair *p = *state;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, "Name the intent of this request.", "book a table for two");
    struct starter *const order[] = {&p->base, &p->adapted, &p->base, &p->adapted};
    struct answer *answers[4];
    for (int i = 0; i < 4; i++) {
        answers[i] = answer_of(order[i], &req);
        assert_int_equal(answers[i]->usage.cached_tokens, i < 2 ? 0 : answers[i]->usage.prompt_tokens - 1);
        if (i >= 2)
            assert_same_answer(answers[i], answers[i - 2]);
    }
    for (int i = 0; i < 4; i++)
        free(answers[i]);
}

static void test_an_adapter_answers_under_its_own_name_beside_its_base(void **state)
{
    struct pair *p = *state;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, "Name the intent of this request.", "book a table for two");
    struct answer *base = answer_of(&p->base, &req), *adapted = answer_of(&p->adapted, &req);
    assert_string_equal(local_model_info(p->adapted.model)->name, "banking");
    assert_true(base->records[0].logprob != adapted->records[0].logprob);
    struct generation *together[4];
    for (int i = 0; i < 4; i++)
        together[i] = begin(i % 2 ? &p->adapted : &p->base, &req);
    for (int i = 0; i < 4; i++) {
        struct answer *a = collect(together[i]);
        assert_same_answer(a, i % 2 ? adapted : base);
        free(a);
    }
    free(base);
    free(adapted);
}

static void test_an_adapter_comes_and_goes_with_its_base(void **state)
{
    struct pair *p = *state;
    struct local_model_state states[4];
    struct err err = ERR_INIT;
    assert_false(local_model_try_acquire(p->adapted.model));
    assert_ok(local_model_acquire(p->adapted.model, &plain_wait, &err), err);
    assert_int_equal(runtime_loaded(p->base.rt, states, 4), 1); /* one model, one copy of its weights */
    assert_string_equal(states[0].info->name, "starter");
    assert_int_equal(states[0].users, 1);
    assert_ptr_equal(p->adapted.model->engine, p->base.model->engine);
    assert_true(local_model_count_tokens(p->adapted.model, STR("hello there")) > 0);
    local_model_unload(p->adapted.model);
    local_model_release(p->adapted.model);
    for (int i = 0; i < 5000 && runtime_loaded(p->base.rt, states, 4) > 0; i++)
        usleep(1000);
    assert_int_equal(runtime_loaded(p->base.rt, states, 4), 0);
    assert_ok(local_model_acquire(p->adapted.model, &plain_wait, &err), err);
    local_model_release(p->adapted.model);
}

static void test_a_lost_adapter_fails_its_own_requests_alone(void **state)
{
    struct pair *p = *state;
    struct err err = ERR_INIT;
    assert_int_equal(unlink(p->path), 0);
    assert_false(local_model_acquire(p->adapted.model, &plain_wait, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    err = ERR_INIT;
    assert_ok(local_model_acquire(p->base.model, &plain_wait, &err), err);
    local_model_release(p->base.model);
}

static void test_an_adapter_is_checked_when_it_is_declared(void **state)
{
    struct pair *p = *state;
    struct err err = ERR_INIT;
    struct local_model *m;
    assert_false(runtime_declare_adapter(p->base.rt, "wrong", p->base.model, STARTER, &m, &err));
    assert_non_null(strstr(err.msg, "no LoRA adapter"));
    err = ERR_INIT;
    assert_ok(local_model_acquire(p->base.model, &plain_wait, &err), err);
    assert_false(runtime_declare_adapter(p->base.rt, "late", p->base.model, p->path, &m, &err));
    assert_non_null(strstr(err.msg, "after its model was loaded"));
    local_model_release(p->base.model);
}

#define WITH_PAIR(f) cmocka_unit_test_setup_teardown(f, open_pair, close_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PAIR(test_an_adapter_does_not_begin_with_what_its_base_knows),
        WITH_PAIR(test_an_adapter_answers_under_its_own_name_beside_its_base),
        WITH_PAIR(test_an_adapter_comes_and_goes_with_its_base),
        WITH_PAIR(test_a_lost_adapter_fails_its_own_requests_alone),
        WITH_PAIR(test_an_adapter_is_checked_when_it_is_declared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
