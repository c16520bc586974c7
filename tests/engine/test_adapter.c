/* LoRA adapters: beside the model they do what they would do merged into it; both file forms mean the same bits; the
 * company in a step, its cuts and the threads change nothing; what is not plain LoRA is refused. */
#include "tests/engine/support_engine.h"

#include <math.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "engine/adapter.h"
#include "model/gguf_write.h"

#define RANK 3
#define ALPHA 6.0f
#define TOKENS 90
#define CONTEXT 128

struct module {
    const char *ours, *theirs;
};

static const struct module modules[] = {
    {"attn_q", "self_attn.q_proj"},       {"attn_k", "self_attn.k_proj"},     {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},  {"attn_qkv", "self_attn.qkv_proj"}, {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},            {"ffn_down", "mlp.down_proj"},
};
#define MODULES (sizeof modules / sizeof *modules)

/* A base, the same with the adapter merged in, and the adapter in both forms. */
struct set {
    const struct tiny *tiny;
    char base[100], merged[100], gguf[100], folder[100];
};

static float value(uint64_t seed, int layer, size_t module, int64_t i)
{
    return (float)(rng_unit(seed, layer * 100 + (int64_t)module, (uint64_t)i) - 0.5) * 0.6f;
}

/* ---- writing: A of seed 1, B of seed 2 ---- */

static const struct tensor *adapted(const struct gguf *g, int layer, size_t module)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%d.%s.weight", layer, modules[module].ours);
    return gguf_tensor(g, name);
}

static void merge(const struct set *s)
{
    struct err err = ERR_INIT;
    struct filemap *map;
    struct gguf *g;
    assert_ok(filemap_open(s->base, &map, &err), err);
    struct str bytes = filemap_bytes(map);
    char *copy = malloc(bytes.n);
    assert_non_null(copy);
    memcpy(copy, bytes.p, bytes.n);
    assert_ok(gguf_open_map(map, &g, &err), err);
    for (int layer = 0; layer < s->tiny->n_layer; layer++) {
        for (size_t m = 0; m < MODULES; m++) {
            const struct tensor *t = adapted(g, layer, m);
            float *w = t ? (float *)(void *)(copy + ((const char *)t->data - bytes.p)) : NULL;
            for (int64_t i = 0; t && i < t->ne[0] * t->ne[1]; i++) {
                double sum = 0;
                for (int64_t r = 0; r < RANK; r++)
                    sum += (double)value(2, layer, m, i / t->ne[0] * RANK + r) *
                           value(1, layer, m, r * t->ne[0] + i % t->ne[0]);
                w[i] += (float)(sum * ALPHA / RANK);
            }
        }
    }
    FILE *f = fopen(s->merged, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(copy, 1, bytes.n, f), bytes.n);
    assert_int_equal(fclose(f), 0);
    free(copy);
    gguf_close(g);
}

static void each_half(const struct set *s, const struct gguf *g,
                      void (*half)(void *ctx, const struct tensor *t, int layer, size_t module, bool b), void *ctx)
{
    for (int layer = 0; layer < s->tiny->n_layer; layer++)
        for (size_t m = 0; m < MODULES; m++)
            for (int b = 0; adapted(g, layer, m) && b < 2; b++)
                half(ctx, adapted(g, layer, m), layer, m, b);
}

static void declare_half(void *writer, const struct tensor *t, int layer, size_t module, bool b)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%d.%s.weight.lora_%c", layer, modules[module].ours, b ? 'b' : 'a');
    gguf_write_tensor(writer, name, TENSOR_F32, 2,
                      b ? (int64_t[]){RANK, t->ne[1], 1, 1} : (int64_t[]){t->ne[0], RANK, 1, 1});
}

static void write_half(void *writer, const struct tensor *t, int layer, size_t module, bool b)
{
    struct err err = ERR_INIT;
    for (int64_t i = 0; i < RANK * t->ne[b]; i++) {
        float v = value(b ? 2 : 1, layer, module, i);
        assert_ok(gguf_write_data(writer, &v, sizeof v, &err), err);
    }
}

static void write_gguf(const struct set *s, const struct gguf *g, const char *arch, const char *type)
{
    struct err err = ERR_INIT;
    struct gguf_writer *w;
    assert_ok(gguf_writer_open(s->gguf, &w, &err), err);
    gguf_write_str(w, "general.type", STR("adapter"));
    gguf_write_str(w, "general.architecture", str_of(arch));
    gguf_write_str(w, "adapter.type", str_of(type));
    gguf_write_f32(w, "adapter.lora.alpha", ALPHA);
    each_half(s, g, declare_half, w);
    each_half(s, g, write_half, w);
    assert_ok(gguf_writer_finish(w, &err), err);
    gguf_writer_close(w);
}

struct peft {
    const struct set *set;
    struct buf header, data;
    const char *prefix;
};

/* As transformers order the rows of q and k: halves of a head, where the model file has neighbouring pairs. */
static int64_t our_row(const struct peft *p, size_t module, int64_t theirs)
{
    int64_t head = p->set->tiny->head_dim, in_head = theirs % head, half = head / 2;
    bool moved = p->set->tiny->interleaved && module < 2;
    return moved ? theirs - in_head + in_head % half * 2 + in_head / half : theirs;
}

static void peft_half(void *ctx, const struct tensor *t, int layer, size_t module, bool b)
{
    struct peft *p = ctx;
    size_t begin = p->data.n;
    int64_t rows = b ? t->ne[1] : RANK, k = b ? RANK : t->ne[0];
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t i = 0; i < k; i++) {
            float v = value(b ? 2 : 1, layer, module, (b ? our_row(p, module, row) : row) * k + i);
            buf_add(&p->data, &v, sizeof v);
        }
    }
    buf_printf(&p->header,
               "%s\"%s%d.%s.lora_%c.weight\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[%d,%d]}",
               p->header.n > 1 ? "," : "", p->prefix, layer, modules[module].theirs, b ? 'B' : 'A', (int)rows, (int)k,
               (int)begin, (int)p->data.n);
}

static void write_file(const char *folder, const char *name, const void *p, size_t n)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void write_config(const struct set *s, const char *json)
{
    write_file(s->folder, "adapter_config.json", json, strlen(json));
}

static void write_peft(const struct set *s, const struct gguf *g)
{
    struct peft p = {s, BUF_INIT(1 << 20), BUF_INIT(16 << 20), "base_model.model.model.layers."};
    struct buf file = BUF_INIT(32 << 20);
    buf_char(&p.header, '{');
    each_half(s, g, peft_half, &p);
    buf_char(&p.header, '}');
    uint64_t n = p.header.n;
    buf_add(&file, &n, sizeof n);
    buf_str(&file, buf_view(&p.header));
    buf_str(&file, buf_view(&p.data));
    assert_int_equal(mkdir(s->folder, 0700), 0);
    write_file(s->folder, "adapter_model.safetensors", file.p, file.n);
    write_config(s, "{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6,\"bias\":\"none\",\"modules_to_save\":null}");
    buf_free(&p.header);
    buf_free(&p.data);
    buf_free(&file);
}

static void set_make(struct set *s, const char *arch)
{
    struct err err = ERR_INIT;
    struct gguf *g;
    s->tiny = tiny_of(arch);
    snprintf(s->base, sizeof s->base, "/tmp/rung-lora-%d-base.gguf", (int)getpid());
    snprintf(s->merged, sizeof s->merged, "/tmp/rung-lora-%d-merged.gguf", (int)getpid());
    snprintf(s->gguf, sizeof s->gguf, "/tmp/rung-lora-%d-adapter.gguf", (int)getpid());
    snprintf(s->folder, sizeof s->folder, "/tmp/rung-lora-%d-peft", (int)getpid());
    assert_int_equal(rename(tiny_write(s->tiny, NULL), s->base), 0);
    merge(s);
    assert_ok(gguf_open(s->base, &g, &err), err);
    write_gguf(s, g, arch, "lora");
    write_peft(s, g);
    gguf_close(g);
}

static void set_remove(const struct set *s)
{
    char path[200];
    unlink(s->base);
    unlink(s->merged);
    unlink(s->gguf);
    snprintf(path, sizeof path, "%s/adapter_config.json", s->folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", s->folder);
    unlink(path);
    rmdir(s->folder);
}

/* ---- running ---- */

static struct session *adapted_session(const struct rig *rig, const struct adapter *a)
{
    struct err err = ERR_INIT;
    struct session *s = rig_session(rig, CONTEXT, TENSOR_F32);
    assert_ok(session_set_adapter(s, a, &err), err);
    return s;
}

/* Logits after every token, in one step. */
static float *logits_of(const struct rig *rig, const struct adapter *a, const int32_t *ids)
{
    float *logits = alloc_floats(TOKENS * rig->n_vocab);
    struct session *s = adapted_session(rig, a);
    run_tokens(rig, s, ids, TOKENS, logits);
    session_close(s);
    return logits;
}

static double largest_difference(const float *a, const float *b, int64_t n)
{
    double largest = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)a[i] - b[i]));
    return largest;
}

static struct adapter *open_adapter(const struct rig *rig, const char *path)
{
    struct err err = ERR_INIT;
    struct adapter *a = NULL;
    assert_ok(adapter_open(rig->e, path, &a, &err), err);
    return a;
}

static void check_merged(const char *arch)
{
    struct set s;
    struct rig base, merged;
    int32_t ids[TOKENS];
    set_make(&s, arch);
    rig_open(&base, s.base, 2);
    rig_open(&merged, s.merged, 1);
    random_ids(5, base.n_vocab, ids, TOKENS);
    struct adapter *gguf = open_adapter(&base, s.gguf), *peft = open_adapter(&base, s.folder);
    int64_t n = TOKENS * base.n_vocab;
    float *plain = logits_of(&base, NULL, ids), *beside = logits_of(&base, gguf, ids);
    float *other_form = logits_of(&base, peft, ids), *inside = logits_of(&merged, NULL, ids);
    double far = largest_difference(plain, inside, n), near = largest_difference(beside, inside, n);
    print_message("%s: the adapter moves logits by %.3f, beside differs from merged by %.2g\n", arch, far, near);
    assert_true(far > 0.05);
    assert_true(near < 2e-5 * fmax(1, far));
    assert_same_floats(beside, other_form, n);
    adapter_close(gguf);
    adapter_close(peft);
    rig_close(&base);
    rig_close(&merged);
    set_remove(&s);
    free(plain);
    free(beside);
    free(other_form);
    free(inside);
}

static void test_an_adapter_beside_a_model_does_what_it_does_merged(void **state)
{
    (void)state;
    check_merged("llama"); /* rows of q and k in pairs */
    check_merged("qwen2"); /* biases */
    check_merged("qwen3");
    check_merged("gemma3"); /* windows, norms behind */
    check_merged("phi3");  /* fused matrices */
}

/* ---- one arithmetic ---- */

static void run_in_company(const struct rig *rig, struct session **sessions, const int32_t *ids, int n_sessions,
                           float *logits)
{
    struct err err = ERR_INIT;
    struct step_item items[8];
    struct want wants[8];
    for (int t = 0; t < TOKENS; t++) {
        for (int i = 0; i < n_sessions; i++) {
            wants[i] = (struct want){.kind = WANT_LOGITS,
                                     .ret_logits = logits + ((int64_t)i * TOKENS + t) * rig->n_vocab};
            items[i] = (struct step_item){sessions[i], ids + t, 1, &wants[i], 1};
        }
        assert_ok(engine_step(rig->e, items, n_sessions, &err), err);
    }
}

static void test_adapters_and_none_share_a_step_bit_for_bit(void **state)
{
    (void)state;
    enum { N = 6 };
    struct set s;
    struct rig one, three;
    int32_t ids[TOKENS];
    set_make(&s, "llama");
    rig_open(&one, s.base, 1);
    rig_open(&three, s.base, 3);
    random_ids(6, one.n_vocab, ids, TOKENS);
    struct adapter *alone = open_adapter(&one, s.gguf), *a = open_adapter(&three, s.gguf),
                   *b = open_adapter(&three, s.folder);
    int64_t n = TOKENS * one.n_vocab;
    float *adapted = logits_of(&one, alone, ids), *plain = logits_of(&one, NULL, ids), *all = alloc_floats(N * n);
    const struct adapter *of[N] = {a, NULL, b, a, NULL, b};
    struct session *sessions[N];
    for (int i = 0; i < N; i++)
        sessions[i] = adapted_session(&three, of[i]);
    run_in_company(&three, sessions, ids, N, all);
    for (int i = 0; i < N; i++) {
        assert_same_floats(all + i * n, of[i] ? adapted : plain, n);
        session_close(sessions[i]);
    }
    adapter_close(alone);
    adapter_close(a);
    adapter_close(b);
    rig_close(&one);
    rig_close(&three);
    set_remove(&s);
    free(adapted);
    free(plain);
    free(all);
}

static void test_a_session_keeps_the_adapter_it_began_with(void **state)
{
    (void)state;
    struct set set;
    struct rig rig;
    int32_t ids[TOKENS];
    struct err err = ERR_INIT;
    struct session *fork;
    struct buf bytes = BUF_INIT(64 << 20);
    set_make(&set, "qwen3");
    rig_open(&rig, set.base, 1);
    random_ids(7, rig.n_vocab, ids, TOKENS);
    struct adapter *a = open_adapter(&rig, set.gguf);
    float *whole = logits_of(&rig, a, ids), *last = alloc_floats(rig.n_vocab);
    struct session *s = adapted_session(&rig, a), *plain = adapted_session(&rig, NULL);
    run_tokens(&rig, s, ids, TOKENS - 1, NULL);
    assert_false(session_set_adapter(s, NULL, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_ok(session_fork(s, &fork, &err), err);
    run_tokens(&rig, fork, ids + TOKENS - 1, 1, last);
    assert_same_floats(last, whole + (TOKENS - 1) * rig.n_vocab, rig.n_vocab);
    assert_ok(session_snapshot(s, &bytes, &err), err);
    assert_false(session_restore(plain, buf_view(&bytes), &err)); /* made with the adapter, so no state of the base's */
    session_close(s);
    session_close(fork);
    session_close(plain);
    adapter_close(a);
    rig_close(&rig);
    set_remove(&set);
    buf_free(&bytes);
    free(whole);
    free(last);
}

/* ---- refusals ---- */

static void assert_refused(const struct rig *rig, const char *path, const char *part)
{
    struct err err = ERR_INIT;
    struct adapter *a;
    char text[900];
    assert_false(adapter_open(rig->e, path, &a, &err));
    if (!strstr(err_format(&err, text, sizeof text), part))
        fail_msg("'%s' is not in: %s", part, text);
}

static void test_what_is_no_plain_lora_of_this_model_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *config, *part;
    } configs[] = {
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6,\"use_dora\":true}", "use_dora is not supported"},
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6,\"bias\":\"all\"}", "'bias' other than none"},
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6,\"modules_to_save\":[\"lm_head\"]}", "modules_to_save"},
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6,\"rank_pattern\":{\"q\":8}}", "rank_pattern"},
        {"{\"peft_type\":\"IA3\",\"r\":3,\"lora_alpha\":6}", "'peft_type' other than LORA"},
        {"{\"peft_type\":\"LORA\",\"r\":0,\"lora_alpha\":6}", "'r'"},
        {"{\"peft_type\":\"LORA\",\"r\":3}", "'lora_alpha' must be there"},
        {"[]", "adapter_config.json"},
    };
    struct set s;
    struct rig rig, other;
    struct gguf *g;
    struct err err = ERR_INIT;
    set_make(&s, "qwen3");
    rig_open(&rig, s.base, 1);
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        write_config(&s, configs[i].config);
        assert_refused(&rig, s.folder, configs[i].part);
    }
    assert_refused(&rig, s.base, "no LoRA adapter");
    assert_refused(&rig, "/tmp/rung-lora-nowhere", "cannot open");
    assert_ok(gguf_open(s.base, &g, &err), err);
    write_gguf(&s, g, "llama", "lora");
    assert_refused(&rig, s.gguf, "general.architecture is \"llama\"");
    write_gguf(&s, g, "qwen3", "control_vector");
    assert_refused(&rig, s.gguf, "adapter.type");
    write_gguf(&s, g, "qwen2", "lora");
    gguf_close(g);
    rig_open(&other, tiny_write(&tiny_qwen2, NULL), 1);
    assert_refused(&other, s.gguf, "made for another model");
    rig_close(&other);
    rig_close(&rig);
    set_remove(&s);
}

static void test_rslora_divides_by_the_root_of_the_rank(void **state)
{
    (void)state;
    struct set s;
    struct rig rig;
    int32_t ids[TOKENS];
    set_make(&s, "qwen3");
    rig_open(&rig, s.base, 1);
    random_ids(8, rig.n_vocab, ids, TOKENS);
    write_config(&s, "{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":3.4641016151377544,\"use_rslora\":true}");
    struct adapter *plain = open_adapter(&rig, s.gguf), *rooted = open_adapter(&rig, s.folder);
    float *a = logits_of(&rig, plain, ids), *b = logits_of(&rig, rooted, ids);
    assert_true(largest_difference(a, b, TOKENS * rig.n_vocab) < 1e-5);
    adapter_close(plain);
    adapter_close(rooted);
    rig_close(&rig);
    set_remove(&s);
    free(a);
    free(b);
}

static void test_states_of_a_louder_adapter_are_not_taken(void **state)
{
    (void)state;
    struct set set;
    struct rig rig;
    struct err err = ERR_INIT;
    int32_t ids[TOKENS];
    struct buf bytes = BUF_INIT(64 << 20);
    set_make(&set, "qwen3");
    rig_open(&rig, set.base, 1);
    random_ids(9, rig.n_vocab, ids, TOKENS);
    struct adapter *soft = open_adapter(&rig, set.folder);
    write_config(&set, "{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":12}");
    struct adapter *loud = open_adapter(&rig, set.folder);
    struct session *s = adapted_session(&rig, soft), *other = adapted_session(&rig, loud);
    run_tokens(&rig, s, ids, TOKENS, NULL);
    assert_ok(session_snapshot(s, &bytes, &err), err);
    assert_false(session_restore(other, buf_view(&bytes), &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    session_close(s);
    session_close(other);
    adapter_close(soft);
    adapter_close(loud);
    rig_close(&rig);
    set_remove(&set);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_adapter_beside_a_model_does_what_it_does_merged),
        cmocka_unit_test(test_adapters_and_none_share_a_step_bit_for_bit),
        cmocka_unit_test(test_a_session_keeps_the_adapter_it_began_with),
        cmocka_unit_test(test_what_is_no_plain_lora_of_this_model_is_refused_by_name),
        cmocka_unit_test(test_rslora_divides_by_the_root_of_the_rank),
        cmocka_unit_test(test_states_of_a_louder_adapter_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
