/* The operation lists say what the papers say: logits against double arithmetic without lists, against an independent
 * implementation on the shared vectors, and the lists' own rules. */
#include <math.h>

#include "tests/engine/support_engine.h"

#define TOKENS 150

/* ---- against plain arithmetic ---- */

static void check_against_naive(const struct tiny *t, const struct tiny_spoil *spoil)
{
    struct rig rig;
    int32_t ids[TOKENS];
    const char *path = tiny_write(t, spoil);
    rig_open(&rig, path, 2);
    unlink(path);
    random_ids(1, rig.n_vocab, ids, TOKENS);
    float *logits = alloc_floats(TOKENS * rig.n_vocab);
    double *expected = calloc((size_t)(TOKENS * rig.n_vocab), sizeof *expected);
    assert_non_null(expected);
    struct session *s = rig_session(&rig, TOKENS, TENSOR_F32);
    run_tokens(&rig, s, ids, TOKENS, logits);
    naive_logits(rig.g, t, ids, TOKENS, expected);
    double error = 0, power = 0;
    for (int64_t i = 0; i < TOKENS * rig.n_vocab; i++) {
        error += (logits[i] - expected[i]) * (logits[i] - expected[i]);
        power += expected[i] * expected[i];
    }
    assert_true(power > 1);
    if (!(error / power < 1e-9))
        fail_msg("%s: %.2g", t->arch, error / power);
    session_close(s);
    free(logits);
    free(expected);
    rig_close(&rig);
}

static void test_architectures_equal_plain_arithmetic(void **state)
{
    (void)state;
    for (int i = 0; i < TINIES; i++)
        check_against_naive(&tinies[i], NULL);
    for (int i = 0; arch_at(i); i++)
        tiny_of(arch_at(i)->name);   /* none left out */
}

static void test_of_equal_experts_the_first_are_chosen(void **state)
{
    static const struct tiny_spoil spoil = {SPOIL_WEIGHTS, "blk.1.ffn_gate_inp.weight", .f32 = 0};
    (void)state;
    check_against_naive(tiny_of("qwen3moe"), &spoil);
}

/* ---- against an independent implementation ---- */

struct reference {
    char *bytes;
    int n, n_vocab;
    const int32_t *ids, *argmax;
    const char *rows;              /* eight times a position and n_vocab floats */
};

static void reference_read(const char *path, struct reference *r)
{
    struct err err = ERR_INIT;
    size_t bytes;
    int32_t header[4];
    assert_ok(file_read(path, 64 << 20, &r->bytes, &bytes, &err), err);
    memcpy(header, r->bytes, sizeof header);
    assert_int_equal(header[0], 0x52454631);
    r->n = header[1];
    r->n_vocab = header[2];
    assert_int_equal(bytes, 16 + 8 * (size_t)r->n + 8 * (4 + 4 * (size_t)r->n_vocab));
    r->ids = (const int32_t *)(r->bytes + 16);
    r->argmax = r->ids + r->n;
    r->rows = (const char *)(r->argmax + r->n);
}

/* Normalised mean squared error over the eight rows. */
static double reference_error(const struct reference *r, const float *logits)
{
    double error = 0, power = 0;
    for (int row = 0; row < 8; row++) {
        const char *p = r->rows + (size_t)row * (4 + 4 * (size_t)r->n_vocab);
        int32_t pos;
        memcpy(&pos, p, sizeof pos);
        assert_in_range(pos, 0, r->n - 1);
        const float *expected = (const float *)(p + 4);
        for (int i = 0; i < r->n_vocab; i++) {
            double d = (double)logits[(int64_t)pos * r->n_vocab + i] - expected[i];
            error += d * d;
            power += (double)expected[i] * expected[i];
        }
    }
    return error / power;
}

static void check_vector(const char *model, const char *ref, double limit)
{
    struct rig rig;
    struct reference r;
    reference_read(ref, &r);
    rig_open(&rig, model, 2);
    assert_int_equal(rig.n_vocab, r.n_vocab);
    float *logits = alloc_floats((int64_t)r.n * r.n_vocab);
    struct session *s = rig_session(&rig, r.n, TENSOR_F32);
    run_tokens(&rig, s, r.ids, r.n, logits);
    double error = reference_error(&r, logits);
    print_message("  %s: %.2g\n", strrchr(model, '/') + 1, error);
    assert_true(error < limit);
    session_close(s);
    free(logits);
    rig_close(&rig);
    free(r.bytes);
}

static void test_architectures_equal_independent_implementation(void **state)
{
    static const char *const names[] = {"llama", "llama-untied", "qwen2", "qwen3", "gemma3", "phi3", "qwen3moe",
                                        "gemma2", "mistral3", "smollm3", "granite", "olmo2", "gpt-oss"};
    SKIP_WITHOUT_SHARED(folder, "vectors/arch")
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char model[4200], ref[4200];
        snprintf(model, sizeof model, "%s/%s.gguf", folder, names[i]);
        snprintf(ref, sizeof ref, "%s/%s.ref", folder, names[i]);
        check_vector(model, ref, 1e-6);
    }
}

static void test_quantised_weights_stay_within_stated_errors(void **state)
{
    static const struct {
        const char *type;
        double limit;
    } cases[] = {
        {"F16", 1e-6},    {"BF16", 1e-4},   {"Q4_0", 1e-3},   {"Q4_1", 1e-3},   {"Q5_0", 1e-3},
        {"Q5_1", 1e-3},   {"Q8_0", 1e-3},   {"Q2_K", 1e-3},   {"Q3_K_M", 1e-3}, {"Q4_K_S", 1e-3},
        {"Q4_K_M", 1e-3}, {"Q5_K_M", 1e-3}, {"Q6_K", 1e-3},   {"IQ4_NL", 1e-3}, {"IQ4_XS", 1e-3},
    };
    SKIP_WITHOUT_SHARED(folder, "vectors/quant")
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char model[4200], ref[4200];
        snprintf(model, sizeof model, "%s/qwen3-%s.gguf", folder, cases[i].type);
        snprintf(ref, sizeof ref, "%s/qwen3-%s.exact.ref", folder, cases[i].type);
        check_vector(model, ref, cases[i].limit);
    }
}

/* ---- the lists themselves ---- */

static void check_list(const struct arch *arch, struct op_list list, bool written[SLOTS])
{
    for (int i = 0; i < list.n; i++) {
        const struct op *op = &list.ops[i];
        const enum slot others[] = {op->b, op->c};
        assert_true(op->dst != SLOT_NONE && op->kind < OP_KINDS);
        if (op->a != SLOT_NONE && !written[op->a])
            fail_msg("%s: operation %d reads slot %d before anything wrote it", arch->name, i, (int)op->a);
        for (int j = 0; j < 2; j++) {
            if (others[j] != SLOT_NONE && op->kind != OP_SPLIT && !written[others[j]])
                fail_msg("%s: operation %d reads slot %d before anything wrote it", arch->name, i, (int)others[j]);
            written[others[j]] = true;
        }
        if (op->kind == OP_ROPE)
            assert_int_equal(op->a, op->dst);
        assert_int_equal(op->kind == OP_ATTENTION, op->state != STATE_NONE);
        assert_int_equal(op->kind == OP_SCALE, op->factor != FACTOR_NONE);
        written[op->dst] = true;
    }
}

static void test_lists_read_only_what_was_written(void **state)
{
    char names[ARCH_NAMES_BYTES];
    const struct arch *arch;
    (void)state;
    for (int i = 0; (arch = arch_at(i)); i++) {
        bool written[SLOTS] = {false};
        check_list(arch, arch->input, written);
        check_list(arch, arch->block, written);
        check_list(arch, arch->output, written);
        assert_true(written[SLOT_LOGITS]);
        assert_ptr_equal(arch_find(str_of(arch->name)), arch);
        assert_non_null(strstr(arch_names(names), arch->name));
    }
}

/* How often threads meet for more than single tokens; order and invariant of the plan are checked on the way. */
static int meetings_of(struct op_list list)
{
    struct arena arena = ARENA_INIT(1 << 20);
    struct err err = ERR_INIT;
    struct plan plan;
    int meetings = 0;
    const struct op *next = list.ops;
    assert_ok(plan_make(list, &arena, &plan, &err), err);
    for (int i = 0; i < plan.n; i++) {
        assert_ptr_equal(plan.stages[i].ops, next);
        next += plan.stages[i].n;
        if (plan.stages[i].kind == STAGE_TOKENS)
            continue;
        meetings++;
        assert_true(i > 0 && plan.stages[i - 1].kind == STAGE_TOKENS);
    }
    assert_ptr_equal(next, list.ops + list.n);
    arena_free(&arena);
    return meetings;
}

static void test_plan_keeps_the_order_of_every_list(void **state)
{
    (void)state;
    for (int i = 0; arch_at(i); i++) {
        meetings_of(arch_at(i)->input);
        meetings_of(arch_at(i)->block);
        meetings_of(arch_at(i)->output);
    }
}

static void test_plan_meets_as_seldom_as_it_can(void **state)
{
    (void)state;
    assert_int_equal(meetings_of(arch_qwen3.block), 5);      /* q k v, attention, output, gate and up, down */
    assert_int_equal(meetings_of(arch_phi3.block), 5);
    assert_int_equal(meetings_of(arch_qwen3moe.block), 6);   /* the router too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_architectures_equal_plain_arithmetic),
        cmocka_unit_test(test_of_equal_experts_the_first_are_chosen),
        cmocka_unit_test(test_architectures_equal_independent_implementation),
        cmocka_unit_test(test_quantised_weights_stay_within_stated_errors),
        cmocka_unit_test(test_lists_read_only_what_was_written),
        cmocka_unit_test(test_plan_keeps_the_order_of_every_list),
        cmocka_unit_test(test_plan_meets_as_seldom_as_it_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
