/* Weights by role: walks the architecture's lists, finds for every role the tensor of the file, and checks type and
 * shape against the widths the operation implies. A tensor that no operation names is an error too: without it the
 * answers would be wrong. */
#include <math.h>
#include <stdio.h>

#include "base/strmap.h"
#include "engine/internal.h"


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

/* A weight's numbers of rows (0: a vector) and, for experts, of matrices. */
struct shape {
    int64_t k, n, experts;
    bool floats;                   /* unpacked at opening: vectors, and biases of experts */
};

static int64_t at_least_one(int64_t n)
{
    return n > 0 ? n : 1;
}

static bool check_shape(const struct binder *b, const struct tensor *t, struct shape s)
{
    int64_t n = at_least_one(s.n), experts = at_least_one(s.experts);
    char third[32] = "";
    if (t->ne[0] == s.k && t->ne[1] == n && t->ne[2] == experts && t->ne[3] == 1)
        return true;
    if (s.experts > 0)
        snprintf(third, sizeof third, ", %lld", (long long)s.experts);
    return err_at_offset(b->err, ERR_CORRUPT, gguf_path(b->g), -1,
                         "tensor %s is [%lld, %lld, %lld, %lld] but the metadata makes it [%lld, %lld%s]; the file is "
                         "damaged or its converter was wrong", t->name, (long long)t->ne[0], (long long)t->ne[1],
                         (long long)t->ne[2], (long long)t->ne[3], (long long)s.k, (long long)n, third);
}

static bool check_type(const struct binder *b, const struct tensor *t)
{
    if (t->type >= TENSOR_TYPES || !b->k->matmul.matmul[t->type] || !b->k->matmul.unpack[t->type])
        return bad_tensor(b, ERR_UNSUPPORTED, t, "has an element type that Rung cannot compute with");
    if ((uintptr_t)t->data % sizeof(float) != 0)
        return bad_tensor(b, ERR_CORRUPT, t, "does not start at a multiple of 4 bytes; write it with alignment 32");
    return true;
}

static bool unpack_floats(const struct binder *b, struct weight *w)
{
    const struct tensor *t = w->tensor;
    int64_t rows = tensor_rows(t);
    float *v = arena_array(b->arena, (size_t)(rows * t->ne[0]), sizeof *v);
    if (!v)
        return err_nomem(b->err, "the model");
    for (int64_t row = 0; row < rows; row++)
        b->k->matmul.unpack[t->type](tensor_row(t, row), v + row * t->ne[0], t->ne[0]);
    w->vector = v;
    return true;
}

static bool bind_weight(struct binder *b, int layer, enum weight_role role, bool optional, struct shape shape)
{
    const struct tensor *t = model_tensor(b->g, b->m->arch, role, layer);
    char name[GGUF_MAX_NAME_BYTES];
    if (!t && optional)
        return true;
    if (!t) {
        snprintf(name, sizeof name, arch_weight(role)->name, layer);
        return err_at_offset(b->err, ERR_CORRUPT, gguf_path(b->g), -1,
                             "the file has no tensor %s, which every %s model needs", name, b->m->arch->name);
    }
    struct weight *w = (struct weight *)model_weight(b->m, layer, role);
    w->tensor = t;
    return check_shape(b, t, shape) && check_type(b, t) && strmap_put(&b->used, str_of(t->name), 1, b->err) &&
           (!shape.floats || unpack_floats(b, w));
}

static struct shape vector_of(int64_t k)
{
    return (struct shape){.k = k, .floats = true};
}

static bool bind_op(struct binder *b, const struct op *op, int layer)
{
    const struct hparams *h = &b->m->h;
    int64_t in = arch_width(h, arch_slot_width(op->a)), out = arch_width(h, arch_slot_width(op->dst));
    struct shape shape = {0}, bias = vector_of(out);
    switch (op->kind) {
    case OP_EMBED: shape = (struct shape){.k = out, .n = h->n_vocab}; break;
    case OP_MATMUL: shape = (struct shape){.k = in, .n = out}; break;
    case OP_NORM: shape = vector_of(in); break;
    case OP_HEAD_NORM: shape = vector_of(arch_width(h, WIDTH_ONE_HEAD)); break;
    case OP_ROPE: shape = vector_of(arch_width(h, WIDTH_ROTARY_PAIRS)); break;
    case OP_ATTENTION: shape = vector_of(arch_width(h, WIDTH_HEAD_COUNT)); break;
    case OP_EXPERTS:
        shape = (struct shape){.k = in, .n = out, .experts = h->n_expert};
        bias.n = h->n_expert;
        break;
    default: break;
    }
    return (op->w == WEIGHT_NONE || bind_weight(b, layer, op->w, op->w_optional, shape)) &&
           (op->w_long == WEIGHT_NONE || bind_weight(b, layer, op->w_long, op->w_optional, shape)) &&
           (op->bias == WEIGHT_NONE || bind_weight(b, layer, op->bias, op->bias_optional, bias));
}

static bool bind_list(struct binder *b, struct op_list list, int layer)
{
    for (int i = 0; i < list.n; i++)
        if (!bind_op(b, &list.ops[i], layer))
            return false;
    return true;
}

static bool refuse_unused(const struct binder *b)
{
    int32_t one;
    for (int64_t i = 0; i < gguf_tensor_count(b->g); i++) {
        const struct tensor *t = gguf_tensor_at(b->g, i);
        if (!tensor_left_aside(t) && !strmap_get(&b->used, str_of(t->name), &one))
            return err_at_offset(b->err, ERR_UNSUPPORTED, gguf_path(b->g), -1,
                                 "tensor %s has no place in %s as Rung knows it; without it the answers would be wrong",
                                 t->name, b->m->arch->name);
    }
    return true;
}

/* ---- rotary positions ---- */

/* The pair that makes so many turns over the original context. (YaRN, Peng et al. 2023, section 3.2.) */
static double yarn_pair(const struct hparams *h, double turns)
{
    return h->n_rot * log((double)h->n_ctx_original / (turns * 2 * M_PI)) / (2 * log(h->rope_base));
}

/* 1 for pairs that keep their pace, 0 for those slowed by rope_scale, between in between. */
static double yarn_share(const struct hparams *h, int64_t pair)
{
    double first = fmax(0, floor(yarn_pair(h, h->yarn_fast)));
    double last = fmin(h->n_rot - 1, ceil(yarn_pair(h, h->yarn_slow)));
    double ramp = ((double)pair - first) / fmax(0.001, last - first);
    return 1 - fmin(1, fmax(0, ramp));
}

/* Radians a position for each pair: base^(-2 i / n_rot), slowed by the model's scaling. (RoFormer, Su et al. 2021.) */
static bool make_rope_table(const struct binder *b, double base, bool scaled, const struct weight *factors,
                            const double **ret)
{
    const struct hparams *h = &b->m->h;
    int64_t n = arch_width(h, WIDTH_ROTARY_PAIRS);
    double *freq = arena_array(b->arena, (size_t)n, sizeof *freq);
    if (!freq)
        return err_nomem(b->err, "the model");
    for (int64_t i = 0; i < n; i++) {
        double full = pow(base, -2.0 * (double)i / h->n_rot), share = scaled && h->yarn ? yarn_share(h, i) : 0;
        freq[i] = scaled ? full / h->rope_scale * (1 - share) + full * share : full;
        if (!factors || !factors->vector)
            continue;
        float factor = factors->vector[i];
        if (!(isfinite(factor) && factor > 0))
            return bad_tensor(b, ERR_CORRUPT, factors->tensor, "must hold numbers above 0 only");
        freq[i] /= factor;
    }
    *ret = freq;
    return true;
}

static bool make_rope_tables(const struct binder *b)
{
    struct model *m = b->m;
    const struct weight *all = &m->once[WEIGHT_ROPE_FACTORS], *near = &m->once[WEIGHT_ROPE_SHORT],
                        *far = &m->once[WEIGHT_ROPE_LONG];
    if (!near->vector != !far->vector)
        return bad_tensor(b, ERR_CORRUPT, near->vector ? near->tensor : far->tensor,
                          "stands alone: long-RoPE models need short and long factors");
    if (!make_rope_table(b, m->h.rope_base, true, near->vector ? near : all, &m->rope_freq[ROPE_MAIN]))
        return false;
    if (far->vector && !make_rope_table(b, m->h.rope_base, true, far, &m->rope_freq[ROPE_LONG]))
        return false;
    return m->h.window_rope_base == 0 ||
           make_rope_table(b, m->h.window_rope_base, false, NULL, &m->rope_freq[ROPE_WINDOW]);
}

bool model_bind(const struct gguf *g, const struct kernels *k, struct arena *arena, struct model *ret, struct err *err)
{
    bool ok = false;
    struct model m;
    struct binder b = {.g = g, .k = k, .arena = arena, .m = &m, .err = err};
    if (!model_describe(g, &m, err))
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
    if (!bind_list(&b, m.arch->output, -1) || !refuse_unused(&b) || !make_rope_tables(&b))
        goto out;
    *ret = m;
    ok = true;
out:
    strmap_free(&b.used);
    return ok;
}
