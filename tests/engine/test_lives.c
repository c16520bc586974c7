/* Sessions that live at random: they grow in one batch with others, fork, go back, are saved, restored and closed. None
 * of it may show in a logit: every architecture, and windows that are as small as one position, end on a page, or reach
 * past the whole session. */
#include "tests/engine/support_engine.h"

#define SESSIONS 5
#define TOKENS 500
#define TURNS 80
#define MOST_TOKENS 40   /* of an item */

/* Sessions of a context beyond the original one turn otherwise in long-RoPE models: two kinds, in the same batches. */
#define KINDS 2
static const int64_t contexts[KINDS] = {100, TOKENS};

struct world {
    struct rig rig;
    int32_t ids[TOKENS];
    float *logits[KINDS];          /* [context, n_vocab], of sessions that only grew */
    struct session *sessions[SESSIONS];
    int kinds[SESSIONS];
    uint64_t seed, drawn;
};

static int draw(struct world *w, int n)
{
    return random_below(w->seed, w->drawn++, n);
}

static void open_kind(struct world *w, int i, int kind)
{
    w->sessions[i] = rig_session(&w->rig, contexts[kind], TENSOR_F16);
    w->kinds[i] = kind;
}

/* Some of the sessions take some tokens, all in one step; what each says last must be what it would say alone. */
static void grow(struct world *w)
{
    struct step_item items[SESSIONS];
    struct want wants[SESSIONS];
    int who[SESSIONS], n = 0;
    float *last = alloc_floats(SESSIONS * w->rig.n_vocab);
    struct err err = ERR_INIT;
    int64_t most = engine_kv_bytes(w->rig.e);
    for (int i = 0; i < SESSIONS; i++) {
        int64_t length = session_length(w->sessions[i]), room = contexts[w->kinds[i]] - length;
        int take = 1 + draw(w, MOST_TOKENS);
        if (room == 0 || draw(w, 4) == 0)
            continue;
        take = take < room ? take : (int)room;
        wants[n] = (struct want){.kind = WANT_LOGITS, .at = take - 1, .ret_logits = last + n * w->rig.n_vocab};
        items[n] = (struct step_item){w->sessions[i], w->ids + length, take, &wants[n], 1};
        who[n++] = i;
        most += session_growth_bytes(w->sessions[i], take);
    }
    assert_ok(engine_step(w->rig.e, items, n, &err), err);
    assert_true(engine_kv_bytes(w->rig.e) <= most);
    for (int i = 0; i < n; i++) {
        int64_t at = session_length(w->sessions[who[i]]) - 1;
        assert_same_floats(last + i * w->rig.n_vocab, w->logits[w->kinds[who[i]]] + at * w->rig.n_vocab,
                           w->rig.n_vocab);
    }
    free(last);
}

static void replace(struct world *w, int i, struct session *s, int kind)
{
    session_close(w->sessions[i]);
    w->sessions[i] = s;
    w->kinds[i] = kind;
}

static void go_back(struct world *w, int i)
{
    struct err err = ERR_INIT;
    int64_t length = session_length(w->sessions[i]), to = length - draw(w, 400);
    if (to >= 0 && session_can_truncate(w->sessions[i], to))
        assert_ok(session_truncate(w->sessions[i], to, &err), err);
    else
        assert_ok(session_truncate(w->sessions[i], 0, &err), err);
}

static void save_and_restore(struct world *w, int i, int as)
{
    struct err err = ERR_INIT;
    struct buf bytes = BUF_INIT(64 << 20);
    struct session *s = rig_session(&w->rig, contexts[w->kinds[i]], TENSOR_F16);
    assert_ok(session_snapshot(w->sessions[i], &bytes, &err), err);
    assert_ok(session_restore(s, buf_view(&bytes), &err), err);
    replace(w, as, s, w->kinds[i]);
    buf_free(&bytes);
}

static void turn(struct world *w)
{
    struct err err = ERR_INIT;
    struct session *s;
    int i = draw(w, SESSIONS), as = draw(w, SESSIONS);
    switch (draw(w, 5)) {
    case 0:
        assert_ok(session_fork(w->sessions[i], &s, &err), err);
        replace(w, as, s, w->kinds[i]);
        break;
    case 1: go_back(w, i); break;
    case 2: save_and_restore(w, i, as); break;
    default: break;
    }
    grow(w);
}

static void live(const struct tiny *t, uint64_t seed)
{
    struct world w = {.seed = seed};
    const char *path = tiny_write(t, NULL);
    rig_open(&w.rig, path, 2);
    unlink(path);
    random_ids(seed, w.rig.n_vocab, w.ids, TOKENS);
    for (int kind = 0; kind < KINDS; kind++) {
        w.logits[kind] = alloc_floats(contexts[kind] * w.rig.n_vocab);
        open_kind(&w, 0, kind);
        run_tokens(&w.rig, w.sessions[0], w.ids, (int)contexts[kind], w.logits[kind]);
        session_close(w.sessions[0]);
    }
    for (int i = 0; i < SESSIONS; i++)
        open_kind(&w, i, i % KINDS);
    for (int i = 0; i < TURNS; i++)
        turn(&w);
    for (int i = 0; i < SESSIONS; i++)
        session_close(w.sessions[i]);
    assert_int_equal(engine_kv_bytes(w.rig.e), 0);
    for (int kind = 0; kind < KINDS; kind++)
        free(w.logits[kind]);
    rig_close(&w.rig);
}

static void test_no_architecture_remembers_how_a_session_lived(void **state)
{
    (void)state;
    for (int i = 0; i < TINIES; i++)
        live(&tinies[i], 100 + (uint64_t)i);
}

static void test_windows_of_every_size_forget_nothing_they_need(void **state)
{
    static const char *const archs[] = {"gemma3", "phi3", "gpt-oss"};
    static const int windows[] = {1, 2, 63, 64, 65, 128, 1000};
    (void)state;
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
        for (size_t j = 0; j < sizeof windows / sizeof windows[0]; j++) {
            struct tiny t = *tiny_of(archs[i]);
            t.window = windows[j];
            live(&t, 200 + 10 * i + j);
        }
    }
}

static void test_a_session_of_one_token_lives(void **state)
{
    (void)state;
    for (int i = 0; i < TINIES; i++) {
        struct rig rig;
        struct err err = ERR_INIT;
        int32_t id = 1;
        const char *path = tiny_write(&tinies[i], NULL);
        rig_open(&rig, path, 1);
        unlink(path);
        float *first = alloc_floats(rig.n_vocab), *again = alloc_floats(rig.n_vocab);
        struct session *s = rig_session(&rig, 1, TENSOR_F16);
        run_tokens(&rig, s, &id, 1, first);
        struct step_item more = {s, &id, 1, NULL, 0};
        assert_false(engine_step(rig.e, &more, 1, &err));
        assert_int_equal(err.code, ERR_LIMIT);
        assert_ok(session_truncate(s, 0, &err), err);
        run_tokens(&rig, s, &id, 1, again);
        assert_same_floats(first, again, rig.n_vocab);
        session_close(s);
        free(first);
        free(again);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_architecture_remembers_how_a_session_lived),
        cmocka_unit_test(test_windows_of_every_size_forget_nothing_they_need),
        cmocka_unit_test(test_a_session_of_one_token_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
