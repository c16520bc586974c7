/* What a model file says of itself before any weight is bound: its architecture, the numbers of its metadata, its
 * vocabulary, and the sums that others want to know. Reads the header only, so files that are still elsewhere can be
 * described too. */
#include <stdio.h>

#include "engine/internal.h"

#define DESCRIBE_MAX_VOCAB (1 << 20)

/* Parts of models that also see, in one file with the text part, which works without them. */
bool tensor_left_aside(const struct tensor *t)
{
    struct str name = str_of(t->name);
    return str_starts(name, STR("v.")) || str_starts(name, STR("mm."));
}

static const struct tensor *tensor_named(const struct gguf *g, const char *pattern, int layer)
{
    char name[GGUF_MAX_NAME_BYTES];
    snprintf(name, sizeof name, pattern, layer);
    return gguf_tensor(g, name);
}

const struct tensor *model_tensor(const struct gguf *g, const struct arch *arch, enum weight_role role, int layer)
{
    const struct weight_info *info = arch_weight(role);
    const struct tensor *t = NULL;
    for (int i = 0; !t && i < arch->other_names.n; i++)
        if (arch->other_names.names[i].role == role)
            t = tensor_named(g, arch->other_names.names[i].name, layer);
    if (!t)
        t = tensor_named(g, info->name, layer);
    return t || info->tied == WEIGHT_NONE ? t : gguf_tensor(g, arch_weight(info->tied)->name);
}

static void note_product(struct model *m, const struct op *op, int layer)
{
    const struct tensor *t = model_tensor(m->g, m->arch, op->w, layer);
    int64_t k = arch_width(&m->h, arch_slot_width(op->a));
    if (!t || t->type >= TENSOR_TYPES)
        return;       /* binding will say so */
    enum act_format f = act_format_of(t->type);
    if (!arch_slot_per_expert(op->a) && k > m->act_k[f])
        m->act_k[f] = k;
    if (op->kind == OP_EXPERTS && k > m->expert_act_k[f])
        m->expert_act_k[f] = k;
}

/* Which formats of activations the lists' matrix products read, and how long rows of them are. */
static void note_products(struct model *m, struct op_list list, int layers)
{
    for (int i = 0; i < list.n; i++) {
        bool product = list.ops[i].kind == OP_MATMUL || list.ops[i].kind == OP_EXPERTS;
        for (int layer = 0; product && layer < layers; layer++)
            note_product(m, &list.ops[i], layer);
    }
}

static bool read_vocabulary(struct model *m, struct err *err)
{
    const struct tensor *t = gguf_tensor(m->g, arch_weight(WEIGHT_TOKEN_EMBD)->name);
    if (!t)
        return err_at_offset(err, ERR_UNSUPPORTED, gguf_path(m->g), -1,
                             gguf_tensor_count(m->g) == 0 ? "the file holds a vocabulary only, no weights"
                                                          : "the file has no tensor token_embd.weight");
    if (t->ne[1] < 1 || t->ne[1] > DESCRIBE_MAX_VOCAB)
        return err_at_offset(err, ERR_LIMIT, gguf_path(m->g), -1,
                             "tensor token_embd.weight has %lld rows; Rung takes vocabularies of 1 to %d",
                             (long long)t->ne[1], DESCRIBE_MAX_VOCAB);
    m->h.n_vocab = t->ne[1];
    return true;
}

static void fill_info(struct model *m)
{
    const struct hparams *h = &m->h;
    int64_t layer_bytes = 2 * (int64_t)kv_layer_bytes(h, TENSOR_F16) / KV_PAGE;
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
        .n_expert = h->n_expert,
        .n_expert_used = h->n_expert_used,
        .window = h->window,
    };
    for (int layer = 0; layer < h->n_layer; layer++) {
        if (arch_state(m->arch, h, layer) == STATE_WINDOW)
            m->info.window_bytes_per_token += layer_bytes;
        else
            m->info.kv_bytes_per_token += layer_bytes;
    }
    for (int64_t i = 0; i < gguf_tensor_count(m->g); i++) {
        const struct tensor *t = gguf_tensor_at(m->g, i);
        if (tensor_left_aside(t))
            continue;
        m->info.parameters += t->ne[0] * tensor_rows(t);
        m->info.weight_bytes += (int64_t)t->bytes;
    }
}

bool model_describe(const struct gguf *g, struct model *ret, struct err *err)
{
    struct str name;
    char known[ARCH_NAMES_BYTES];
    struct model m = {.g = g};
    if (!gguf_need_str(g, "general.architecture", &name, err))
        return false;
    m.arch = arch_find(name);
    if (!m.arch)
        return err_at_offset(err, ERR_UNSUPPORTED, gguf_path(g), -1,
                             "the model's architecture is \"" STR_FMT "\"; Rung runs %s", STR_ARG(utf8_clip(name, 60)),
                             arch_names(known));
    if (!hparams_read(g, m.arch, &m.h, err) || !read_vocabulary(&m, err))
        return false;
    fill_info(&m);
    note_products(&m, m.arch->block, m.h.n_layer);
    note_products(&m, m.arch->output, 1);
    *ret = m;
    return true;
}
