/* Whole files: which tensor gets which type, what is copied, what is refused, and that threads change nothing. */
#include <math.h>
#include <sys/stat.h>

#include "../support.h"
#include "base/filemap.h"
#include "model/gguf_write.h"
#include "model/quantize.h"
#include "support_gguf.h"

static char in[64], out[64], out2[64];

static int name_files(void **state)
{
    (void)state;
    snprintf(in, sizeof in, "/tmp/rung-quant-in-%ld.gguf", (long)getpid());
    snprintf(out, sizeof out, "/tmp/rung-quant-out-%ld.gguf", (long)getpid());
    snprintf(out2, sizeof out2, "/tmp/rung-quant-out2-%ld.gguf", (long)getpid());
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(in);
    unlink(out);
    unlink(out2);
    return 0;
}

static bool exists(const char *path, const char *suffix)
{
    char name[96];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return access(name, F_OK) == 0;
}

/* ---- a small model ---- */
struct shape {
    const char *name;
    int64_t ne[3];
};

/* With experts, rows that are no multiple of 256 nor of 32, a norm and a router. */
static const struct shape model[] = {
    {"token_embd.weight", {256, 64, 1}},      {"output.weight", {256, 64, 1}},
    {"blk.0.attn_norm.weight", {256, 1, 1}},  {"blk.0.attn_q.weight", {256, 96, 1}},
    {"blk.0.attn_v.weight", {256, 32, 1}},    {"blk.0.ffn_gate_inp.weight", {256, 4, 1}},
    {"blk.0.ffn_up_exps.weight", {256, 8, 4}}, {"blk.0.ffn_down.weight", {96, 16, 1}},
    {"blk.0.ffn_gate.weight", {40, 16, 1}},
};
#define MODEL_TENSORS (sizeof model / sizeof model[0])

static float *values_of(size_t tensor, size_t *ret_n)
{
    const int64_t *ne = model[tensor].ne;
    size_t n = (size_t)(ne[0] * ne[1] * ne[2]);
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = sinf((float)i * 0.7f + (float)tensor) * cosf((float)i * 0.011f);
    *ret_n = n;
    return x;
}

/* `spoil`: the tensor whose value 777 becomes `spoilt`; -1 for none. */
static void write_model(int spoil, float spoilt)
{
    struct err err = ERR_INIT;
    struct gguf_writer *w = NULL;
    const struct str words[] = {STR("a"), STR("")};
    assert_ok(gguf_writer_open(in, &w, &err), err);
    gguf_write_str(w, "general.architecture", STR("llama"));
    gguf_write_u32(w, "general.file_type", 1);
    gguf_write_u32(w, "llama.block_count", 1);
    gguf_write_u32(w, "llama.attention.head_count", 8);
    gguf_write_f32(w, "llama.rope.freq_base", 0.1f);
    gguf_write_bool(w, "tokenizer.ggml.add_bos_token", true);
    gguf_write_strs(w, "tokenizer.ggml.tokens", words, 2);
    gguf_write_i32s(w, "tokenizer.ggml.token_type", (const int32_t[]){-3, 4}, 2);
    for (size_t i = 0; i < MODEL_TENSORS; i++)
        gguf_write_tensor(w, model[i].name, TENSOR_F32, model[i].ne[2] > 1 ? 3 : model[i].ne[1] > 1 ? 2 : 1, model[i].ne);
    for (size_t i = 0; i < MODEL_TENSORS; i++) {
        size_t n;
        float *x = values_of(i, &n);
        if ((int)i == spoil)
            x[777] = spoilt;
        assert_ok(gguf_write_data(w, x, n * sizeof *x, &err), err);
        free(x);
    }
    assert_ok(gguf_writer_finish(w, &err), err);
    gguf_writer_close(w);
}

static bool ignore_step(void *ctx, int64_t items, int64_t bytes)
{
    (void)ctx;
    (void)items;
    (void)bytes;
    return true;
}

static bool stop_in_the_middle(void *ctx, int64_t items, int64_t bytes)
{
    (void)ctx;
    (void)bytes;
    return items < 3;
}

static bool run(const struct quantize_options *options, const char *to, int threads, struct err *err)
{
    struct gguf *g = NULL;
    struct quantize_plan plan = {0};
    bool ok = gguf_open(in, &g, err) && quantize_plan_make(g, options, &plan, err) &&
              quantize_write(&plan, to, threads, ignore_step, NULL, err);
    quantize_plan_free(&plan);
    gguf_close(g);
    return ok;
}

static enum tensor_type planned(const struct quantize_options *options, const char *name)
{
    struct err err = ERR_INIT;
    struct gguf *g = NULL;
    struct quantize_plan plan;
    enum tensor_type type = TENSOR_TYPES;
    assert_ok(gguf_open(in, &g, &err) && quantize_plan_make(g, options, &plan, &err), err);
    for (int64_t i = 0; i < plan.n_items; i++)
        if (strcmp(plan.items[i].from->name, name) == 0)
            type = plan.items[i].type;
    quantize_plan_free(&plan);
    gguf_close(g);
    return type;
}

/* ---- which type ---- */
static void check_types(const struct gguf *source, enum quantize_mix mix, const char *path)
{
    struct err err = ERR_INIT;
    struct gguf *theirs = NULL;
    struct quantize_plan plan;
    struct quantize_options options = QUANTIZE_OPTIONS(mix);
    uint32_t file_type = 0;
    assert_ok(gguf_open(path, &theirs, &err), err);
    assert_ok(quantize_plan_make(source, &options, &plan, &err), err);
    for (int64_t i = 0; i < plan.n_items; i++) {
        const struct quantize_item *item = &plan.items[i];
        const struct tensor *t = gguf_tensor(theirs, item->from->name);
        if (item->type != t->type || item->bytes != t->bytes)
            fail_msg("%s: %s is %s, not %s", path, t->name, tensor_type_name(item->type), tensor_type_name(t->type));
    }
    assert_ok(gguf_need_u32(theirs, "general.file_type", &file_type, &err), err);
    assert_int_equal(file_type, quantize_mix_info(mix)->file_type);
    quantize_plan_free(&plan);
    gguf_close(theirs);
}

static void test_mixtures_give_each_tensor_the_established_type(void **state)
{
    (void)state;
    static const enum quantize_mix mixes[] = {MIX_F16,    MIX_BF16,   MIX_Q8_0, MIX_Q6_K, MIX_Q5_K_M,
                                              MIX_Q5_1,   MIX_Q5_0,   MIX_Q4_K_M, MIX_Q4_K_S, MIX_Q4_1,
                                              MIX_Q4_0,   MIX_IQ4_NL, MIX_IQ4_XS, MIX_Q3_K_M, MIX_Q2_K};
    SKIP_WITHOUT_SHARED(folder, "vectors/quant")
    struct err err = ERR_INIT;
    struct gguf *source = NULL;
    char path[4200];
    snprintf(path, sizeof path, "%s/qwen3-F16.gguf", folder);
    assert_ok(gguf_open(path, &source, &err), err);
    for (size_t i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
        snprintf(path, sizeof path, "%s/qwen3-%s.gguf", folder, quantize_mix_info(mixes[i])->name);
        check_types(source, mixes[i], path);
    }
    gguf_close(source);
}

static void test_short_rows_fall_back_and_small_tensors_stay(void **state)
{
    (void)state;
    struct quantize_options o = QUANTIZE_OPTIONS(MIX_Q4_K_S);
    write_model(-1, 0);
    assert_int_equal(planned(&o, "blk.0.attn_q.weight"), TENSOR_Q4_K);
    assert_int_equal(planned(&o, "blk.0.ffn_down.weight"), TENSOR_Q5_0);
    assert_int_equal(planned(&o, "blk.0.ffn_gate.weight"), TENSOR_F16);
    assert_int_equal(planned(&o, "blk.0.attn_norm.weight"), TENSOR_F32);
    assert_int_equal(planned(&o, "blk.0.ffn_gate_inp.weight"), TENSOR_F32);
    assert_int_equal(planned(&o, "output.weight"), TENSOR_Q6_K);
    assert_int_equal(planned(&o, "token_embd.weight"), TENSOR_Q4_K);
    o.mix = MIX_MXFP4;
    assert_int_equal(planned(&o, "blk.0.ffn_up_exps.weight"), TENSOR_MXFP4);
    assert_int_equal(planned(&o, "blk.0.attn_q.weight"), TENSOR_Q8_0);
    assert_int_equal(planned(&o, "output.weight"), TENSOR_Q8_0);
}

static void test_rules_come_before_the_mixture(void **state)
{
    (void)state;
    struct quantize_options o = QUANTIZE_OPTIONS(MIX_Q4_K_M);
    write_model(-1, 0);
    o.output_type = TENSOR_Q8_0;
    o.token_embedding_type = TENSOR_F16;
    o.rules[o.n_rules++] = (struct quantize_rule){"attn_[qk]\\.weight", TENSOR_Q5_1};
    o.rules[o.n_rules++] = (struct quantize_rule){"attn_", TENSOR_Q2_K};
    assert_int_equal(planned(&o, "output.weight"), TENSOR_Q8_0);
    assert_int_equal(planned(&o, "token_embd.weight"), TENSOR_F16);
    assert_int_equal(planned(&o, "blk.0.attn_q.weight"), TENSOR_Q5_1);
    assert_int_equal(planned(&o, "blk.0.attn_v.weight"), TENSOR_Q2_K);
    assert_int_equal(planned(&o, "blk.0.attn_norm.weight"), TENSOR_F32);
    struct err err = ERR_INIT;
    o.rules[0].pattern = "attn_(";
    assert_false(run(&o, out, 1, &err));
    assert_non_null(strstr(err.msg, "'attn_('"));
}

static void test_names_of_mixtures_are_taken_in_any_case(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    enum quantize_mix mix = MIX_F32;
    enum tensor_type type;
    assert_ok(quantize_mix_find("q4_k_m", &mix, &err), err);
    assert_int_equal(mix, MIX_Q4_K_M);
    assert_ok(quantize_mix_find("Q5_k", &mix, &err), err);
    assert_int_equal(mix, MIX_Q5_K_M);
    assert_false(quantize_mix_find("Q4_K_X", &mix, &err));
    assert_ok(quantize_type_find("iq4_nl", &type, &err), err);
    assert_int_equal(type, TENSOR_IQ4_NL);
    assert_false(quantize_type_find("Q8_1", &type, &err));
}

/* ---- what is written ---- */
static void test_metadata_is_copied_and_says_what_the_file_is(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct gguf *g = NULL;
    struct gguf_array a;
    uint32_t v = 0;
    float f = 0;
    bool b = false;
    struct quantize_options o = QUANTIZE_OPTIONS(MIX_Q5_K_S);
    write_model(-1, 0);
    assert_ok(run(&o, out, 2, &err), err);
    assert_ok(gguf_open(out, &g, &err), err);
    assert_ok(gguf_need_u32(g, "general.file_type", &v, &err), err);
    assert_int_equal(v, 16);
    assert_ok(gguf_need_u32(g, "general.quantization_version", &v, &err), err);
    assert_int_equal(v, 2);
    assert_ok(gguf_need_f32(g, "llama.rope.freq_base", &f, &err), err);
    assert_true(f == 0.1f);
    assert_ok(gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &b, &err), err);
    assert_true(b);
    assert_ok(gguf_get_array(g, "tokenizer.ggml.tokens", GGUF_STRING, &a, &err), err);
    assert_true(a.n == 2 && str_is(a.strings[0], "a") && a.strings[1].n == 0);
    assert_ok(gguf_get_array(g, "tokenizer.ggml.token_type", GGUF_I32, &a, &err), err);
    assert_int_equal(gguf_array_i64(&a, 0), -3);
    size_t n;
    float *norm = values_of(2, &n);
    assert_memory_equal(gguf_tensor(g, "blk.0.attn_norm.weight")->data, norm, n * sizeof *norm);
    free(norm);
    gguf_close(g);
    assert_false(exists(out, ".part"));
}

static void test_keys_of_every_kind_are_copied(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        uint64_t bits;
        int bytes;
    } kinds[] = {
        {GGUF_U8, 200, 1}, {GGUF_I8, 0xfe, 1}, {GGUF_U16, 60000, 2}, {GGUF_I16, 0xfffe, 2},
        {GGUF_I32, 0xfffffffe, 4}, {GGUF_BOOL, 1, 1}, {GGUF_U64, 1ull << 63, 8}, {GGUF_I64, ~0ull, 8},
        {GGUF_F64, 0x3ff8000000000000, 8},
    };
    struct gguf_image im = IMAGE_INIT;
    struct err err = ERR_INIT;
    struct gguf *from = NULL, *to = NULL;
    struct gguf_writer *w = NULL;
    size_t n = sizeof kinds / sizeof kinds[0], first, got;
    char *bytes = NULL;
    image_header(&im, 3, 0, n);
    first = im.b.n;
    for (size_t i = 0; i < n; i++) {
        char name[8];
        snprintf(name, sizeof name, "k%zu", i);
        image_key(&im, name, kinds[i].type);
        buf_add(&im.b, &kinds[i].bits, (size_t)kinds[i].bytes);
    }
    assert_ok(image_open(&im, &from, &err), err);
    assert_ok(gguf_writer_open(out, &w, &err), err);
    for (size_t i = 0; i < n; i++)
        gguf_write_copy(w, from, (int64_t)i);
    assert_ok(gguf_writer_finish(w, &err), err);
    gguf_writer_close(w);
    assert_ok(gguf_open(out, &to, &err), err);
    gguf_close(to);
    assert_ok(file_read(out, 1 << 20, &bytes, &got, &err), err);
    assert_memory_equal(bytes + first, im.b.p + first, im.b.n - first);
    free(bytes);
    gguf_close(from);
    image_free(&im);
}

static void test_threads_change_no_bit(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char *a = NULL, *b = NULL;
    size_t na = 0, nb = 0;
    struct quantize_options o = QUANTIZE_OPTIONS(MIX_Q3_K_M);
    write_model(-1, 0);
    assert_ok(run(&o, out, 1, &err), err);
    assert_ok(run(&o, out2, 5, &err), err);
    assert_ok(file_read(out, 1 << 20, &a, &na, &err) && file_read(out2, 1 << 20, &b, &nb, &err), err);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
    free(a);
    free(b);
}

static void test_each_expert_has_its_own_importance(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct imatrix *m = NULL;
    struct gguf *plain = NULL, *weighted = NULL;
    struct buf b = BUF_INIT(1 << 20);
    const char *name = "blk.0.ffn_up_exps.weight";
    const int32_t head[2] = {1, (int32_t)strlen(name)}, sizes[2] = {1, 4 * 256};
    buf_add(&b, head, sizeof head);
    buf_puts(&b, name);
    buf_add(&b, sizes, sizeof sizes);
    for (int i = 0; i < 4 * 256; i++) {
        float v = i / 256 == 2 ? (float)(1 + i % 7) : 1;   /* expert 2 alone has preferences */
        buf_add(&b, &v, sizeof v);
    }
    assert_ok(imatrix_parse(buf_view(&b), "test.dat", &m, &err), err);
    struct quantize_options o = QUANTIZE_OPTIONS(MIX_Q4_0);
    write_model(-1, 0);
    assert_ok(run(&o, out, 2, &err), err);
    o.imatrix = m;
    assert_ok(run(&o, out2, 2, &err), err);
    assert_ok(gguf_open(out, &plain, &err) && gguf_open(out2, &weighted, &err), err);
    const struct tensor *p = gguf_tensor(plain, name), *q = gguf_tensor(weighted, name);
    size_t expert = p->bytes / 4;
    for (size_t e = 0; e < 4; e++) {
        bool same = memcmp((const char *)p->data + e * expert, (const char *)q->data + e * expert, expert) == 0;
        assert_true(same == (e != 2));
    }
    gguf_close(plain);
    gguf_close(weighted);
    imatrix_close(m);
    buf_free(&b);
}

/* ---- what is refused ---- */
static void expect_refusal(const char *to, const char *words, const char *more)
{
    struct err err = ERR_INIT;
    struct quantize_options o = QUANTIZE_OPTIONS(MIX_Q4_K_M);
    assert_false(run(&o, to, 2, &err));
    if (!strstr(err.msg, words) || !strstr(err.msg, more))
        fail_msg("'%s' says neither '%s' nor '%s'", err.msg, words, more);
    assert_false(exists(out, "") || exists(out, ".part"));
}

static void test_values_that_are_no_numbers_are_named(void **state)
{
    (void)state;
    write_model(3, NAN);
    expect_refusal(out, "'blk.0.attn_q.weight': its value 777 (row 3)", "nan");
    write_model(6, -INFINITY);
    expect_refusal(out, "'blk.0.ffn_up_exps.weight': its value 777", "-inf");
}

static void test_the_source_is_not_written_over(void **state)
{
    (void)state;
    write_model(-1, 0);
    assert_int_equal(symlink(in, out2), 0);
    expect_refusal(in, "is the source itself", in);
    expect_refusal(out2, "is the source itself", out2);
    expect_refusal("/tmp", "is no file", "/tmp");
    expect_refusal("/tmp/no/such/folder/x.gguf", "cannot write", "/tmp/no/such/folder");
}

static void test_stopped_work_leaves_nothing(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct gguf *g = NULL;
    struct quantize_plan plan = {0};
    struct quantize_options o = QUANTIZE_OPTIONS(MIX_Q4_K_M);
    write_model(-1, 0);
    assert_ok(gguf_open(in, &g, &err) && quantize_plan_make(g, &o, &plan, &err), err);
    assert_false(quantize_write(&plan, out, 2, stop_in_the_middle, NULL, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_false(exists(out, "") || exists(out, ".part"));
    quantize_plan_free(&plan);
    gguf_close(g);
}

static void test_importance_of_another_model_is_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct imatrix *m = NULL;
    struct buf b = BUF_INIT(1 << 20);
    const char *name = "blk.0.attn_q.weight";
    const int32_t head[2] = {1, (int32_t)strlen(name)}, sizes[2] = {1, 2};
    const float values[2] = {1, 1};
    buf_add(&b, head, sizeof head);
    buf_puts(&b, name);
    buf_add(&b, sizes, sizeof sizes);
    buf_add(&b, values, sizeof values);
    assert_ok(imatrix_parse(buf_view(&b), "test.dat", &m, &err), err);
    struct quantize_options o = QUANTIZE_OPTIONS(MIX_Q4_0);
    o.imatrix = m;
    write_model(-1, 0);
    assert_false(run(&o, out, 1, &err));
    assert_string_equal(err.msg, "test.dat has 2 values for 'blk.0.attn_q.weight', whose rows have 256; it was made from "
                                 "another model");
    imatrix_close(m);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_mixtures_give_each_tensor_the_established_type, remove_files),
        cmocka_unit_test_teardown(test_short_rows_fall_back_and_small_tensors_stay, remove_files),
        cmocka_unit_test_teardown(test_rules_come_before_the_mixture, remove_files),
        cmocka_unit_test_teardown(test_names_of_mixtures_are_taken_in_any_case, remove_files),
        cmocka_unit_test_teardown(test_metadata_is_copied_and_says_what_the_file_is, remove_files),
        cmocka_unit_test_teardown(test_keys_of_every_kind_are_copied, remove_files),
        cmocka_unit_test_teardown(test_threads_change_no_bit, remove_files),
        cmocka_unit_test_teardown(test_each_expert_has_its_own_importance, remove_files),
        cmocka_unit_test_teardown(test_values_that_are_no_numbers_are_named, remove_files),
        cmocka_unit_test_teardown(test_the_source_is_not_written_over, remove_files),
        cmocka_unit_test_teardown(test_stopped_work_leaves_nothing, remove_files),
        cmocka_unit_test_teardown(test_importance_of_another_model_is_refused, remove_files),
    };
    return cmocka_run_group_tests(tests, name_files, NULL);
}
