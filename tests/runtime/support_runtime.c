/* Helpers that open the starter model and drive generations to their end. */
#include "support_runtime.h"

#include "../support.h"

void starter_open(struct starter *s, int threads)
{
    struct err err = ERR_INIT;
    struct filemap *map = NULL;
    assert_ok(runtime_open(threads, &s->rt, &err), err);
    assert_ok(filemap_open(RUNG_ROOT "/models/starter.gguf", &map, &err), err);
    assert_ok(runtime_load(s->rt, "starter", map, NULL, &s->model, &err), err);
}

void starter_close(struct starter *s)
{
    runtime_close(s->rt);
}

struct generation_request ask(struct chat_message messages[2], const char *system, const char *user)
{
    messages[0] = (struct chat_message){STR("system"), str_of(system)};
    messages[1] = (struct chat_message){STR("user"), str_of(user)};
    return (struct generation_request){
        .messages = messages, .n_messages = 2, .sampler = SAMPLER_GREEDY, .enable_thinking = -1};
}

struct generation *begin(struct starter *s, const struct generation_request *req)
{
    struct err err = ERR_INIT;
    struct generation *g = NULL;
    assert_ok(generation_start(s->rt, s->model, req, &g, &err), err);
    return g;
}

static void append(char *to, size_t size, struct str text)
{
    size_t n = strlen(to);
    assert_true(n + text.n < size);
    memcpy(to + n, text.p, text.n);
    to[n + text.n] = 0;
}

struct answer *collect(struct generation *g)
{
    struct answer *a = calloc(1, sizeof *a);
    assert_non_null(a);
    struct gen_event event;
    do {
        assert_true(generation_next(g, -1, &event));
        append(event.reasoning ? a->reasoning : a->text, sizeof a->text, event.text);
        if (event.kind == GEN_TOKEN) {
            assert_true(a->n_tokens < MAX_TOKENS);
            a->records[a->n_tokens] = event.record;
            append(a->pieces[a->n_tokens++], sizeof a->pieces[0], event.piece);
        }
    } while (event.kind != GEN_DONE);
    if (event.finish == FINISH_ERROR)
        print_message("error: %s\n", event.err.msg);
    a->finish = event.finish;
    a->usage = event.usage;
    assert_false(generation_next(g, -1, &event)); /* nothing comes after the end */
    generation_close(g);
    return a;
}

struct answer *answer_of(struct starter *s, const struct generation_request *req)
{
    return collect(begin(s, req));
}

void assert_same_answer(const struct answer *a, const struct answer *b)
{
    assert_string_equal(a->text, b->text);
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_int_equal(a->finish, b->finish);
    for (int i = 0; i < a->n_tokens; i++) {
        assert_int_equal(a->records[i].id, b->records[i].id);
        assert_memory_equal(&a->records[i].logprob, &b->records[i].logprob, sizeof(float));
        assert_memory_equal(&a->records[i].entropy, &b->records[i].entropy, sizeof(float));
        assert_memory_equal(a->records[i].top, b->records[i].top, sizeof a->records[i].top);
    }
}
