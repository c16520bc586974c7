/* What a step refuses, that a failed step leaves every session as it was, what the other wants give, and what bytes a
 * session takes back. */
#include <malloc.h>
#include <math.h>

#include "tests/engine/support_engine.h"

#define CONTEXT 100

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig_open(rig, STARTER, 2);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

/* The step must fail, its message hold the word, and the session still continue as if it had never been. */
static void refuse_step(const struct rig *rig, const struct step_item *items, int n, enum err_code code,
                        const char *word)
{
    struct err err = ERR_INIT;
    int64_t before[4];
    for (int i = 0; i < n && i < 4; i++)
        before[i] = session_length(items[i].session);
    if (engine_step(rig->e, items, n, &err))
        fail_msg("a step was taken that should fail on \"%s\"", word);
    if (err.code != code || !strstr(err.msg, word))
        fail_msg("\"%s\" (%d) lacks \"%s\"", err.msg, (int)err.code, word);
    for (int i = 0; i < n && i < 4; i++)
        assert_int_equal(session_length(items[i].session), before[i]);
}

static void test_ids_out_of_range_are_refused(void **state)
{
    const struct rig *rig = *state;
    static const int32_t bad[] = {-1, 4096, INT32_MAX, INT32_MIN};
    struct session *s = rig_session(rig, CONTEXT, TENSOR_F16);
    for (int i = 0; i < 4; i++) {
        int32_t ids[] = {5, bad[i], 6};
        float out[1];
        struct want want = {.kind = WANT_LOGPROBS, .at = 0};
        want.logprobs.ids = &bad[i];
        want.logprobs.n = 1;
        want.logprobs.ret = out;
        refuse_step(rig, &(struct step_item){s, ids, 3, NULL, 0}, 1, ERR_INVALID, "not in the vocabulary of 4096");
        refuse_step(rig, &(struct step_item){s, ids, 1, &want, 1}, 1, ERR_INVALID, "wanted token");
    }
    session_close(s);
}

static void test_full_context_is_a_limit(void **state)
{
    const struct rig *rig = *state;
    struct session *s = rig_session(rig, CONTEXT, TENSOR_F16);
    int32_t ids[CONTEXT + 1] = {0};
    refuse_step(rig, &(struct step_item){s, ids, CONTEXT + 1, NULL, 0}, 1, ERR_LIMIT, "context of 100 tokens is full");
    run_tokens(rig, s, ids, CONTEXT, NULL);
    refuse_step(rig, &(struct step_item){s, ids, 1, NULL, 0}, 1, ERR_LIMIT, "100 are used");
    session_close(s);
}

static void test_steps_too_large_or_empty_are_refused(void **state)
{
    const struct rig *rig = *state;
    static int32_t ids[ENGINE_MAX_STEP_TOKENS + 1];
    static struct step_item items[ENGINE_MAX_STEP_ITEMS + 1];
    struct session *s = rig_session(rig, 4096, TENSOR_F16);
    refuse_step(rig, &(struct step_item){s, ids, ENGINE_MAX_STEP_TOKENS + 1, NULL, 0}, 1, ERR_LIMIT, "512 tokens");
    refuse_step(rig, &(struct step_item){s, ids, 0, NULL, 0}, 1, ERR_INVALID, "no tokens");
    refuse_step(rig, &(struct step_item){s, ids, -3, NULL, 0}, 1, ERR_INVALID, "no tokens");
    for (int i = 0; i <= ENGINE_MAX_STEP_ITEMS; i++)
        items[i] = (struct step_item){s, ids, 1, NULL, 0};
    refuse_step(rig, items, ENGINE_MAX_STEP_ITEMS + 1, ERR_LIMIT, "257 items");
    session_close(s);
}

static void test_wants_outside_their_item_are_refused(void **state)
{
    const struct rig *rig = *state;
    static float logits[2][4096];
    struct session *s = rig_session(rig, CONTEXT, TENSOR_F16);
    int32_t ids[3] = {1, 2, 3};
    const int places[][2] = {{0, 3}, {-1, 0}, {2, 1}, {0, INT32_MAX}};
    for (int i = 0; i < 4; i++) {
        struct want wants[2];
        for (int j = 0; j < 2; j++)
            wants[j] = (struct want){.kind = WANT_LOGITS, .at = places[i][j], .ret_logits = logits[j]};
        refuse_step(rig, &(struct step_item){s, ids, 3, wants, 2}, 1, ERR_INVALID, "want");
    }
    session_close(s);
}

static void test_strange_sessions_are_refused(void **state)
{
    const struct rig *rig = *state;
    struct rig other;
    rig_open(&other, STARTER, 1);
    struct session *mine = rig_session(rig, CONTEXT, TENSOR_F16), *foreign = rig_session(&other, CONTEXT, TENSOR_F16);
    int32_t ids[3] = {1, 2, 3};
    struct step_item items[] = {{mine, ids, 3, NULL, 0}, {foreign, ids, 3, NULL, 0}};
    refuse_step(rig, items, 2, ERR_INVALID, "another engine");
    items[1].session = mine;
    refuse_step(rig, items, 2, ERR_INVALID, "already");
    run_tokens(rig, mine, ids, 3, NULL);   /* and is free again afterwards */
    session_close(mine);
    session_close(foreign);
    rig_close(&other);
}

/* A want fails after everything was computed; both sessions must go on with the bits of one that never saw the step. */
static void test_failed_step_leaves_sessions_as_they_were(void **state)
{
    const struct rig *rig = *state;
    static float expected[2][80 * 4096], logits[80 * 4096];
    int32_t ids[80], strange[30];
    uint64_t nothing[64] = {0};
    struct token_record record = {.id = -7};
    struct sampler greedy = SAMPLER_GREEDY;
    struct want want = {.kind = WANT_SAMPLE, .at = 29};
    struct session *s[2];
    struct err err = ERR_INIT;
    want.sample.sampler = &greedy;
    want.sample.allowed = nothing;
    want.sample.ret = &record;
    random_ids(1, rig->n_vocab, ids, 80);
    random_ids(2, rig->n_vocab, strange, 30);
    for (int i = 0; i < 2; i++) {
        struct session *plain = rig_session(rig, CONTEXT, TENSOR_F16);
        run_tokens(rig, plain, ids + i, 79 - i, expected[i]);
        session_close(plain);
        s[i] = rig_session(rig, CONTEXT, TENSOR_F16);
        run_tokens(rig, s[i], ids + i, 50, NULL);
    }
    struct session *fork;
    assert_ok(session_fork(s[0], &fork, &err), err);
    struct step_item items[] = {{s[0], strange, 30, NULL, 0}, {s[1], strange, 30, &want, 1}};
    refuse_step(rig, items, 2, ERR_INVALID, "mask admits no token");
    assert_int_equal(record.id, -7);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(s[i]->groups[0].n_pages, 1);
        run_tokens(rig, s[i], ids + i + 50, 29 - i, logits);
        assert_same_floats(logits, expected[i] + 50 * 4096, (29 - i) * 4096);
    }
    run_tokens(rig, fork, ids + 50, 29, logits);
    assert_same_floats(logits, expected[0] + 50 * 4096, 29 * 4096);
    session_close(fork);
    session_close(s[0]);
    session_close(s[1]);
}

static void test_logprobs_and_hidden_states_are_given_where_wanted(void **state)
{
    const struct rig *rig = *state;
    static float logits[40 * 4096];
    int32_t ids[40];
    const int32_t asked[] = {7, 4095, 0};
    float logprobs[3], hidden[256], hidden_alone[256];
    struct session *s = rig_session(rig, CONTEXT, TENSOR_F16);
    struct err err = ERR_INIT;
    struct want wants[] = {{.kind = WANT_HIDDEN, .at = 20, .ret_hidden = hidden}, {.kind = WANT_LOGPROBS, .at = 20}};
    wants[1].logprobs.ids = asked;
    wants[1].logprobs.n = 3;
    wants[1].logprobs.ret = logprobs;
    random_ids(3, rig->n_vocab, ids, 40);
    run_tokens(rig, s, ids, 40, logits);
    for (int alone = 0; alone < 2; alone++) {
        assert_ok(session_truncate(s, 0, &err), err);
        wants[0].ret_hidden = alone ? hidden_alone : hidden;
        struct step_item item = {s, ids, 40, wants, alone ? 1 : 2};
        assert_ok(engine_step(rig->e, &item, 1, &err), err);
    }
    assert_same_floats(hidden, hidden_alone, 256);
    double sum = 0, power = 0;
    for (int i = 0; i < 4096; i++)
        sum += exp(logits[20 * 4096 + i]);
    for (int i = 0; i < 3; i++)
        assert_float_equal(logprobs[i], logits[20 * 4096 + asked[i]] - log(sum), 1e-4);
    for (int i = 0; i < 256; i++)
        power += hidden[i] * hidden[i];
    assert_true(power > 1);
    session_close(s);
}

static void test_nan_weights_are_reported_not_sampled(void **state)
{
    static const struct {
        const char *arch, *tensor;
    } cases[] = {
        {"llama", "blk.1.ffn_up.weight"},       {"qwen3moe", "blk.1.ffn_gate_inp.weight"},
        {"gpt-oss", "blk.2.attn_sinks.weight"}, {"gpt-oss", "blk.0.ffn_down_exps.bias"},
        {"gemma2", "blk.0.attn_q.weight"},      {"gemma3", "output_norm.weight"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tiny_spoil spoil = {SPOIL_WEIGHTS, cases[i].tensor, .f32 = NAN};
        struct rig rig;
        int32_t ids[3] = {1, 2, 3};
        float out[1];
        struct want want = {.kind = WANT_LOGPROBS, .at = 2};
        const char *path = tiny_write(tiny_of(cases[i].arch), &spoil);
        want.logprobs.ids = ids;
        want.logprobs.n = 1;
        want.logprobs.ret = out;
        rig_open(&rig, path, 2);
        unlink(path);
        struct session *s = rig_session(&rig, CONTEXT, TENSOR_F16);
        refuse_step(&rig, &(struct step_item){s, ids, 3, &want, 1}, 1, ERR_CORRUPT, "the model produced NaN");
        session_close(s);
        rig_close(&rig);
    }
}

static void test_file_that_shrinks_fails_the_step(void **state)
{
    struct rig rig;
    int32_t ids[3] = {1, 2, 3};
    const char *path = tiny_write(&tiny_qwen2, NULL);
    (void)state;
    rig_open(&rig, path, 2);
    struct session *s = rig_session(&rig, CONTEXT, TENSOR_F16);
    run_tokens(&rig, s, ids, 3, NULL);
    assert_int_equal(truncate(path, 4096), 0);
    refuse_step(&rig, &(struct step_item){s, ids, 3, NULL, 0}, 1, ERR_CORRUPT, "shrank");
    unlink(path);
    session_close(s);
    rig_close(&rig);
}

static void test_decode_allocates_nothing(void **state)
{
    const struct rig *rig = *state;
    struct err err = ERR_INIT;
    struct token_record record;
    struct sampler sampler = {.temperature = 1, .top_p = 0.9f, .repetition_penalty = 1};
    struct want want = {.kind = WANT_SAMPLE, .at = 0};
    int32_t id = 9;
    struct session *s = rig_session(rig, CONTEXT, TENSOR_F16);
    struct step_item item = {s, &id, 1, &want, 1};
    size_t used = 0;
    want.sample.sampler = &sampler;
    want.sample.ret = &record;
    for (int i = 0; i < 60; i++) {
        assert_ok(engine_step(rig->e, &item, 1, &err), err);
        struct mallinfo2 m = mallinfo2();
        if (i == 0)
            used = m.uordblks + m.hblkhd;
        assert_int_equal(m.uordblks + m.hblkhd, used);
        id = record.id;
    }
    session_close(s);
}

static void test_session_sizes_out_of_range_are_refused(void **state)
{
    const struct rig *rig = *state;
    struct session *s;
    struct err err = ERR_INIT;
    assert_false(session_open(rig->e, 0, TENSOR_F16, &s, &err));
    assert_false(session_open(rig->e, -1, TENSOR_F16, &s, &err));
    assert_false(session_open(rig->e, ENGINE_MAX_CONTEXT + 1, TENSOR_F16, &s, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(session_open(rig->e, 10, TENSOR_Q4_0, &s, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    s = rig_session(rig, 10, TENSOR_F16);
    assert_false(session_truncate(s, 1, &err));
    assert_false(session_truncate(s, -1, &err));
    session_close(s);
}

/* ---- snapshots ---- */

static void refuse_bytes(struct session *s, struct str bytes, const char *word)
{
    struct err err = ERR_INIT;
    assert_false(session_restore(s, bytes, &err));
    if (!strstr(err.msg, word))
        fail_msg("\"%s\" lacks \"%s\"", err.msg, word);
    assert_int_equal(session_length(s), 0);
}

static void test_snapshot_rejects_damage_anywhere(void **state)
{
    const struct rig *rig = *state;
    struct err err = ERR_INIT;
    struct buf bytes = BUF_INIT(16 << 20);
    int32_t ids[70];
    struct session *s = rig_session(rig, CONTEXT, TENSOR_F16), *back = rig_session(rig, CONTEXT, TENSOR_F16);
    random_ids(4, rig->n_vocab, ids, 70);
    run_tokens(rig, s, ids, 70, NULL);
    assert_ok(session_snapshot(s, &bytes, &err), err);
    for (size_t n = 0; n < bytes.n; n = n < 64 ? n + 1 : n * 2)
        refuse_bytes(back, (struct str){bytes.p, n}, "snapshot");
    for (size_t at = 0; at < bytes.n; at = at < 64 ? at + 1 : at + 997) {
        bytes.p[at] ^= 0x10;
        assert_false(session_restore(back, buf_view(&bytes), &err));
        bytes.p[at] ^= 0x10;
    }
    buf_char(&bytes, 0);
    refuse_bytes(back, buf_view(&bytes), "bytes after its header");
    session_close(s);
    session_close(back);
    buf_free(&bytes);
}

static void test_snapshot_of_another_kind_is_refused(void **state)
{
    const struct rig *rig = *state;
    struct rig other;
    struct err err = ERR_INIT;
    struct buf bytes = BUF_INIT(16 << 20), small = BUF_INIT(100);
    int32_t ids[20];
    const char *path = tiny_write(&tiny_qwen3, NULL);
    rig_open(&other, path, 1);
    unlink(path);
    struct session *s = rig_session(rig, CONTEXT, TENSOR_F16), *f32 = rig_session(rig, CONTEXT, TENSOR_F32);
    struct session *strange = rig_session(&other, CONTEXT, TENSOR_F16), *narrow = rig_session(rig, 19, TENSOR_F16);
    random_ids(4, other.n_vocab, ids, 20);
    run_tokens(rig, s, ids, 20, NULL);
    assert_ok(session_snapshot(s, &bytes, &err), err);
    assert_false(session_snapshot(s, &small, &err));
    refuse_bytes(f32, buf_view(&bytes), "cache type");
    refuse_bytes(strange, buf_view(&bytes), "another model");
    refuse_bytes(narrow, buf_view(&bytes), "context 19");
    assert_false(session_restore(s, buf_view(&bytes), &err));
    assert_non_null(strstr(err.msg, "empty session only"));
    session_close(s);
    session_close(f32);
    session_close(strange);
    session_close(narrow);
    rig_close(&other);
    buf_free(&bytes);
    buf_free(&small);
}

static uint64_t fingerprint_of(const char *arch, struct tiny_spoil spoil)
{
    struct rig rig;
    const char *path = tiny_write(tiny_of(arch), &spoil);
    rig_open(&rig, path, 1);
    unlink(path);
    struct session *s = rig_session(&rig, CONTEXT, TENSOR_F16);
    uint64_t fingerprint = session_fingerprint(s);
    session_close(s);
    rig_close(&rig);
    return fingerprint;
}

/* As when a file is published again with the same weights and a number put right. */
static void test_state_is_told_apart_by_numbers_of_the_header(void **state)
{
    static const struct {
        const char *arch;
        struct tiny_spoil spoil;
    } cases[] = {
        {"qwen3", {SPOIL_KEY_F32, "rope.freq_base", .f32 = 10001}},
        {"qwen3", {SPOIL_KEY_F32, "attention.layer_norm_rms_epsilon", .f32 = 2e-5f}},
        {"qwen2", {SPOIL_KEY_F32, "rope.scaling.factor", .f32 = 4}},
        {"gemma3", {SPOIL_KEY_U32, "attention.sliding_window", .u32 = 41}},
        {"gemma3", {SPOIL_KEY_F32, "rope.freq_base_swa", .f32 = 101}},
        {"gemma2", {SPOIL_KEY_F32, "attn_logit_softcapping", .f32 = 6}},
        {"granite", {SPOIL_KEY_F32, "residual_scale", .f32 = 0.4f}},
        {"gpt-oss", {SPOIL_KEY_U32, "expert_used_count", .u32 = 3}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t was = fingerprint_of(cases[i].arch, (struct tiny_spoil){SPOIL_NOTHING});
        assert_int_equal(was, fingerprint_of(cases[i].arch, (struct tiny_spoil){SPOIL_NOTHING}));
        if (was == fingerprint_of(cases[i].arch, cases[i].spoil))
            fail_msg("%s with another %s has the same fingerprint", cases[i].arch, cases[i].spoil.name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_out_of_range_are_refused),
        cmocka_unit_test(test_full_context_is_a_limit),
        cmocka_unit_test(test_steps_too_large_or_empty_are_refused),
        cmocka_unit_test(test_wants_outside_their_item_are_refused),
        cmocka_unit_test(test_strange_sessions_are_refused),
        cmocka_unit_test(test_failed_step_leaves_sessions_as_they_were),
        cmocka_unit_test(test_logprobs_and_hidden_states_are_given_where_wanted),
        cmocka_unit_test(test_nan_weights_are_reported_not_sampled),
        cmocka_unit_test(test_file_that_shrinks_fails_the_step),
        cmocka_unit_test(test_decode_allocates_nothing),
        cmocka_unit_test(test_session_sizes_out_of_range_are_refused),
        cmocka_unit_test(test_snapshot_rejects_damage_anywhere),
        cmocka_unit_test(test_snapshot_of_another_kind_is_refused),
        cmocka_unit_test(test_state_is_told_apart_by_numbers_of_the_header),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
