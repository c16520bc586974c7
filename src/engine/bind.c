/* Weights by role: walks the architecture's lists, finds for every role the tensor of the file, and checks type and
 * shape against the widths the operation implies. A tensor that no operation names is an error too: without it the
 * answers would be wrong. */
#include <math.h>
#include <stdio.h>

#include "base/strmap.h"
#include "engine/internal.h"

#define BIND_MAX_VOCAB (1 << 20)

struct binder {
    const struct gguf *g;
    const struct kernels *k;
    struct arena *arena;
    struct model *m;
    struct strmap used;            /* names of the tensors bound so far */
    struct err *err;
};

const struct weight *model_weight(const struct model *m, int layer, enum weight_role role)
{
    return arch_weight(role)->per_layer ? &m->layers[layer].w[role] : &m->once[role];
}

static bool bad_tensor(const struct binder *b, enum err_code code, const struct tensor *t, const char *what)
{
    return err_at_offset(b->err, code, gguf_path(b->g), -1, "tensor %s %s", t->name, what);
}

/* n 0: a vector of k; else a matrix of n rows of k. */
static bool check_shape(const struct binder *b, const struct tensor *t, int64_t k, int64_t n)
{
    bool matrix = n > 0;
    if (t->ne[0] == k && tensor_rows(t) == (matrix ? n : 1) && t->ne[2] == 1 && t->ne[3] == 1)
        return true;
    return err_at_offset(b->err, ERR_CORRUPT, gguf_path(b->g), -1,
                         "tensor %s is [%lld, %lld, %lld, %lld] but the metadata makes it [%lld, %lld]; the file is "
                         "damaged or its converter was wrong", t->name, (long long)t->ne[0], (long long)t->ne[1],
                         (long long)t->ne[2], (long long)t->ne[3], (long long)k, (long long)(matrix ? n : 1));
}

static bool check_type(const struct binder *b, const struct tensor *t)
{
    if (t->type >= TENSOR_TYPES || !b->k->matmul.matmul[t->type] || !b->k->matmul.unpack[t->type])
        return bad_tensor(b, ERR_UNSUPPORTED, t, "has an element type that Rung cannot compute with");
    if ((uintptr_t)t->data % sizeof(float) != 0)
        return bad_tensor(b, ERR_CORRUPT, t, "does not start at a multiple of 4 bytes; write it with alignment 32");
    return true;
}

static bool unpack_vector(const struct binder *b, struct weight *w)
{
    const struct tensor *t = w->tensor;
    float *v = arena_array(b->arena, (size_t)t->ne[0], sizeof *v);
    if (!v)
        return err_nomem(b->err, "the model");
    b->k->matmul.unpack[t->type](t->data, v, t->ne[0]);
    w->vector = v;
    return true;
}

static bool bind_weight(struct binder *b, int layer, enum weight_role role, bool optional, int64_t k, int64_t n)
{
    const struct weight_info *info = arch_weight(role);
    char name[GGUF_MAX_NAME_BYTES];
    snprintf(name, sizeof name, info->name, layer);
    const struct tensor *t = gguf_tensor(b->g, name);
    if (!t && info->tied != WEIGHT_NONE)
        t = gguf_tensor(b->g, arch_weight(info->tied)->name);
    if (!t && optional)
        return true;
    if (!t)
        return err_at_offset(b->err, ERR_CORRUPT, gguf_path(b->g), -1,
                             "the file has no tensor %s, which every %s model needs", name, b->m->arch->name);
    struct weight *w = (struct weight *)model_weight(b->m, layer, role);
    w->tensor = t;
    return check_shape(b, t, k, n) && check_type(b, t) && strmap_put(&b->used, str_of(t->name), 1, b->err) &&
           (n > 0 || unpack_vector(b, w));
}

static bool bind_op(struct binder *b, const struct op *op, int layer)
{
    const struct hparams *h = &b->m->h;
    int64_t in = arch_width(h, arch_slot_width(op->a)), out = arch_width(h, arch_slot_width(op->dst));
    bool ok = true;
    if (op->w != WEIGHT_NONE) {
        switch (op->kind) {
        case OP_EMBED: ok = bind_weight(b, layer, op->w, op->w_optional, out, h->n_vocab); break;
        case OP_MATMUL: ok = bind_weight(b, layer, op->w, op->w_optional, in, out); break;
        case OP_NORM: ok = bind_weight(b, layer, op->w, op->w_optional, in, 0); break;
        case OP_HEAD_NORM: ok = bind_weight(b, layer, op->w, op->w_optional, arch_width(h, WIDTH_ONE_HEAD), 0); break;
        case OP_ROPE: ok = bind_weight(b, layer, op->w, op->w_optional, arch_width(h, WIDTH_ROTARY_PAIRS), 0); break;
        default: ok = err_set(b->err, ERR_INTERNAL, "operation %d takes no weight", (int)op->kind); break;
        }
    }
    return ok && (op->bias == WEIGHT_NONE || bind_weight(b, layer, op->bias, op->bias_optional, out, 0));
}

static bool bind_list(struct binder *b, struct op_list list, int layer)
{
    for (int i = 0; i < list.n; i++)
        if (!bind_op(b, &list.ops[i], layer))
            return false;
    return true;
}

static bool bind_vocabulary(struct binder *b)
{
    const struct tensor *t = gguf_tensor(b->g, arch_weight(WEIGHT_TOKEN_EMBD)->name);
    if (!t)
        return err_at_offset(b->err, ERR_UNSUPPORTED, gguf_path(b->g), -1,
                             gguf_tensor_count(b->g) == 0 ? "the file holds a vocabulary only, no weights"
                                                          : "the file has no tensor token_embd.weight");
    if (t->ne[1] < 1 || t->ne[1] > BIND_MAX_VOCAB)
        return err_at_offset(b->err, ERR_LIMIT, gguf_path(b->g), -1,
                             "tensor token_embd.weight has %lld rows; Rung takes vocabularies of 1 to %d",
                             (long long)t->ne[1], BIND_MAX_VOCAB);
    b->m->h.n_vocab = t->ne[1];
    return true;
}

static bool refuse_unused(const struct binder *b)
{
    int32_t one;
    for (int64_t i = 0; i < gguf_tensor_count(b->g); i++) {
        const struct tensor *t = gguf_tensor_at(b->g, i);
        if (!strmap_get(&b->used, str_of(t->name), &one))
            return err_at_offset(b->err, ERR_UNSUPPORTED, gguf_path(b->g), -1,
                                 "tensor %s has no place in %s as Rung knows it; without it the answers would be wrong",
                                 t->name, b->m->arch->name);
    }
    return true;
}

/* Radians a position for each pair: base^(-2 i / n_rot), slowed by the model's scaling. (RoFormer, Su et al. 2021.) */
static bool make_rope_freq(const struct binder *b)
{
    const struct hparams *h = &b->m->h;
    const float *factors = b->m->once[WEIGHT_ROPE_FACTORS].vector;
    int64_t n = arch_width(h, WIDTH_ROTARY_PAIRS);
    double *freq = arena_array(b->arena, (size_t)n, sizeof *freq);
    if (!freq)
        return err_nomem(b->err, "the model");
    for (int64_t i = 0; i < n; i++) {
        freq[i] = pow(h->rope_base, -2.0 * (double)i / h->n_rot) / h->rope_scale;
        if (!factors)
            continue;
        if (!(isfinite(factors[i]) && factors[i] > 0))
            return bad_tensor(b, ERR_CORRUPT, b->m->once[WEIGHT_ROPE_FACTORS].tensor, "must hold numbers above 0 only");
        freq[i] /= factors[i];
    }
    b->m->rope_freq = freq;
    return true;
}

static void fill_info(struct model *m)
{
    const struct hparams *h = &m->h;
    m->info = (struct engine_info){
        .architecture = m->arch->name,
        .n_layer = h->n_layer,
        .n_head = h->n_head,
        .n_kv_head = h->n_kv_head,
        .head_dim = h->head_dim,
        .n_embd = h->n_embd,
        .n_ff = h->n_ff,
        .n_vocab = h->n_vocab,
        .n_ctx_train = h->n_ctx_train,
        .kv_bytes_per_token = h->n_layer * 2 * arch_width(h, WIDTH_KV) * (int64_t)kv_element_bytes(TENSOR_F16),
    };
    for (int64_t i = 0; i < gguf_tensor_count(m->g); i++) {
        const struct tensor *t = gguf_tensor_at(m->g, i);
        m->info.parameters += t->ne[0] * tensor_rows(t);
        m->info.weight_bytes += (int64_t)t->bytes;
    }
}

bool model_bind(const struct gguf *g, const struct kernels *k, struct arena *arena, struct model *ret, struct err *err)
{
    bool ok = false;
    struct str name;
    struct model m = {.g = g};
    struct binder b = {.g = g, .k = k, .arena = arena, .m = &m, .err = err};
    if (!gguf_need_str(g, "general.architecture", &name, err))
        goto out;
    m.arch = arch_find(name);
    if (!m.arch) {
        err_at_offset(err, ERR_UNSUPPORTED, gguf_path(g), -1,
                      "the model's architecture is \"" STR_FMT "\"; Rung runs %s", STR_ARG(utf8_clip(name, 60)),
                      arch_names());
        goto out;
    }
    if (!hparams_read(g, m.arch, &m.h, err) || !bind_vocabulary(&b))
        goto out;
    m.layers = arena_array(arena, (size_t)m.h.n_layer, sizeof *m.layers);
    if (!m.layers) {
        err_nomem(err, "the model");
        goto out;
    }
    if (!bind_list(&b, m.arch->input, -1))
        goto out;
    for (int layer = 0; layer < m.h.n_layer; layer++)
        if (!bind_list(&b, m.arch->block, layer))
            goto out;
    if (!bind_list(&b, m.arch->output, -1) || !refuse_unused(&b) || !make_rope_freq(&b))
        goto out;
    fill_info(&m);
    *ret = m;
    ok = true;
out:
    strmap_free(&b.used);
    return ok;
}
