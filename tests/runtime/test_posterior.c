/* Posteriors of choices, held against what the engine says of each choice by itself. */
#include "../support.h"

#include <math.h>
#include <pthread.h>

#include "base/clock.h"
#include "runtime/posterior.h"
#include "runtime/runtime_private.h"
#include "runtime/vocab.h"
#include "support_runtime.h"

#define CLASSIFY "Classify the banking question into one intent."
#define QUESTION "My card still has not arrived, when will I get it?"

static const char *const labels[] = {
    "card_arrival",          "card_delivery_estimate", "card_linking",        "card_not_working", "card_swallowed",
    "card_payment_not_recognised", "lost_or_stolen_card", "card",             "activate_my_card", "exchange_rate",
    "getting_virtual_card",  "contactless_not_working", "card_about_to_expire", "pin_blocked",    "cards",
};
#define N_LABELS ((int)(sizeof labels / sizeof *labels))

static void fill_choices(struct str choices[N_LABELS])
{
    for (int i = 0; i < N_LABELS; i++)
        choices[i] = str_of(labels[i]);
}

/* ---- each choice by itself ---- */

static double sum_of_logs(const float *logs, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += exp(logs[i]);
    return log(sum);
}

/* log P(choice, end | prompt), all of it in one step of a fresh session. */
static double score(struct local_model *m, struct engine *e, const struct token_ids *prompt, struct str choice)
{
    struct err err = ERR_INIT;
    struct session *s;
    struct token_ids ids = {0}, own = {0};
    struct want wants[64];
    float logs[64], end_logs[8];
    int32_t ends[8];
    int n_ends = 0, n = 0;
    for (int32_t id = 0; id < tokenizer_count(m->tokenizer); id++)
        if (tokenizer_is_end(m->tokenizer, id))
            ends[n_ends++] = id;
    for (int64_t i = 0; i < prompt->n; i++)
        assert_ok(token_ids_add(&ids, prompt->p[i], &err), err);
    assert_ok(tokenizer_encode(m->tokenizer, choice, TOKENIZE_PLAIN, &own, &err), err);
    for (int64_t i = 0; i < own.n; i++, n++) {
        wants[n] = (struct want){.kind = WANT_LOGPROBS, .at = (int)ids.n - 1, .logprobs = {&own.p[i], 1, &logs[n]}};
        assert_ok(token_ids_add(&ids, own.p[i], &err), err);
    }
    wants[n] = (struct want){.kind = WANT_LOGPROBS, .at = (int)ids.n - 1, .logprobs = {ends, n_ends, end_logs}};
    struct step_item item = {.tokens = ids.p, .n = (int)ids.n, .wants = wants, .n_wants = n + 1};
    assert_ok(session_open(e, 512, TENSOR_F16, &s, &err), err);
    item.session = s;
    assert_ok(engine_step(e, &item, 1, &err), err);
    double log_p = sum_of_logs(end_logs, n_ends);
    for (int i = 0; i < n; i++)
        log_p += logs[i];
    session_close(s);
    token_ids_free(&ids);
    token_ids_free(&own);
    return log_p;
}

/* Exact shares of the choices, and their mass. */
static double exact(struct local_model *m, const struct generation_request *req, const struct str *choices, int n,
                    double *share)
{
    struct err err = ERR_INIT;
    struct gguf *g;
    struct engine *e;
    struct pool *pool;
    struct token_ids prompt = {0};
    bool thinks;
    double mass = 0;
    assert_ok(gguf_open(RUNG_ROOT "/models/starter.gguf", &g, &err), err);
    assert_ok(pool_open(1, &pool, &err), err);
    assert_ok(engine_open(g, pool, &e, &err), err);
    assert_ok(prompt_build(m, req, &prompt, &thinks, &err), err);
    for (int i = 0; i < n; i++) {
        share[i] = exp(score(m, e, &prompt, choices[i]));
        mass += share[i];
    }
    for (int i = 0; i < n; i++)
        share[i] /= mass;
    token_ids_free(&prompt);
    engine_close(e);
    pool_close(pool);
    gguf_close(g);
    return mass;
}

/* ---- the tests ---- */

static void test_posterior_is_what_the_model_says_of_each_choice(void **state)
{
    (void)state;
    struct starter s;
    struct err err = ERR_INIT;
    struct chat_message messages[2];
    struct str choices[N_LABELS];
    double share[N_LABELS], probability[N_LABELS];
    struct posterior found;
    starter_open(&s, 2);
    fill_choices(choices);
    struct generation_request prompt = ask(messages, CLASSIFY, QUESTION);
    double mass = exact(s.model, &prompt, choices, N_LABELS, share);
    struct posterior_request req = {.prompt = &prompt, .choices = choices, .n = N_LABELS, .residual = 1e-9};
    assert_ok(posterior_find(s.rt, s.model, &req, probability, &found, &err), err);
    assert_true(found.residual <= 1e-9);
    assert_true(fabs(found.mass / mass - 1) < 1e-5);
    for (int i = 0; i < N_LABELS; i++)
        if (fabs(probability[i] - share[i]) > 1e-5 * share[i] + 1e-9)
            fail_msg("%s: %g, not %g", labels[i], probability[i], share[i]);
    assert_string_equal(labels[found.best], "card_arrival");
    starter_close(&s);
}

static void test_posterior_stops_at_the_bound_and_tells_the_residual(void **state)
{
    (void)state;
    struct starter s;
    struct err err = ERR_INIT;
    struct chat_message messages[2];
    struct str choices[N_LABELS];
    double share[N_LABELS], probability[N_LABELS];
    struct posterior all, some;
    starter_open(&s, 2);
    fill_choices(choices);
    struct generation_request prompt = ask(messages, CLASSIFY, QUESTION);
    exact(s.model, &prompt, choices, N_LABELS, share);
    struct posterior_request req = {.prompt = &prompt, .choices = choices, .n = N_LABELS, .residual = 1e-12};
    assert_ok(posterior_find(s.rt, s.model, &req, probability, &all, &err), err);
    req.residual = 0;
    assert_ok(posterior_find(s.rt, s.model, &req, probability, &some, &err), err);
    assert_true(some.residual <= POSTERIOR_RESIDUAL);
    assert_true(some.tokens < all.tokens);
    double sum = some.residual;
    for (int i = 0; i < N_LABELS; i++) {
        assert_true(probability[i] <= share[i] + 1e-6 && share[i] <= probability[i] + some.residual + 1e-6);
        sum += probability[i];
    }
    assert_true(fabs(sum - 1) < 1e-9);
    starter_close(&s);
}

static void test_posterior_reads_shared_beginnings_once(void **state)
{
    (void)state;
    struct starter s;
    struct err err = ERR_INIT;
    struct chat_message messages[2];
    struct str choices[] = {STR("card_payment_fee_charged"), STR("card_payment_fee_charged_twice"),
                            STR("card_payment_fee_changed")};
    struct token_ids ids = {0};
    double probability[3];
    struct posterior found;
    starter_open(&s, 2);
    for (int i = 0; i < 3; i++)
        assert_ok(tokenizer_encode(s.model->tokenizer, choices[i], TOKENIZE_PLAIN, &ids, &err), err);
    struct generation_request prompt = ask(messages, CLASSIFY, QUESTION);
    struct posterior_request req = {.prompt = &prompt, .choices = choices, .n = 3, .residual = 1e-15};
    assert_ok(posterior_find(s.rt, s.model, &req, probability, &found, &err), err);
    assert_in_range(found.tokens, 1, ids.n - 2);
    assert_true(found.residual == 0);
    token_ids_free(&ids);
    starter_close(&s);
}

static void test_posterior_needs_few_steps_for_many_choices(void **state)
{
    (void)state;
    struct starter s;
    struct err err = ERR_INIT;
    struct chat_message messages[2];
    static char names[2000][32];
    static struct str choices[2001];
    static double probability[2001];
    struct posterior found;
    starter_open(&s, 2);
    for (int i = 0; i < 2000; i++) {
        snprintf(names[i], sizeof names[i], "label_%d_%d", i % 37, i);
        choices[i] = str_of(names[i]);
    }
    choices[2000] = STR("card_arrival");
    struct generation_request prompt = ask(messages, CLASSIFY, QUESTION);
    struct posterior_request req = {.prompt = &prompt, .choices = choices, .n = 2001};
    assert_ok(posterior_find(s.rt, s.model, &req, probability, &found, &err), err);
    assert_int_equal(found.best, 2000);
    assert_in_range(found.steps, 1, 4);
    starter_close(&s);
}

static void test_posterior_depends_on_no_company(void **state)
{
    (void)state;
    struct starter s;
    struct err err = ERR_INIT;
    struct chat_message messages[2], others[2];
    struct str choices[N_LABELS];
    double alone[N_LABELS], amid[N_LABELS];
    struct posterior found;
    struct generation *running[4];
    starter_open(&s, 2);
    fill_choices(choices);
    struct generation_request prompt = ask(messages, CLASSIFY, QUESTION);
    struct posterior_request req = {.prompt = &prompt, .choices = choices, .n = N_LABELS, .residual = 1e-9};
    assert_ok(posterior_find(s.rt, s.model, &req, alone, &found, &err), err);
    struct generation_request other = ask(others, "Extract the booking details as JSON.", "a table for two at 7 pm");
    for (int i = 0; i < 4; i++)
        running[i] = begin(&s, &other);
    assert_ok(posterior_find(s.rt, s.model, &req, amid, &found, &err), err);
    assert_true(found.cached_tokens > 0);
    assert_memory_equal(alone, amid, sizeof alone);
    for (int i = 0; i < 4; i++)
        free(collect(running[i]));
    starter_close(&s);
}

static void assert_refused(struct starter *s, const struct str *choices, int n, enum err_code code, const char *part)
{
    struct err err = ERR_INIT;
    struct chat_message messages[2];
    double probability[8];
    struct posterior found;
    struct generation_request prompt = ask(messages, CLASSIFY, QUESTION);
    struct posterior_request req = {.prompt = &prompt, .choices = choices, .n = n};
    assert_false(posterior_find(s->rt, s->model, &req, probability, &found, &err));
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.msg, part));
}

static void test_posterior_refuses_bad_choices(void **state)
{
    (void)state;
    struct starter s;
    static char text[4000];
    starter_open(&s, 1);
    memset(text, '7', sizeof text);
    assert_refused(&s, NULL, 0, ERR_INVALID, "0 choices");
    assert_refused(&s, (struct str[]){STR("a"), STR("")}, 2, ERR_INVALID, "choice 2 is empty");
    assert_refused(&s, (struct str[]){STR("a\xff")}, 1, ERR_INVALID, "UTF-8");
    assert_refused(&s, (struct str[]){STR("b"), STR("a"), STR("b")}, 3, ERR_INVALID, "choices 1 and 3 are the same");
    assert_refused(&s, (struct str[]){{text, sizeof text}}, 1, ERR_LIMIT, "choice 1 has 4000 tokens");
    starter_close(&s);
}

static bool is_gone(void *ctx)
{
    (void)ctx;
    return true;
}

static void test_posterior_ends_when_nobody_waits(void **state)
{
    (void)state;
    struct starter s;
    struct err err = ERR_INIT;
    struct chat_message messages[2];
    double probability[1];
    struct posterior found;
    starter_open(&s, 1);
    struct generation_request prompt = ask(messages, CLASSIFY, QUESTION);
    prompt.gone = is_gone;
    struct posterior_request req = {.prompt = &prompt, .choices = (struct str[]){STR("a")}, .n = 1};
    assert_false(posterior_find(s.rt, s.model, &req, probability, &found, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    starter_close(&s);
}

/* ---- many at once ---- */

struct asker {
    struct starter *s;
    double probability[N_LABELS];
    bool ok;
};

static void *ask_often(void *ctx)
{
    struct asker *a = ctx;
    struct chat_message messages[2];
    struct str choices[N_LABELS];
    struct posterior found;
    fill_choices(choices);
    struct generation_request prompt = ask(messages, CLASSIFY, QUESTION);
    struct posterior_request req = {.prompt = &prompt, .choices = choices, .n = N_LABELS};
    a->ok = true;
    for (int i = 0; i < 5; i++)
        a->ok = a->ok && posterior_find(a->s->rt, a->s->model, &req, a->probability, &found, NULL);
    return NULL;
}

static void test_posteriors_may_be_asked_for_from_any_thread(void **state)
{
    (void)state;
    struct starter s;
    pthread_t threads[4];
    static struct asker askers[4];
    starter_open(&s, 2);
    for (int i = 0; i < 4; i++) {
        askers[i].s = &s;
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &askers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(askers[i].ok);
        assert_memory_equal(askers[i].probability, askers[0].probability, sizeof askers[0].probability);
    }
    starter_close(&s);
}

/* ---- where memory is short, and where the runtime goes ---- */

static void test_posterior_waits_for_memory_and_is_the_same(void **state)
{
    (void)state;
    struct starter roomy, tight;
    struct err err = ERR_INIT;
    struct filemap *map = NULL;
    struct chat_message messages[2], others[4][2];
    struct str choices[N_LABELS];
    double expected[N_LABELS], probability[N_LABELS];
    struct posterior found;
    struct generation *running[4];
    starter_open(&roomy, 2);
    fill_choices(choices);
    struct generation_request prompt = ask(messages, CLASSIFY, QUESTION);
    struct posterior_request req = {.prompt = &prompt, .choices = choices, .n = N_LABELS, .residual = 1e-9};
    assert_ok(posterior_find(roomy.rt, roomy.model, &req, expected, &found, &err), err);
    struct local_model_options options = {.context = 192};
    options.kv_bytes = engine_session_bytes(&local_model_info(roomy.model)->engine, TENSOR_F16, 192);
    tight.rt = roomy.rt;
    assert_ok(filemap_open(RUNG_ROOT "/models/starter.gguf", &map, &err), err);
    assert_ok(runtime_load(tight.rt, "tight", map, &options, &tight.model, &err), err);
    for (int i = 0; i < 4; i++) {
        struct generation_request other = ask(others[i], "Name the intent of this request.", "what is the weather");
        other.sampler.temperature = 2;
        other.sampler.seed = (uint64_t)i;
        running[i] = begin(&tight, &other);
    }
    assert_ok(posterior_find(tight.rt, tight.model, &req, probability, &found, &err), err);
    for (int i = 0; i < 4; i++)
        free(collect(running[i]));
    for (int i = 0; i < N_LABELS; i++)
        assert_true(fabs(probability[i] - expected[i]) < 1e-9);
    starter_close(&roomy);
}

static void test_posteriors_end_with_the_runtime(void **state)
{
    (void)state;
    struct starter s;
    pthread_t thread;
    static struct asker asker;
    starter_open(&s, 1);
    asker.s = &s;
    assert_int_equal(pthread_create(&thread, NULL, ask_often, &asker), 0);
    assert_true(local_model_try_acquire(s.model));   /* the handle outlives the close */
    runtime_close(s.rt);
    pthread_join(thread, NULL);
    local_model_release(s.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posterior_is_what_the_model_says_of_each_choice),
        cmocka_unit_test(test_posterior_stops_at_the_bound_and_tells_the_residual),
        cmocka_unit_test(test_posterior_reads_shared_beginnings_once),
        cmocka_unit_test(test_posterior_needs_few_steps_for_many_choices),
        cmocka_unit_test(test_posterior_depends_on_no_company),
        cmocka_unit_test(test_posterior_refuses_bad_choices),
        cmocka_unit_test(test_posterior_ends_when_nobody_waits),
        cmocka_unit_test(test_posteriors_may_be_asked_for_from_any_thread),
        cmocka_unit_test(test_posterior_waits_for_memory_and_is_the_same),
        cmocka_unit_test(test_posteriors_end_with_the_runtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
