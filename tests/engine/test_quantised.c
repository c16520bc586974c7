/* What quantising does to answers: models that Rung quantises stay as near to the F16 model as the established files of
 * the same type, or nearer. Both are compared de-quantised, so that the rounding of activations, which is no fault of
 * the file, stays out. */
#include <math.h>

#include "model/quantize.h"
#include "tests/engine/support_engine.h"

#define TOKENS 400

static bool ignore_step(void *ctx, int64_t items, int64_t bytes)
{
    (void)ctx;
    (void)items;
    (void)bytes;
    return true;
}

static void quantise(const char *from, const char *to, enum quantize_mix mix)
{
    struct err err = ERR_INIT;
    struct gguf *g = NULL;
    struct quantize_plan plan;
    struct quantize_options options = QUANTIZE_OPTIONS(mix);
    assert_ok(gguf_open(from, &g, &err), err);
    assert_ok(quantize_plan_make(g, &options, &plan, &err), err);
    assert_ok(quantize_write(&plan, to, 2, ignore_step, NULL, &err), err);
    quantize_plan_free(&plan);
    gguf_close(g);
}

/* Logits of the model's weights as F32; the caller frees. */
static float *logits_of(const char *model, const int32_t *ids, int64_t *ret_n)
{
    struct rig rig;
    char wide[64];
    snprintf(wide, sizeof wide, "/tmp/rung-wide-%ld.gguf", (long)getpid());
    quantise(model, wide, MIX_F32);
    rig_open(&rig, wide, 2);
    unlink(wide);
    *ret_n = TOKENS * rig.n_vocab;
    float *logits = alloc_floats(*ret_n);
    struct session *s = rig_session(&rig, TOKENS, TENSOR_F32);
    run_tokens(&rig, s, ids, TOKENS, logits);
    session_close(s);
    rig_close(&rig);
    return logits;
}

static double error_of(const char *model, const int32_t *ids, const float *right)
{
    int64_t n;
    double error = 0, power = 0;
    float *logits = logits_of(model, ids, &n);
    for (int64_t i = 0; i < n; i++) {
        double d = (double)logits[i] - right[i];
        error += d * d;
        power += (double)right[i] * right[i];
    }
    free(logits);
    return error / power;
}

static void test_logits_err_no_more_than_those_of_established_files(void **state)
{
    (void)state;
    static const enum quantize_mix mixes[] = {MIX_Q8_0, MIX_Q6_K, MIX_Q5_K_M, MIX_Q5_1, MIX_Q5_0, MIX_Q4_K_M,
                                              MIX_Q4_K_S, MIX_Q4_1, MIX_Q4_0, MIX_IQ4_NL, MIX_IQ4_XS, MIX_Q3_K_M,
                                              MIX_Q2_K};
    SKIP_WITHOUT_SHARED(folder, "vectors/quant")
    char source[4200], theirs[4200], ours[64];
    int32_t ids[TOKENS];
    int64_t n;
    random_ids(7, 512, ids, TOKENS);
    snprintf(source, sizeof source, "%s/qwen3-F16.gguf", folder);
    snprintf(ours, sizeof ours, "/tmp/rung-ours-%ld.gguf", (long)getpid());
    float *right = logits_of(source, ids, &n);
    for (size_t i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
        const char *name = quantize_mix_info(mixes[i])->name;
        snprintf(theirs, sizeof theirs, "%s/qwen3-%s.gguf", folder, name);
        quantise(source, ours, mixes[i]);
        double error = error_of(ours, ids, right), established = error_of(theirs, ids, right);
        unlink(ours);
        print_message("  %s: %.3g, established %.3g, ratio %.2f\n", name, error, established, error / established);
        if (!(error <= established))
            fail_msg("%s: %.3g is more than %.3g", name, error, established);
    }
    free(right);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits_err_no_more_than_those_of_established_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
