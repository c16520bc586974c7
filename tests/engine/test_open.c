/* What an engine refuses to open, each with a sentence that names the fault, and what it says of a model it takes. */
#include <math.h>

#include "tests/engine/support_engine.h"

#include "engine/fit.h"

static struct pool *pool;

static int open_pool(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    assert_ok(pool_open(1, &pool, &err), err);
    return 0;
}

static int close_pool(void **state)
{
    (void)state;
    pool_close(pool);
    return 0;
}

/* Opening must fail with this code and all these words in the message. */
static void refuse(const struct tiny *t, struct tiny_spoil spoil, enum err_code code, const char *word,
                   const char *word2)
{
    struct err err = ERR_INIT;
    struct gguf *g;
    struct engine *e;
    const char *path = tiny_write(t, &spoil);
    assert_ok(gguf_open(path, &g, &err), err);
    unlink(path);
    if (engine_open(g, pool, &e, &err))
        fail_msg("a %s model with %s spoilt was taken", t->arch, spoil.name);
    if (err.code != code || !strstr(err.msg, word) || !strstr(err.msg, word2))
        fail_msg("%s spoilt: \"%s\" (%d) lacks \"%s\" or \"%s\"", spoil.name, err.msg, (int)err.code, word, word2);
    gguf_close(g);
}

static void test_missing_tensors_are_named(void **state)
{
    static const char *const names[] = {
        "token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight", "blk.1.attn_q.weight",
        "blk.2.attn_k.weight", "blk.0.attn_v.weight", "blk.0.attn_output.weight", "blk.2.attn_q_norm.weight",
        "blk.1.attn_k_norm.weight", "blk.1.ffn_norm.weight", "blk.1.ffn_gate.weight", "blk.1.ffn_up.weight",
        "blk.2.ffn_down.weight",
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        refuse(&tiny_qwen3, (struct tiny_spoil){SPOIL_DROP_TENSOR, names[i]},
               i == 0 ? ERR_UNSUPPORTED : ERR_CORRUPT, names[i], "no tensor");
    refuse(&tiny_qwen2, (struct tiny_spoil){SPOIL_DROP_TENSOR, "blk.1.attn_q.bias"}, ERR_CORRUPT, "attn_q.bias",
           "qwen2");
}

static void test_wrong_shapes_are_named_with_both_shapes(void **state)
{
    static const struct {
        const char *name;
        int64_t ne[2];
    } cases[] = {
        {"blk.0.attn_q.weight", {32, 119}}, {"blk.0.attn_q.weight", {120, 32}}, {"blk.1.attn_k.weight", {32, 61}},
        {"blk.1.attn_v.weight", {33, 60}}, {"blk.1.attn_output.weight", {32, 120}}, {"blk.2.ffn_gate.weight", {32, 71}},
        {"blk.2.ffn_up.weight", {31, 72}}, {"blk.2.ffn_down.weight", {32, 72}}, {"blk.0.attn_norm.weight", {31, 0}},
        {"blk.0.attn_q_norm.weight", {120, 0}}, {"blk.0.ffn_norm.weight", {32, 2}}, {"output_norm.weight", {1, 0}},
        {"token_embd.weight", {31, 103}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refuse(&tiny_qwen3, (struct tiny_spoil){SPOIL_SHAPE, cases[i].name, {cases[i].ne[0], cases[i].ne[1]}},
               ERR_CORRUPT, cases[i].name, "but the metadata makes it [");
    refuse(&tiny_qwen2, (struct tiny_spoil){SPOIL_SHAPE, "blk.0.attn_k.bias", {15, 0}}, ERR_CORRUPT, "attn_k.bias",
           "[16, 1]");
    refuse(&tiny_llama, (struct tiny_spoil){SPOIL_SHAPE, "rope_freqs.weight", {16, 0}}, ERR_CORRUPT, "rope_freqs",
           "[8, 1]");
    refuse(&tiny_llama, (struct tiny_spoil){SPOIL_SHAPE, "output.weight", {48, 96}}, ERR_CORRUPT, "output.weight",
           "[48, 97]");
}

static void test_tensors_without_a_place_are_refused(void **state)
{
    (void)state;
    refuse(&tiny_qwen3, (struct tiny_spoil){SPOIL_EXTRA_TENSOR, "blk.0.attn_q.bias", {120, 0}}, ERR_UNSUPPORTED,
           "blk.0.attn_q.bias", "no place");
    refuse(&tiny_qwen3, (struct tiny_spoil){SPOIL_EXTRA_TENSOR, "blk.3.attn_norm.weight", {32, 0}}, ERR_UNSUPPORTED,
           "blk.3.attn_norm.weight", "no place");
    refuse(&tiny_qwen2, (struct tiny_spoil){SPOIL_EXTRA_TENSOR, "rope_freqs.weight", {8, 0}}, ERR_UNSUPPORTED,
           "rope_freqs", "no place");
}

static void test_numbers_out_of_range_are_named(void **state)
{
    static const struct {
        const char *key;
        uint32_t value;
    } cases[] = {
        {"block_count", 0}, {"block_count", 1025}, {"block_count", UINT32_MAX}, {"embedding_length", 0},
        {"embedding_length", 1u << 31}, {"feed_forward_length", 0}, {"feed_forward_length", UINT32_MAX},
        {"context_length", 0}, {"attention.head_count", 0}, {"attention.head_count", 5000},
        {"attention.head_count", 33}, {"attention.head_count_kv", 0}, {"attention.head_count_kv", 4},
        {"attention.head_count_kv", 12}, {"attention.key_length", 0}, {"attention.key_length", 513},
        {"attention.value_length", 10}, {"rope.dimension_count", 0}, {"rope.dimension_count", 7},
        {"rope.dimension_count", 22},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tiny_spoil spoil = {SPOIL_KEY_U32, cases[i].key, {0, 0}, cases[i].value};
        refuse(&tiny_qwen3, spoil, ERR_CORRUPT, cases[i].key, "must be");
    }
}

static void test_fractions_out_of_range_are_named(void **state)
{
    static const char *const keys[] = {"attention.layer_norm_rms_epsilon", "rope.freq_base", "rope.scaling.factor"};
    static const float bad[] = {NAN, INFINITY, -1};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++)
            refuse(&tiny_qwen2, (struct tiny_spoil){SPOIL_KEY_F32, keys[i], {0, 0}, 0, bad[j]},
                   isfinite(bad[j]) ? ERR_CORRUPT : ERR_INVALID, keys[i], isfinite(bad[j]) ? "must be" : "finite");
        refuse(&tiny_llama, (struct tiny_spoil){SPOIL_WEIGHTS, "rope_freqs.weight", {0, 0}, 0, bad[i]}, ERR_CORRUPT,
               "rope_freqs.weight", "above 0");
    }
}

static void test_missing_numbers_are_named(void **state)
{
    static const char *const keys[] = {"block_count", "embedding_length", "feed_forward_length", "context_length",
                                       "attention.head_count", "attention.layer_norm_rms_epsilon"};
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct err err = ERR_INIT;
        struct gguf *g;
        struct engine *e;
        struct tiny_spoil spoil = {SPOIL_DROP_KEY, keys[i]};
        const char *path = tiny_write(&tiny_qwen3, &spoil);
        assert_ok(gguf_open(path, &g, &err), err);
        unlink(path);
        assert_false(engine_open(g, pool, &e, &err));
        assert_non_null(strstr(err.msg, keys[i]));
        gguf_close(g);
    }
}

static void test_features_of_relatives_are_refused_not_ignored(void **state)
{
    (void)state;
    refuse(&tiny_llama, (struct tiny_spoil){SPOIL_KEY_U32, "expert_count", {0, 0}, 8}, ERR_UNSUPPORTED,
           "llama.expert_count", "8");
    refuse(&tiny_llama, (struct tiny_spoil){SPOIL_KEY_U32, "attention.sliding_window", {0, 0}, 4096}, ERR_UNSUPPORTED,
           "sliding_window", "4096");
    refuse(&tiny_llama, (struct tiny_spoil){SPOIL_KEY_F32, "logit_scale", {0, 0}, 0, 8}, ERR_UNSUPPORTED, "logit_scale",
           "");
    refuse(&tiny_qwen3, (struct tiny_spoil){SPOIL_KEY_STR, "rope.scaling.type", .str = "dynamic"}, ERR_UNSUPPORTED,
           "rope.scaling.type", "\"dynamic\"");
}

static void test_mixtures_of_experts_are_checked_whole(void **state)
{
    const struct tiny *t = tiny_of("qwen3moe"), *oss = tiny_of("gpt-oss");
    static const struct tiny_spoil shapes[] = {
        {SPOIL_SHAPE, "blk.0.ffn_gate_exps.weight", {48, 40, 8}},
        {SPOIL_SHAPE, "blk.0.ffn_gate_exps.weight", {48, 360, 0}},
        {SPOIL_SHAPE, "blk.1.ffn_down_exps.weight", {48, 40, 9}},
        {SPOIL_SHAPE, "blk.1.ffn_gate_inp.weight", {48, 8, 0}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        refuse(t, shapes[i], ERR_CORRUPT, shapes[i].name, "but the metadata makes it [");
    refuse(t, shapes[0], ERR_CORRUPT, "[48, 40, 9]", "");
    refuse(oss, (struct tiny_spoil){SPOIL_SHAPE, "blk.0.ffn_up_exps.bias", {36, 5}}, ERR_CORRUPT, "[36, 6]", "");
    refuse(oss, (struct tiny_spoil){SPOIL_SHAPE, "blk.0.attn_sinks.weight", {2, 0}}, ERR_CORRUPT, "attn_sinks",
           "[4, 1]");
    refuse(oss, (struct tiny_spoil){SPOIL_DROP_TENSOR, "blk.2.ffn_down_exps.bias"}, ERR_CORRUPT, "ffn_down_exps.bias",
           "no tensor");
    refuse(t, (struct tiny_spoil){SPOIL_DROP_TENSOR, "blk.1.ffn_gate_inp.weight"}, ERR_CORRUPT, "ffn_gate_inp",
           "no tensor");
}

static void test_numbers_of_experts_out_of_range_are_named(void **state)
{
    static const struct {
        const char *key;
        uint32_t value;
    } cases[] = {
        {"expert_count", 0}, {"expert_count", 1025}, {"expert_count", UINT32_MAX}, {"expert_used_count", 0},
        {"expert_used_count", 10}, {"expert_used_count", 65}, {"expert_feed_forward_length", 0},
        {"expert_feed_forward_length", UINT32_MAX}, {"expert_gating_func", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tiny_spoil spoil = {SPOIL_KEY_U32, cases[i].key, {0}, cases[i].value};
        refuse(tiny_of("qwen3moe"), spoil, ERR_CORRUPT, cases[i].key, "must be");
    }
    refuse(tiny_of("qwen3moe"), (struct tiny_spoil){SPOIL_KEY_F32, "expert_weights_scale", {0}, 0, 2.5f}, ERR_CORRUPT,
           "expert_weights_scale", "must be 1");
}

static void test_windows_and_scalings_that_are_not_run_are_refused(void **state)
{
    (void)state;
    refuse(tiny_of("gemma3"), (struct tiny_spoil){SPOIL_KEY_U32, "attention.sliding_window_pattern", {0}, 4},
           ERR_CORRUPT, "sliding_window_pattern", "known for");
    refuse(tiny_of("gemma3"), (struct tiny_spoil){SPOIL_KEY_U32, "attention.sliding_window", {0}, UINT32_MAX},
           ERR_CORRUPT, "sliding_window", "at most");
    refuse(tiny_of("olmo2"), (struct tiny_spoil){SPOIL_KEY_U32, "attention.sliding_window", {0}, 64}, ERR_UNSUPPORTED,
           "sliding_window", "64");
    refuse(tiny_of("mistral3"), (struct tiny_spoil){SPOIL_KEY_F32, "rope.scaling.yarn_ext_factor", {0}, 0, 0.5f},
           ERR_CORRUPT, "yarn_ext_factor", "must be 1");
    refuse(tiny_of("gemma2"), (struct tiny_spoil){SPOIL_KEY_F32, "final_logit_softcapping", {0}, 0, -1}, ERR_CORRUPT,
           "final_logit_softcapping", "must be");
    refuse(tiny_of("phi3"), (struct tiny_spoil){SPOIL_DROP_TENSOR, "rope_factors_short.weight"}, ERR_CORRUPT,
           "rope_factors_long.weight", "stands alone");
    refuse(&tiny_qwen3, (struct tiny_spoil){SPOIL_KEY_F32, "rope.freq_base_swa", {0}, 0, 1e4f}, ERR_UNSUPPORTED,
           "rope.freq_base_swa", "");
}

static void test_tensors_of_a_vision_tower_are_left_aside(void **state)
{
    static const char *const names[] = {"v.blk.0.attn_q.weight", "mm.input_projection.weight"};
    struct rig plain, seeing;
    (void)state;
    const char *path = tiny_write(tiny_of("gemma3"), NULL);
    rig_open(&plain, path, 1);
    unlink(path);
    for (int i = 0; i < 2; i++) {
        struct tiny_spoil spoil = {SPOIL_EXTRA_TENSOR, names[i], {64, 64}};
        path = tiny_write(tiny_of("gemma3"), &spoil);
        rig_open(&seeing, path, 1);
        unlink(path);
        assert_int_equal(engine_info(seeing.e)->parameters, engine_info(plain.e)->parameters);
        assert_int_equal(engine_info(seeing.e)->weight_bytes, engine_info(plain.e)->weight_bytes);
        rig_close(&seeing);
    }
    rig_close(&plain);
}

/* Ollama's files of Gemma 3 leave out what all sizes have in common. */
static void test_gemma3_stands_without_the_keys_of_its_family(void **state)
{
    static const char *const keys[] = {"attention.layer_norm_rms_epsilon", "rope.freq_base", "rope.freq_base_swa"};
    struct tiny t = *tiny_of("gemma3");
    struct rig rig;
    (void)state;
    t.rope_scale = 0;
    for (int i = 0; i < 3; i++) {
        struct tiny_spoil spoil = {SPOIL_DROP_KEY, keys[i]};
        const char *path = tiny_write(&t, &spoil);
        rig_open(&rig, path, 1);
        unlink(path);
        const struct hparams *h = &rig.e->model.h;
        assert_true(i != 0 || h->norm_eps == 1e-6f);
        assert_true(i != 1 || h->rope_base == 1e6f);
        assert_true(i != 2 || h->window_rope_base == 1e4f);
        assert_true(h->rope_scale == 1);   /* a size below the 4B */
        rig_close(&rig);
    }
}

/* The 4B and larger divide positions by 8 even where the file is silent; the 27B has a scale of its own. */
static void test_gemma3_sizes_are_told_by_their_layers(void **state)
{
    static const struct {
        int n_layer;
        float rope_scale;
        double width;              /* whose root scores are divided by */
    } sizes[] = {{26, 1, 16}, {34, 8, 16}, {48, 8, 16}, {62, 8, 12}};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct tiny t = *tiny_of("gemma3");
        struct rig rig;
        t.rope_scale = 0;
        t.n_layer = sizes[i].n_layer;
        const char *path = tiny_write(&t, NULL);
        rig_open(&rig, path, 1);
        unlink(path);
        assert_true(rig.e->model.h.rope_scale == sizes[i].rope_scale);
        assert_true(fabs(rig.e->model.h.attention_scale - 1 / sqrt(sizes[i].width)) < 1e-6);
        rig_close(&rig);
    }
}

static void test_info_parts_windowed_layers_from_full_ones(void **state)
{
    const struct tiny *t = tiny_of("gemma3");
    struct rig rig;
    (void)state;
    const char *path = tiny_write(t, NULL);
    rig_open(&rig, path, 1);
    unlink(path);
    const struct engine_info *i = engine_info(rig.e);
    assert_int_equal(i->kv_bytes_per_token, 1 * 2 * 2 * t->n_kv_head * t->head_dim);
    assert_int_equal(i->window_bytes_per_token, 6 * 2 * 2 * t->n_kv_head * t->head_dim);
    assert_int_equal(i->window, t->window);
    assert_int_equal(engine_session_bytes(i, TENSOR_F16, 64), 64 * (i->kv_bytes_per_token + i->window_bytes_per_token));
    assert_int_equal(engine_session_bytes(i, TENSOR_F32, 64), 2 * engine_session_bytes(i, TENSOR_F16, 64));
    struct engine_needs needs = {.kv_bytes_per_token = 64};   /* a head's shape is not told */
    assert_int_equal(engine_needs_kv(&needs, TENSOR_F16, 64), 64 * 64);
    assert_int_equal(engine_needs_kv(&needs, TENSOR_Q8_0, 64), 64 * 36);
    needs.kv_bytes_per_token = 80;   /* one head of 20 elements */
    assert_int_equal(engine_needs_kv(&needs, TENSOR_F16, 64), 64 * 80);
    assert_int_equal(engine_needs_kv(&needs, TENSOR_F32, 64), 64 * 160);
    assert_true(engine_session_bytes(i, TENSOR_F16, 1 << 20) < (1 << 20) * (i->kv_bytes_per_token + 1));
    rig_close(&rig);
}

static void test_unknown_architecture_names_the_known(void **state)
{
    struct tiny t = tiny_qwen3;
    (void)state;
    t.arch = "mamba";
    refuse(&t, (struct tiny_spoil){SPOIL_NOTHING}, ERR_UNSUPPORTED, "\"mamba\"", "llama, qwen2, qwen3, gemma3, phi3,");
}

static void test_optional_tensors_may_stand_in_llama(void **state)
{
    struct tiny t = tiny_llama;
    struct rig rig;
    (void)state;
    t.untied = t.rope_factors = false;
    t.biases = true;
    const char *path = tiny_write(&t, NULL);
    rig_open(&rig, path, 1);
    unlink(path);
    const struct model *m = &rig.e->model;
    assert_ptr_equal(m->once[WEIGHT_OUTPUT].tensor, m->once[WEIGHT_TOKEN_EMBD].tensor);
    assert_null(m->once[WEIGHT_ROPE_FACTORS].tensor);
    assert_non_null(m->layers[1].w[WEIGHT_ATTN_K_BIAS].vector);
    assert_null(m->layers[1].w[WEIGHT_ATTN_OUTPUT_BIAS].vector);
    rig_close(&rig);
}

static void test_head_width_defaults_to_an_even_split(void **state)
{
    struct tiny t = tiny_llama;
    struct tiny_spoil spoil = {SPOIL_DROP_KEY, "attention.key_length"};
    struct rig rig;
    (void)state;
    t.head_dim = t.n_embd / t.n_head;
    const char *path = tiny_write(&t, &spoil);
    rig_open(&rig, path, 1);
    unlink(path);
    assert_int_equal(engine_info(rig.e)->head_dim, 12);
    rig_close(&rig);
}

static void test_info_tells_the_model(void **state)
{
    struct rig rig;
    (void)state;
    rig_open(&rig, STARTER, 1);
    const struct engine_info *i = engine_info(rig.e);
    assert_string_equal(i->architecture, "qwen3");
    assert_int_equal(i->n_layer, 6);
    assert_int_equal(i->n_head, 4);
    assert_int_equal(i->n_kv_head, 2);
    assert_int_equal(i->head_dim, 64);
    assert_int_equal(i->n_embd, 256);
    assert_int_equal(i->n_ff, 768);
    assert_int_equal(i->n_vocab, 4096);
    assert_int_equal(i->n_ctx_train, 512);
    assert_int_equal(i->parameters,
                     4096 * 256 + 256 + 6 * (2 * 256 * 256 + 2 * 256 * 128 + 3 * 256 * 768 + 2 * 256 + 2 * 64));
    assert_in_range(i->weight_bytes, i->parameters, i->parameters * 9 / 8);
    assert_int_equal(i->kv_bytes_per_token, 6 * 2 * 128 * 2);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_tensors_are_named),
        cmocka_unit_test(test_wrong_shapes_are_named_with_both_shapes),
        cmocka_unit_test(test_tensors_without_a_place_are_refused),
        cmocka_unit_test(test_numbers_out_of_range_are_named),
        cmocka_unit_test(test_fractions_out_of_range_are_named),
        cmocka_unit_test(test_missing_numbers_are_named),
        cmocka_unit_test(test_features_of_relatives_are_refused_not_ignored),
        cmocka_unit_test(test_mixtures_of_experts_are_checked_whole),
        cmocka_unit_test(test_numbers_of_experts_out_of_range_are_named),
        cmocka_unit_test(test_windows_and_scalings_that_are_not_run_are_refused),
        cmocka_unit_test(test_tensors_of_a_vision_tower_are_left_aside),
        cmocka_unit_test(test_gemma3_stands_without_the_keys_of_its_family),
        cmocka_unit_test(test_gemma3_sizes_are_told_by_their_layers),
        cmocka_unit_test(test_info_parts_windowed_layers_from_full_ones),
        cmocka_unit_test(test_unknown_architecture_names_the_known),
        cmocka_unit_test(test_optional_tensors_may_stand_in_llama),
        cmocka_unit_test(test_head_width_defaults_to_an_even_split),
        cmocka_unit_test(test_info_tells_the_model),
    };
    return cmocka_run_group_tests(tests, open_pool, close_pool);
}
