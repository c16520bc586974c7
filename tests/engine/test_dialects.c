/* Converters call some keys and tensors otherwise, or leave them out: the same model must come of it. Each case writes
 * a tiny model anew as the other converter would and compares logits bit for bit. */
#include <math.h>

#include "model/gguf_write.h"
#include "tests/engine/support_engine.h"

#define TOKENS 48   /* past the tiny models' windows and into their stretched positions */

struct rename {
    const char *from, *to;         /* to NULL: left out */
};

static const struct rename *rename_of(const struct rename *renames, struct str name)
{
    for (; renames->from; renames++)
        if (str_ends(name, str_of(renames->from)))
            return renames;
    return NULL;
}

static void copy_key(struct gguf_writer *w, const struct gguf *g, int64_t i, const char *arch,
                     const struct rename *renames)
{
    enum gguf_type type;
    struct str key = gguf_key_at(g, i, &type), text = STR("");
    char from[128], to[128];
    uint32_t u = 0;
    float f = 0;
    const struct rename *r = rename_of(renames, key);
    const char *dot = memchr(key.p, '.', key.n);
    bool general = str_is(key, "general.architecture");
    struct str tail = {dot, key.n - (size_t)(dot - key.p)};
    if (r && !r->to)
        return;
    snprintf(from, sizeof from, STR_FMT, STR_ARG(key));
    snprintf(to, sizeof to, "%s" STR_FMT, arch, STR_ARG(r ? str_of(r->to) : tail));
    if (general)
        gguf_write_str(w, from, str_of(arch));
    else if (type == GGUF_STRING && gguf_get_str(g, from, &text, NULL))
        gguf_write_str(w, to, text);
    else if (type == GGUF_F32 && gguf_get_f32(g, from, &f, NULL))
        gguf_write_f32(w, to, f);
    else if (gguf_get_u32(g, from, &u, NULL))
        gguf_write_u32(w, to, u);
}

static const char *write_anew(const char *path, const char *arch, const struct rename *renames)
{
    static char out[64];
    struct err err = ERR_INIT;
    struct gguf *g;
    struct gguf_writer *w;
    snprintf(out, sizeof out, "/tmp/rung-dialect-%d.gguf", (int)getpid());
    assert_ok(gguf_open(path, &g, &err), err);
    assert_ok(gguf_writer_open(out, &w, &err), err);
    for (int64_t i = 0; i < gguf_key_count(g); i++)
        copy_key(w, g, i, arch, renames);
    for (int64_t i = 0; i < gguf_tensor_count(g); i++) {
        const struct tensor *t = gguf_tensor_at(g, i);
        const struct rename *r = rename_of(renames, str_of(t->name));
        char name[128];
        int keep = r ? (int)(strlen(t->name) - strlen(r->from)) : (int)strlen(t->name);
        snprintf(name, sizeof name, "%.*s%s", keep, t->name, r ? r->to : "");
        gguf_write_tensor(w, name, t->type, t->n_dims, t->ne);
    }
    for (int64_t i = 0; i < gguf_tensor_count(g); i++)
        assert_ok(gguf_write_data(w, gguf_tensor_at(g, i)->data, gguf_tensor_at(g, i)->bytes, &err), err);
    assert_ok(gguf_writer_finish(w, &err), err);
    gguf_writer_close(w);
    gguf_close(g);
    return out;
}

static void logits_of(const char *path, float **ret, int64_t *ret_n)
{
    struct rig rig;
    int32_t ids[TOKENS];
    rig_open(&rig, path, 1);
    struct session *s = rig_session(&rig, TOKENS, TENSOR_F16);
    *ret_n = TOKENS * rig.n_vocab;
    *ret = alloc_floats(*ret_n);
    random_ids(3, rig.n_vocab, ids, TOKENS);
    run_tokens(&rig, s, ids, TOKENS, *ret);
    session_close(s);
    rig_close(&rig);
}

static void same_model(const struct tiny *t, const char *arch, const struct rename *renames)
{
    float *theirs, *ours;
    int64_t n, same_n;
    const char *path = tiny_write(t, NULL), *other = write_anew(path, arch, renames);
    logits_of(path, &ours, &n);
    logits_of(other, &theirs, &same_n);
    unlink(path);
    unlink(other);
    assert_int_equal(n, same_n);
    assert_same_floats(ours, theirs, n);
    free(ours);
    free(theirs);
}

static void test_gptoss_is_gpt_oss_as_ollama_writes_it(void **state)
{
    static const struct rename renames[] = {
        {"attn_output.weight", "attn_out.weight"}, {"attn_output.bias", "attn_out.bias"},
        {"attn_sinks.weight", "attn_sinks"}, {"post_attention_norm.weight", "ffn_norm.weight"},
        {".rope.scaling.type", NULL}, {".expert_feed_forward_length", NULL}, {0},
    };
    (void)state;
    same_model(tiny_of("gpt-oss"), "gptoss", renames);
}

static void test_mistral3_takes_ollamas_names_of_yarn(void **state)
{
    static const struct rename renames[] = {
        {".rope.scaling.yarn_log_multiplier", ".rope.scaling.mscale_all_dim"},
        {".attention.temperature_scale", ".rope.scaling_beta"}, {0},
    };
    (void)state;
    same_model(tiny_of("mistral3"), "mistral3", renames);
}

static void test_experts_tell_their_width_where_the_file_is_silent(void **state)
{
    static const struct rename renames[] = {{".expert_feed_forward_length", NULL}, {0}};
    (void)state;
    same_model(tiny_of("qwen3moe"), "qwen3moe", renames);
}

/* A cap of 30 stands in Ollama's files of the 1B; the family has none. */
static void test_gemma3_1b_has_no_cap_on_logits(void **state)
{
    static const struct {
        int n_layer;
        float cap;
    } sizes[] = {{26, 0}, {18, 30}};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct tiny t = *tiny_of("gemma3");
        struct rig rig;
        t.rope_scale = 0;
        t.logit_cap = 30;
        t.n_layer = sizes[i].n_layer;
        const char *path = tiny_write(&t, NULL);
        rig_open(&rig, path, 1);
        unlink(path);
        assert_true(rig.e->model.h.logit_cap == sizes[i].cap);
        rig_close(&rig);
    }
}

static void test_yarn_keys_of_both_names_are_read(void **state)
{
    static const struct {
        const char *key;
        float value;
        size_t at;
    } cases[] = {
        {"rope.scaling.beta_fast", 24, offsetof(struct hparams, yarn_fast)},
        {"rope.scaling.yarn_beta_fast", 23, offsetof(struct hparams, yarn_fast)},
        {"rope.scaling.beta_slow", 2, offsetof(struct hparams, yarn_slow)},
        {"rope.scaling.yarn_beta_slow", 3, offsetof(struct hparams, yarn_slow)},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tiny_spoil spoil = {SPOIL_KEY_F32, cases[i].key, .f32 = cases[i].value};
        const char *path = tiny_write(tiny_of("mistral3"), &spoil);
        struct rig rig;
        rig_open(&rig, path, 1);
        unlink(path);
        float got;
        memcpy(&got, (const char *)&rig.e->model.h + cases[i].at, sizeof got);
        assert_true(got == cases[i].value);
        rig_close(&rig);
    }
}

/* Some files write the magnitude that follows from YaRN's factor: it must not count twice. */
static void test_yarns_magnitude_counts_once(void **state)
{
    struct tiny_spoil spoil = {SPOIL_KEY_F32, "rope.scaling.yarn_attn_factor", .f32 = 1.2772589f};
    const char *path = tiny_write(tiny_of("gpt-oss"), &spoil);
    struct rig rig;
    (void)state;
    rig_open(&rig, path, 1);
    unlink(path);
    assert_true(fabsf(rig.e->model.h.rope_magnitude - 1.2772589f) < 1e-6f);
    rig_close(&rig);
}

/* Gemma 3 as others train it, without windows: all its layers turn alike. */
static void test_gemma3_without_a_window_has_one_rotation(void **state)
{
    struct tiny t = *tiny_of("gemma3");
    struct rig rig;
    (void)state;
    t.window = 0;
    const char *path = tiny_write(&t, NULL);
    rig_open(&rig, path, 1);
    unlink(path);
    assert_null(rig.e->model.rope_freq[ROPE_WINDOW]);
    assert_int_equal(rig.e->n_groups, 1);
    rig_close(&rig);
}

/* Converters that write every key write a factor of 0 and an empty type for a model that scales nothing. */
static void test_empty_scaling_is_no_scaling(void **state)
{
    static const struct tiny_spoil spoils[] = {
        {SPOIL_KEY_F32, "rope.scaling.factor", .f32 = 0}, {SPOIL_KEY_STR, "rope.scaling.type", .str = ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
        const char *path = tiny_write(&tiny_qwen3, &spoils[i]);
        struct rig rig;
        rig_open(&rig, path, 1);
        unlink(path);
        assert_true(rig.e->model.h.rope_scale == 1 && rig.e->model.h.rope_magnitude == 1 && !rig.e->model.h.yarn);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gptoss_is_gpt_oss_as_ollama_writes_it),
        cmocka_unit_test(test_mistral3_takes_ollamas_names_of_yarn),
        cmocka_unit_test(test_experts_tell_their_width_where_the_file_is_silent),
        cmocka_unit_test(test_gemma3_1b_has_no_cap_on_logits),
        cmocka_unit_test(test_yarn_keys_of_both_names_are_read),
        cmocka_unit_test(test_yarns_magnitude_counts_once),
        cmocka_unit_test(test_gemma3_without_a_window_has_one_rotation),
        cmocka_unit_test(test_empty_scaling_is_no_scaling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
