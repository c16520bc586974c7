/* What every tensor of a file becomes: the user's rules, then the mixture, then what the shape allows. Nothing is
 * written here. */
#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>

#include "model/quantize/mixture.h"

/* Tensors in the order in which the mixture counts: layers ascending, then as in the file. */
struct turn {
    int layer;
    int64_t index;
};

static int turn_order(const void *pa, const void *pb)
{
    const struct turn *a = pa, *b = pb;
    if (a->layer != b->layer)
        return a->layer < b->layer ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

struct rules {
    const struct quantize_options *options;
    regex_t compiled[QUANTIZE_MAX_RULES];
    int n;
};

static bool rules_open(struct rules *r, const struct quantize_options *options, struct err *err)
{
    *r = (struct rules){.options = options};
    for (; r->n < options->n_rules; r->n++) {
        char why[128];
        const char *pattern = options->rules[r->n].pattern;
        int fault = regcomp(&r->compiled[r->n], pattern, REG_EXTENDED | REG_NOSUB);
        if (fault == 0)
            continue;
        regerror(fault, &r->compiled[r->n], why, sizeof why);
        return err_set(err, ERR_INVALID, "'%s' is no extended regular expression: %s", pattern, why);
    }
    return true;
}

static void rules_close(struct rules *r)
{
    for (int i = 0; i < r->n; i++)
        regfree(&r->compiled[i]);
}

static bool rules_find(const struct rules *r, const struct mixture *m, const struct tensor *t, enum tensor_type *ret)
{
    const struct quantize_options *o = r->options;
    if (o->token_embedding_type != TENSOR_TYPES && mixture_is_embedding(t)) {
        *ret = o->token_embedding_type;
        return true;
    }
    if (o->output_type != TENSOR_TYPES && mixture_is_output(m, t)) {
        *ret = o->output_type;
        return true;
    }
    for (int i = 0; i < r->n; i++) {
        if (regexec(&r->compiled[i], t->name, 0, NULL, 0) == 0) {
            *ret = o->rules[i].type;
            return true;
        }
    }
    return false;
}

/* The imatrix's entry for an item. One of another size belongs to another model; embeddings are read by rows, so
 * what was measured of them may be anything. */
static bool find_importance(const struct imatrix *m, struct quantize_item *item, struct err *err)
{
    const struct tensor *t = item->from;
    const struct imatrix_entry *e = imatrix_find(m, t->name);
    if (!e || e->n == t->ne[0] || (t->ne[2] > 1 && e->n / t->ne[0] == t->ne[2] && e->n % t->ne[0] == 0)) {
        item->importance = e;
        return true;
    }
    if (mixture_is_embedding(t))
        return true;
    return err_set(err, ERR_INVALID,
                   "%s has %" PRId64 " values for '%s', whose rows have %" PRId64
                   "; it was made from another model", imatrix_path(m), e->n, t->name, t->ne[0]);
}

static void plan_type(struct quantize_item *item, struct mixture *m, const struct rules *rules)
{
    const struct tensor *t = item->from;
    item->type = t->type;
    if (!mixture_quantises(t))
        return;
    enum tensor_type want = mixture_type(m, t);
    rules_find(rules, m, t, &want);
    item->type = mixture_fallback(want, t->ne[0]);
    item->fallback = item->type != want;
}

static bool plan_item(struct quantize_plan *plan, struct quantize_item *item, struct mixture *m,
                      const struct rules *rules, struct err *err)
{
    const struct tensor *t = item->from;
    plan_type(item, m, rules);
    int64_t rows = tensor_rows(t);
    item->bytes = tensor_row_bytes(item->type, t->ne[0]) * (size_t)rows;
    bool changed = item->type != t->type, quantised = changed && tensor_type_info(item->type)->block > 1;
    if (quantised && plan->imatrix && !find_importance(plan->imatrix, item, err))
        return false;
    plan->n_without_importance += quantised && plan->imatrix && !item->importance;
    plan->n_requantised += changed && tensor_type_info(t->type)->block > 1;
    plan->n_fallback += item->fallback;
    plan->parameters += t->ne[0] * rows;
    plan->bytes_before += (int64_t)t->bytes;
    if (__builtin_add_overflow(plan->bytes_after, (int64_t)item->bytes, &plan->bytes_after))
        return err_set(err, ERR_LIMIT, "the result would be larger than any file");
    return true;
}

static bool refuse_part(const struct gguf *from, struct err *err)
{
    uint32_t parts = 1;
    if (gguf_has(from, "split.count") && !gguf_get_u32(from, "split.count", &parts, err))
        return false;
    return parts <= 1 || err_set(err, ERR_UNSUPPORTED, "%s is one of %" PRIu32 " parts of a model; join them first",
                                 gguf_path(from), parts);
}

bool quantize_plan_make(const struct gguf *from, const struct quantize_options *options, struct quantize_plan *ret,
                        struct err *err)
{
    struct quantize_plan plan = {.from = from, .mix = options->mix, .imatrix = options->imatrix,
                                 .n_items = gguf_tensor_count(from)};
    struct mixture mixture;
    struct rules rules = {0};
    bool ok = false;
    struct turn *turns = calloc((size_t)plan.n_items + 1, sizeof *turns);
    plan.items = calloc((size_t)plan.n_items + 1, sizeof *plan.items);
    if (!turns || !plan.items) {
        err_nomem(err, "the plan of a quantisation");
        goto out;
    }
    if (!refuse_part(from, err) || !mixture_open(from, options, &mixture, err) || !rules_open(&rules, options, err))
        goto out;
    for (int64_t i = 0; i < plan.n_items; i++) {
        plan.items[i].from = gguf_tensor_at(from, i);
        turns[i] = (struct turn){.layer = mixture_layer(plan.items[i].from->name), .index = i};
    }
    qsort(turns, (size_t)plan.n_items, sizeof *turns, turn_order);
    for (int64_t i = 0; i < plan.n_items; i++)
        if (!plan_item(&plan, &plan.items[turns[i].index], &mixture, &rules, err))
            goto out;
    ok = true;
out:
    rules_close(&rules);
    free(turns);
    if (!ok) {
        free(plan.items);
        return false;
    }
    *ret = plan;
    return true;
}

void quantize_plan_free(struct quantize_plan *plan)
{
    free(plan->items);
    *plan = (struct quantize_plan){0};
}
