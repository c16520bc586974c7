/* What is read of a prompt itself: records of its tokens, vectors of texts, prompts in tokens and with a suffix, held
 * against what generations and the engine say, whatever the company. */
#include "../support.h"

#include <math.h>
#include <pthread.h>

#include "runtime/embed.h"
#include "runtime/runtime_private.h"
#include "support_runtime.h"

#define SYSTEM "Name the intent of this request."
#define QUESTION "book me a flight from boston to denver next friday"
#define LONG_TEXT_BYTES 6000
#define WIDE_CONTEXT 4096
#define TIGHT_CONTEXT 512
#define TIGHT_ANSWER 300
#define MANY 12

static char long_words[LONG_TEXT_BYTES + 64];
static struct starter starter, wide;   /* the same weights, and a context for long texts */

static int open_starter(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    for (int n = 0, i = 0; n < LONG_TEXT_BYTES; i++)
        n += snprintf(long_words + n, sizeof long_words - (size_t)n, "%s%d ", i % 3 ? "boston " : "a table ", i);
    starter_open(&starter, 2);
    wide.rt = starter.rt;
    assert_ok(variant_open(&wide, "wide", &(struct variant){.context = WIDE_CONTEXT}, NULL, &err), err);
    return 0;
}

static int close_starter(void **state)
{
    (void)state;
    starter_close(&starter);
    return 0;
}

static void encode(struct str text, struct token_ids *ids)
{
    struct err err = ERR_INIT;
    assert_ok(tokenizer_encode(starter.model->tokenizer, text, TOKENIZE_PLAIN, ids, &err), err);
}

/* ---- records ---- */

struct records {
    struct token_record *p;
    int64_t n;
    struct generation_usage usage;
    enum finish_reason finish;
};

static struct generation_request reading_of(const struct token_ids *ids)
{
    return (struct generation_request){.prompt_tokens = ids->p,
                                       .n_prompt_tokens = ids->n,
                                       .sampler = SAMPLER_GREEDY,
                                       .reading = READ_RECORDS,
                                       .no_answer = true};
}

static struct records read_records(struct generation *g)
{
    struct gen_event event;
    struct records r = {0};
    do
        assert_true(generation_next(g, -1, &event));
    while (event.kind != GEN_DONE);
    const struct token_record *records = generation_prompt_records(g, &r.n);
    r.p = calloc((size_t)r.n, sizeof *r.p);
    assert_non_null(r.p);
    memcpy(r.p, records, (size_t)r.n * sizeof *r.p);
    r.usage = event.usage;
    r.finish = event.finish;
    generation_close(g);
    return r;
}

static void assert_same_record(const struct token_record *a, const struct token_record *b)
{
    assert_int_equal(a->id, b->id);
    assert_memory_equal(&a->logprob, &b->logprob, sizeof a->logprob);
    assert_memory_equal(&a->entropy, &b->entropy, sizeof a->entropy);
    assert_int_equal(a->n_top, b->n_top);
    assert_memory_equal(a->top, b->top, sizeof a->top);
}

static void assert_same_records(const struct records *a, const struct records *b)
{
    assert_int_equal(a->n, b->n);
    for (int64_t i = 0; i < a->n; i++)
        assert_same_record(&a->p[i], &b->p[i]);
}

/* A prompt's tokens with the greedy answer's behind them. */
static struct answer *answer_behind(struct token_ids *ids)
{
    struct err err = ERR_INIT;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, SYSTEM, QUESTION);
    bool reasoning;
    assert_ok(prompt_build(starter.model, &req, ids, &reasoning, &err), err);
    struct answer *a = answer_of(&starter, &req);
    for (int i = 0; i < a->n_tokens; i++)
        assert_ok(token_ids_add(ids, a->records[i].id, &err), err);
    return a;
}

static void test_records_of_a_prompt_are_those_of_the_answer_it_was(void **state)
{
    (void)state;
    struct token_ids ids = {0};
    struct answer *a = answer_behind(&ids);
    struct generation_request req = reading_of(&ids);
    struct records r = read_records(begin(&starter, &req));
    assert_int_equal(r.n, ids.n);
    assert_int_equal(r.usage.prompt_tokens, ids.n);
    assert_int_equal(r.usage.completion_tokens, 0);
    assert_int_equal(r.finish, FINISH_LENGTH);
    assert_true(isnan(r.p[0].logprob));
    assert_int_equal(r.p[0].id, ids.p[0]);
    for (int i = 0; i < a->n_tokens; i++)
        assert_same_record(&r.p[ids.n - a->n_tokens + i], &a->records[i]);
    free(r.p);
    free(a);
    token_ids_free(&ids);
}

static void test_records_come_beside_an_answer_and_past_a_known_prompt(void **state)
{
    (void)state;
    struct token_ids ids = {0};
    struct answer *a = answer_behind(&ids);
    ids.n -= a->n_tokens;   /* its answer is known by now, and its prompt remembered */
    struct generation_request req = reading_of(&ids);
    struct records alone = read_records(begin(&starter, &req));
    req.no_answer = false;
    struct generation *g = begin(&starter, &req);
    struct gen_event event;
    int64_t n = 0;
    for (int i = 0; generation_next(g, -1, &event) && event.kind == GEN_TOKEN; i++) {
        assert_same_record(&event.record, &a->records[i]);
        const struct token_record *records = generation_prompt_records(g, &n);
        for (int64_t k = 0; k < n; k++)
            assert_same_record(&records[k], &alone.p[k]);
    }
    assert_int_equal(n, ids.n);
    assert_int_equal(event.usage.cached_tokens, 0);
    assert_int_equal(event.finish, FINISH_STOP);
    generation_close(g);
    free(alone.p);
    free(a);
    token_ids_free(&ids);
}

static void test_records_of_a_long_prompt_do_not_depend_on_the_company(void **state)
{
    (void)state;
    struct token_ids ids = {0};
    struct chat_message messages[2];
    encode(str_of(long_words), &ids);
    assert_true(ids.n > 2 * ENGINE_MAX_STEP_TOKENS);
    struct generation_request req = reading_of(&ids), other = ask(messages, SYSTEM, QUESTION);
    struct records alone = read_records(begin(&wide, &req));
    struct generation *readers[4], *writers[4];
    for (int i = 0; i < 4; i++) {
        writers[i] = begin(&wide, &other);
        readers[i] = begin(&wide, &req);
    }
    for (int i = 0; i < 4; i++) {
        struct records r = read_records(readers[i]);
        assert_same_records(&r, &alone);
        free(r.p);
        free(collect(writers[i]));
    }
    free(alone.p);
    token_ids_free(&ids);
}

/* ---- vectors ---- */

static struct embed_request embedding_of(const struct embed_text *text)
{
    return (struct embed_request){.texts = text, .n = 1};
}

static int64_t n_embd(void) { return local_model_info(starter.model)->engine.n_embd; }

static float *vector_of(struct starter *s, const struct embed_request *req, int64_t *ret_tokens)
{
    struct err err = ERR_INIT;
    float *v = calloc((size_t)n_embd(), sizeof *v);
    assert_non_null(v);
    assert_ok(embed(s->rt, s->model, req, v, ret_tokens, &err), err);
    return v;
}

static void test_a_vector_is_the_mean_of_the_states_at_length_one(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct token_ids ids = {0};
    struct engine *e;
    struct session *s;
    struct gguf *g;
    struct pool *pool;
    int64_t n;
    encode(STR(QUESTION), &ids);
    struct embed_request req = embedding_of(&(struct embed_text){STR(QUESTION)});
    float *v = vector_of(&starter, &req, &n), *states = calloc((size_t)(ids.n * n_embd()), sizeof *states);
    struct want wants[64];
    assert_int_equal(n, ids.n);
    for (int i = 0; i < ids.n; i++)
        wants[i] = (struct want){.kind = WANT_HIDDEN, .at = i, .ret_hidden = states + i * n_embd()};
    assert_ok(gguf_open(RUNG_ROOT "/models/starter.gguf", &g, &err), err);
    assert_ok(pool_open(1, &pool, &err), err);
    assert_ok(engine_open(g, pool, &e, &err), err);
    assert_ok(session_open(e, 512, TENSOR_F16, &s, &err), err);
    struct step_item item = {.session = s, .tokens = ids.p, .n = (int)ids.n, .wants = wants, .n_wants = (int)ids.n};
    assert_ok(engine_step(e, &item, 1, &err), err);
    double length = 0, square = 0;
    for (int64_t k = 0; k < n_embd(); k++) {
        double sum = 0;
        for (int i = 0; i < ids.n; i++)
            sum += states[i * n_embd() + k];
        states[k] = (float)sum;
        length += sum * sum;
    }
    for (int64_t k = 0; k < n_embd(); k++) {
        assert_true(fabs(v[k] - states[k] / sqrt(length)) < 1e-6);
        square += (double)v[k] * v[k];
    }
    assert_true(fabs(square - 1) < 1e-5);
    session_close(s);
    engine_close(e);
    pool_close(pool);
    gguf_close(g);
    free(v);
    free(states);
    token_ids_free(&ids);
}

struct embedder {
    pthread_t thread;
    float *vector;
    int64_t n;
};

static void *run_embedder(void *embedder)
{
    struct embedder *one = embedder;
    struct embed_request req = embedding_of(&(struct embed_text){str_of(long_words)});
    one->vector = vector_of(&wide, &req, &one->n);
    return NULL;
}

static void test_a_vector_does_not_depend_on_the_company(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request other = ask(messages, SYSTEM, QUESTION);
    struct embedder alone, all[MANY];
    struct generation *writers[4];
    run_embedder(&alone);
    for (int i = 0; i < 4; i++)
        writers[i] = begin(&wide, &other);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(pthread_create(&all[i].thread, NULL, run_embedder, &all[i]), 0);
    for (int i = 0; i < MANY; i++) {
        pthread_join(all[i].thread, NULL);
        assert_int_equal(all[i].n, alone.n);
        assert_memory_equal(all[i].vector, alone.vector, (size_t)n_embd() * sizeof(float));
        free(all[i].vector);
    }
    for (int i = 0; i < 4; i++)
        free(collect(writers[i]));
    free(alone.vector);
}

static void test_many_texts_have_the_vectors_each_has_alone(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct embed_text texts[40];
    char words[40][32];
    int64_t n, sum = 0, all;
    for (int i = 0; i < 40; i++) {
        snprintf(words[i], sizeof words[i], "a table for %d, please", i);
        texts[i] = (struct embed_text){str_of(words[i])};
    }
    struct embed_request req = {.texts = texts, .n = 40};
    float *vectors = calloc((size_t)(40 * n_embd()), sizeof *vectors);
    assert_ok(embed(starter.rt, starter.model, &req, vectors, &all, &err), err);
    for (int i = 0; i < 40; i++) {
        struct embed_request one = embedding_of(&texts[i]);
        float *v = vector_of(&starter, &one, &n);
        assert_memory_equal(v, vectors + i * n_embd(), (size_t)n_embd() * sizeof *v);
        sum += n;
        free(v);
    }
    assert_int_equal(all, sum);
    texts[7].text = STR("");
    assert_false(embed(starter.rt, starter.model, &req, vectors, &all, &err));
    assert_string_equal(err.msg, "text 7: the text is empty");
    free(vectors);
}

static void test_a_text_past_the_context_is_cut_only_when_asked(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct starter small = {.rt = starter.rt};
    struct variant v = {.template = "{{ messages[0].content }}"};
    struct token_ids ids = {0};
    int64_t n;
    assert_ok(variant_open(&small, "small", &v, &(struct local_model_options){.context = TIGHT_CONTEXT}, &err), err);
    struct embed_request req = embedding_of(&(struct embed_text){str_of(long_words)});
    float *vector = calloc((size_t)n_embd(), sizeof *vector);
    assert_false(embed(small.rt, small.model, &req, vector, &n, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.msg, "the context of small holds 512"));
    req.truncate = true;
    assert_ok(embed(small.rt, small.model, &req, vector, &n, &err), err);
    assert_int_equal(n, TIGHT_CONTEXT);
    encode(str_of(long_words), &ids);
    struct embed_text tokens = {.tokens = ids.p, .n_tokens = TIGHT_CONTEXT};
    struct embed_request beginning = embedding_of(&tokens);
    float *same = vector_of(&starter, &beginning, &n);
    assert_memory_equal(vector, same, (size_t)n_embd() * sizeof(float));
    token_ids_free(&ids);
    free(vector);
    free(same);
}

/* ---- little memory: readers are preempted, and read nothing twice ---- */

static void test_readers_that_are_preempted_read_the_same(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct starter tight = {.rt = starter.rt};
    struct variant v = {.template = "{{ messages[0].content }}"};
    struct token_ids ids = {0};
    struct generation *all[MANY];
    const struct engine_info *info = &local_model_info(starter.model)->engine;
    struct local_model_options options = {.context = TIGHT_CONTEXT};
    options.kv_bytes = engine_session_bytes(info, TENSOR_F16, TIGHT_CONTEXT) * 3 / 2;
    assert_ok(variant_open(&tight, "tight", &v, &options, &err), err);
    encode(str_of(long_words), &ids);
    ids.n = TIGHT_CONTEXT - TIGHT_ANSWER;
    struct generation_request req = reading_of(&ids);
    struct records alone = read_records(begin(&starter, &req));
    req.no_answer = false;
    req.sampler.bias = &(struct logit_bias){4095, -100};
    req.sampler.n_bias = 1;
    for (int i = 0; i < MANY; i++) {
        req.sampler.temperature = 1;
        req.sampler.seed = (uint64_t)i;
        all[i] = begin(&tight, &req);
    }
    for (int i = 0; i < MANY; i++) {
        struct records r = read_records(all[i]);
        assert_int_equal(r.finish, FINISH_LENGTH);
        assert_int_equal(r.usage.completion_tokens, TIGHT_ANSWER);
        assert_same_records(&r, &alone);
        free(r.p);
    }
    assert_true(atomic_load(&tight.model->preemptions) > 0);
    free(alone.p);
    token_ids_free(&ids);
}

/* ---- prompts ---- */

static void test_a_prompt_in_tokens_is_answered_as_its_text(void **state)
{
    (void)state;
    struct token_ids ids = {0};
    encode(STR(QUESTION), &ids);
    struct generation_request text = {.prompt = STR(QUESTION), .sampler = SAMPLER_GREEDY, .max_tokens = 12};
    struct generation_request tokens = {
        .prompt_tokens = ids.p, .n_prompt_tokens = ids.n, .sampler = SAMPLER_GREEDY, .max_tokens = 12};
    struct answer *a = answer_of(&starter, &text), *b = answer_of(&starter, &tokens);
    assert_same_answer(a, b);
    free(a);
    free(b);
    token_ids_free(&ids);
}

static void test_a_token_that_is_none_is_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct generation *g;
    int32_t ids[] = {5, 4096};
    struct generation_request req = {.prompt_tokens = ids, .n_prompt_tokens = 2, .sampler = SAMPLER_GREEDY};
    assert_false(generation_start(starter.rt, starter.model, &req, &g, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.msg, "token 1 of the prompt is 4096"));
}

static void test_an_answer_ends_where_the_context_that_was_asked_for_does(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct generation *g;
    int32_t ids[] = {5, 6, 7};
    struct logit_bias no_end = {4095, -100};
    struct generation_request req = {.prompt_tokens = ids, .n_prompt_tokens = 3, .sampler = SAMPLER_GREEDY, .context = 9};
    req.sampler.bias = &no_end;
    req.sampler.n_bias = 1;
    struct answer *a = answer_of(&starter, &req);
    assert_int_equal(a->n_tokens, 6);
    assert_int_equal(a->finish, FINISH_LENGTH);
    req.context = 3;
    assert_false(generation_start(starter.rt, starter.model, &req, &g, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    free(a);
}

static void test_a_suffix_stands_between_its_tokens(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct starter coder = {.rt = starter.rt};
    struct token_ids ids = {0};
    bool reasoning;
    struct variant v = {.renames = {{"qu", "<|fim_prefix|>", TOKEN_CONTROL},
                                    {"ex", "<|fim_suffix|>", TOKEN_CONTROL},
                                    {"ay", "<|fim_middle|>", TOKEN_CONTROL}}};
    assert_ok(variant_open(&coder, "coder", &v, NULL, &err), err);
    assert_true(local_model_info(coder.model)->fills_in);
    struct generation_request req = {.prompt = STR("one"), .has_suffix = true, .suffix = STR("two")};
    assert_ok(prompt_build(coder.model, &req, &ids, &reasoning, &err), err);
    struct buf text = BUF_INIT(1000);
    for (int64_t i = 0; i < ids.n; i++)
        buf_str(&text, tokenizer_piece(coder.model->tokenizer, ids.p[i]));
    assert_string_equal(text.p, "<|fim_prefix|>one<|fim_suffix|>two<|fim_middle|>");
    assert_false(local_model_info(starter.model)->fills_in);
    assert_false(prompt_build(starter.model, &req, &ids, &reasoning, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    buf_free(&text);
    token_ids_free(&ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_of_a_prompt_are_those_of_the_answer_it_was),
        cmocka_unit_test(test_records_come_beside_an_answer_and_past_a_known_prompt),
        cmocka_unit_test(test_records_of_a_long_prompt_do_not_depend_on_the_company),
        cmocka_unit_test(test_a_vector_is_the_mean_of_the_states_at_length_one),
        cmocka_unit_test(test_a_vector_does_not_depend_on_the_company),
        cmocka_unit_test(test_many_texts_have_the_vectors_each_has_alone),
        cmocka_unit_test(test_a_text_past_the_context_is_cut_only_when_asked),
        cmocka_unit_test(test_readers_that_are_preempted_read_the_same),
        cmocka_unit_test(test_a_prompt_in_tokens_is_answered_as_its_text),
        cmocka_unit_test(test_a_token_that_is_none_is_refused),
        cmocka_unit_test(test_an_answer_ends_where_the_context_that_was_asked_for_does),
        cmocka_unit_test(test_a_suffix_stands_between_its_tokens),
    };
    return cmocka_run_group_tests(tests, open_starter, close_starter);
}
