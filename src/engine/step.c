/* engine_step: checks what is asked, makes room in every session, lays all items' tokens into one batch, runs the
 * architecture's lists over it, and reduces logits to what was wanted, a few rows at a time, so that tokens x
 * vocabulary never exists. Sessions move on only at the end. */
#include <math.h>
#include <string.h>

#include "engine/internal.h"

/* ---- is the step sound ---- */

static bool bad_id(const struct engine *e, int item, const char *what, int32_t id, struct err *err)
{
    return err_set(err, ERR_INVALID, "item %d: %s %d is not in the vocabulary of %lld tokens", item, what, id,
                   (long long)e->model.h.n_vocab);
}

static bool check_want(const struct engine *e, int i, const struct want *w, struct err *err)
{
    if (w->kind == WANT_SAMPLE)
        return sampler_check(w->sample.sampler, e->model.h.n_vocab, err) || err_prefix(err, "item %d: ", i);
    const int32_t *ids = w->kind == WANT_RECORD ? &w->record.id : w->logprobs.ids;
    int n = w->kind == WANT_RECORD ? 1 : w->kind == WANT_LOGPROBS ? w->logprobs.n : 0;
    for (int j = 0; j < n; j++)
        if (ids[j] < 0 || ids[j] >= e->model.h.n_vocab)
            return bad_id(e, i, "wanted token", ids[j], err);
    return true;
}

static bool check_item(const struct engine *e, int i, const struct step_item *item, struct err *err)
{
    const struct session *s = item->session;
    if (s->engine != e)
        return err_set(err, ERR_INVALID, "item %d: the session belongs to another engine", i);
    if (item->n < 1)
        return err_set(err, ERR_INVALID, "item %d has no tokens", i);
    if (item->n > s->context - s->length)
        return err_set(err, ERR_LIMIT, "the context of %lld tokens is full: %lld are used and %d more were asked for",
                       (long long)s->context, (long long)s->length, item->n);
    for (int t = 0; t < item->n; t++)
        if (item->tokens[t] < 0 || item->tokens[t] >= e->model.h.n_vocab)
            return bad_id(e, i, "token", item->tokens[t], err);
    for (int j = 0; j < item->n_wants; j++) {
        int least = j > 0 ? item->wants[j - 1].at : 0;
        if (item->wants[j].at < least || item->wants[j].at >= item->n)
            return err_set(err, ERR_INVALID, "item %d: want %d stands at token %d, not between %d and %d", i, j,
                           item->wants[j].at, least, item->n - 1);
        if (!check_want(e, i, &item->wants[j], err))
            return false;
    }
    return true;
}

static bool check_step(const struct engine *e, const struct step_item *items, int n_items, int *ret_tokens,
                       struct err *err)
{
    int tokens = 0;
    if (n_items < 0 || n_items > ENGINE_MAX_STEP_ITEMS)
        return err_set(err, ERR_LIMIT, "%d items in a step are more than %d", n_items, ENGINE_MAX_STEP_ITEMS);
    for (int i = 0; i < n_items; i++) {
        if (!check_item(e, i, &items[i], err))
            return false;
        if (items[i].n > ENGINE_MAX_STEP_TOKENS - tokens)
            return err_set(err, ERR_LIMIT, "a step takes %d tokens at most; cut longer prompts",
                           ENGINE_MAX_STEP_TOKENS);
        tokens += items[i].n;
    }
    *ret_tokens = tokens;
    return true;
}

/* ---- memory ---- */

static size_t rows_of_slot(const struct engine *e, enum slot slot, size_t tokens, bool logits)
{
    if (!arch_uses_slot(e->model.arch, slot))
        return 0;
    if (slot == SLOT_LOGITS)
        return logits ? OUT_CHUNK : 0;
    return arch_slot_per_expert(slot) ? tokens * (size_t)e->model.h.n_expert_used : tokens;
}

static size_t act_bytes(enum act_format f, int64_t k)
{
    return k > 0 ? act_row_bytes(f, k) : 0;
}

/* Prepared rows, in the formats that are read. */
static bool take_acts(struct step_memory *m, char *acts[ACT_FORMATS], const int64_t k[ACT_FORMATS], size_t rows)
{
    bool ok = true;
    for (enum act_format f = ACT_F32; f < ACT_FORMATS; f++) {
        acts[f] = k[f] > 0 ? arena_alloc_aligned(&m->arena, rows * act_bytes(f, k[f]), 64) : NULL;
        ok = ok && (acts[f] || k[f] == 0);
    }
    return ok;
}

static bool take_experts(const struct engine *e, struct step_memory *m, size_t tokens)
{
    size_t rows = tokens * (size_t)e->model.h.n_expert_used;
    if (rows == 0)
        return true;
    bool ok = take_acts(m, m->batch.expert_act, e->model.expert_act_k, rows);
    m->batch.routes = &m->routes;
    m->routes.expert_of = arena_array(&m->arena, rows, sizeof(int32_t));
    m->routes.row_of = arena_array(&m->arena, rows, sizeof(int32_t));
    m->routes.token_of = arena_array(&m->arena, rows, sizeof(int32_t));
    return ok && m->routes.expert_of && m->routes.row_of && m->routes.token_of;
}

static bool memory_take(const struct engine *e, struct step_memory *m, int tokens, bool logits)
{
    const struct hparams *h = &e->model.h;
    size_t n = (size_t)tokens;
    bool ok = true;
    for (enum slot slot = SLOT_X; slot < SLOTS; slot++) {
        size_t rows = rows_of_slot(e, slot, n, logits), width = (size_t)arch_width(h, arch_slot_width(slot));
        m->batch.slots[slot] = rows ? arena_alloc_aligned(&m->arena, rows * width * sizeof(float), 64) : NULL;
        ok = ok && (m->batch.slots[slot] || rows == 0);
    }
    ok = take_acts(m, m->batch.act, e->model.act_k, n) && ok;
    m->ids = arena_array(&m->arena, n, sizeof *m->ids);
    m->item_of = arena_array(&m->arena, n, sizeof *m->item_of);
    m->rotations[0] = m->rotations[1] = arena_array(&m->arena, n * (size_t)h->n_rot, sizeof(float));
    if (e->model.rope_freq[ROPE_WINDOW])
        m->rotations[1] = arena_array(&m->arena, n * (size_t)h->n_rot, sizeof(float));
    m->rows = arena_array(&m->arena, n, sizeof *m->rows);
    m->parts = logits ? arena_array(&m->arena, OUT_CHUNK * (size_t)logits_parts(h->n_vocab), sizeof *m->parts) : NULL;
    ok = ok && (m->parts || !logits);
    return ok && m->ids && m->item_of && m->rotations[0] && m->rotations[1] && m->rows && take_experts(e, m, n);
}

static bool memory_reserve(struct engine *e, int tokens, bool logits, struct err *err)
{
    struct step_memory *m = &e->memory;
    if (tokens <= m->tokens && (m->logits || !logits))
        return true;
    int room = m->tokens > 0 ? m->tokens : 1;
    while (room < tokens)
        room *= 2;
    logits = logits || m->logits;
    arena_free(&m->arena);
    m->tokens = 0;
    m->logits = false;
    if (!memory_take(e, m, room, logits))
        return err_nomem(err, "a step of the engine");
    m->tokens = room;
    m->logits = logits;
    return true;
}

int64_t engine_step_bytes(const struct engine *e)
{
    const struct hparams *h = &e->model.h;
    size_t n = ENGINE_MAX_STEP_TOKENS, bytes = 0, rows = n * (size_t)h->n_expert_used;
    for (enum slot slot = SLOT_X; slot < SLOTS; slot++)
        bytes += rows_of_slot(e, slot, n, true) * (size_t)arch_width(h, arch_slot_width(slot)) * sizeof(float);
    for (enum act_format f = ACT_F32; f < ACT_FORMATS; f++)
        bytes += n * act_bytes(f, e->model.act_k[f]) + rows * act_bytes(f, e->model.expert_act_k[f]);
    return (int64_t)(bytes + (size_t)e->threads * (MATMUL_SCRATCH_BYTES + ATTENTION_SCRATCH_BYTES));
}

/* ---- the batch ---- */

static void rotation_of(const struct hparams *h, const double *freq, int64_t pos, float *cs)
{
    for (int i = 0; i < h->n_rot / 2; i++) {
        double angle = (double)pos * freq[i];
        cs[2 * i] = (float)cos(angle) * h->rope_magnitude;
        cs[2 * i + 1] = (float)sin(angle) * h->rope_magnitude;
    }
}

static void lay_rotations(const struct engine *e, const struct session *s, int64_t pos, int at)
{
    const struct model *m = &e->model;
    float *const *cs = e->memory.rotations;
    int64_t row = (int64_t)at * m->h.n_rot;
    rotation_of(&m->h, m->rope_freq[s->long_rope ? ROPE_LONG : ROPE_MAIN], pos, cs[0] + row);
    if (m->rope_freq[ROPE_WINDOW])
        rotation_of(&m->h, m->rope_freq[ROPE_WINDOW], pos, cs[1] + row);
}

/* One row for each position that wants something, in the order of the batch. */
static void lay_rows(struct step_memory *m, const struct step_item *item, int first)
{
    for (int j = 0, end; j < item->n_wants; j = end) {
        for (end = j + 1; end < item->n_wants && item->wants[end].at == item->wants[j].at;)
            end++;
        m->rows[m->n_rows++] = (struct out_row){item, first + item->wants[j].at, j, end - j};
    }
}

static void lay_batch(struct engine *e, const struct step_item *items, int n_items, int tokens)
{
    struct step_memory *m = &e->memory;
    const struct hparams *h = &e->model.h;
    int at = 0;
    m->n_rows = 0;
    m->attention_units[0] = 0;
    for (int i = 0; i < n_items; i++) {
        int64_t pos0 = items[i].session->length;
        m->items[i] = (struct batch_item){items[i].session, pos0, at, items[i].n};
        m->attention_units[i + 1] =
            m->attention_units[i] + attention_units(h->n_head, h->n_kv_head, h->head_dim, items[i].n);
        lay_rows(m, &items[i], at);
        for (int t = 0; t < items[i].n; t++, at++) {
            m->ids[at] = items[i].tokens[t];
            m->item_of[at] = i;
            lay_rotations(e, items[i].session, pos0 + t, at);
        }
    }
    m->batch.tokens = tokens;
    m->batch.ids = m->ids;
    m->batch.item_of = m->item_of;
    m->batch.rotations[0] = m->rotations[0];
    m->batch.rotations[1] = m->rotations[1];
    m->batch.items = m->items;
    m->batch.attention_units = m->attention_units;
    m->batch.n_items = n_items;
}

/* ---- wants ---- */

struct reduction {
    struct engine *e;
    const struct out_row *rows;
    const float *logits, *hidden;   /* [rows, n_vocab] or NULL when none is wanted, [rows, n_embd] */
    struct logits_part *parts;      /* [rows, logits_parts(n_vocab)] */
};

/* Parts of all rows, one behind the other. */
static void scan_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const struct reduction *r = ctx;
    int64_t n_vocab = r->e->model.h.n_vocab, parts = logits_parts(n_vocab);
    (void)thread;
    for (int64_t i = begin; i < end; i++)
        logits_scan(r->e->k, r->logits + i / parts * n_vocab, n_vocab, i % parts, &r->parts[i]);
}

static bool want_logprobs(const struct logits_row *row, const struct want *w, struct err *err)
{
    struct logits_norm norm;
    if (!logits_normalise(row, &norm, err))
        return false;
    for (int i = 0; i < w->logprobs.n; i++)
        w->logprobs.ret[i] = logits_logprob(&norm, row->x[w->logprobs.ids[i]]);
    return true;
}

static bool want_record(const struct logits_row *row, const struct want *w, struct err *err)
{
    struct logits_norm norm;
    if (!logits_normalise(row, &norm, err))
        return false;
    *w->record.ret = (struct token_record){.id = w->record.id, .admitted = 1};
    w->record.ret->logprob = logits_logprob(&norm, row->x[w->record.id]);
    record_fill(row, &norm, w->record.ret);
    return true;
}

static bool give_want(const struct reduction *r, int64_t row, const struct want *w, int thread, struct err *err)
{
    const struct hparams *h = &r->e->model.h;
    struct logits_row logits = {.n = h->n_vocab};
    if (r->logits) {
        logits.x = r->logits + row * h->n_vocab;
        logits.parts = r->parts + row * logits_parts(h->n_vocab);
    }
    switch (w->kind) {
    case WANT_SAMPLE:
        return sample_token(r->e->k, &logits, w->sample.sampler, w->sample.allowed,
                            r->rows[row].item->session->length + w->at + 1, r->e->sample_scratch[thread],
                            w->sample.ret, err);
    case WANT_LOGPROBS:
        return want_logprobs(&logits, w, err);
    case WANT_RECORD:
        return want_record(&logits, w, err);
    case WANT_HIDDEN:
        memcpy(w->ret_hidden, r->hidden + row * h->n_embd, (size_t)h->n_embd * sizeof(float));
        return true;
    case WANT_LOGITS:
        memcpy(w->ret_logits, logits.x, (size_t)h->n_vocab * sizeof(float));
        return true;
    }
    return err_set(err, ERR_INVALID, "no such want: %d", (int)w->kind);
}

static void reduce_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const struct reduction *r = ctx;
    for (int64_t row = begin; row < end; row++) {
        const struct want *wants = r->rows[row].item->wants + r->rows[row].first_want;
        struct err *fault = &r->e->memory.faults[row];
        fault->code = ERR_NONE;
        for (int i = 0; i < r->rows[row].n_wants && fault->code == ERR_NONE; i++)
            give_want(r, row, &wants[i], thread, fault);
    }
}

static bool need_logits(const struct want *wants, int n)
{
    for (int i = 0; i < n; i++)
        if (wants[i].kind != WANT_HIDDEN)
            return true;
    return false;
}

static bool rows_need_logits(const struct out_row *rows, int n)
{
    for (int i = 0; i < n; i++)
        if (need_logits(rows[i].item->wants + rows[i].first_want, rows[i].n_wants))
            return true;
    return false;
}

static bool items_need_logits(const struct step_item *items, int n_items)
{
    for (int i = 0; i < n_items; i++)
        if (need_logits(items[i].wants, items[i].n_wants))
            return true;
    return false;
}

/* The output list over rows [first, first + n) of the gathered residual stream, then their wants. */
static bool reduce_chunk(struct engine *e, int first, int n, struct err *err)
{
    struct step_memory *m = &e->memory;
    const struct stage *logits = &e->output.stages[e->logits_stage];
    struct batch chunk = m->batch;
    chunk.tokens = n;
    chunk.slots[SLOT_X] += (int64_t)first * e->model.h.n_embd;
    run_plan(e, &e->output, 0, e->logits_stage, -1, &chunk);
    struct reduction r = {e, m->rows + first, chunk.slots[SLOT_LOGITS], chunk.slots[logits->ops->a], m->parts};
    if (rows_need_logits(m->rows + first, n)) {
        run_plan(e, &e->output, e->logits_stage, e->output.n, -1, &chunk);
        pool_run(e->pool, n * logits_parts(e->model.h.n_vocab), 1, scan_piece, &r);
    }
    pool_run(e->pool, n, 1, reduce_piece, &r);
    for (int row = 0; row < n; row++) {
        if (m->faults[row].code == ERR_NONE)
            continue;
        if (err)
            *err = m->faults[row];
        return false;
    }
    return true;
}

static bool reduce(struct engine *e, struct err *err)
{
    struct step_memory *m = &e->memory;
    int64_t width = e->model.h.n_embd;
    float *x = m->batch.slots[SLOT_X];
    /* Rows ascend in the batch, so gathering them at its front overwrites only what was gathered already. */
    for (int row = 0; row < m->n_rows; row++)
        if (m->rows[row].token != row)
            memcpy(x + row * width, x + m->rows[row].token * width, (size_t)width * sizeof *x);
    for (int first = 0; first < m->n_rows; first += OUT_CHUNK) {
        int n = m->n_rows - first < OUT_CHUNK ? m->n_rows - first : OUT_CHUNK;
        if (!reduce_chunk(e, first, n, err))
            return false;
    }
    return true;
}

/* ---- the step ---- */

static bool compute(struct engine *e, struct err *err)
{
    const struct batch *b = &e->memory.batch;
    run_plan(e, &e->input, 0, e->input.n, -1, b);
    for (int layer = 0; layer < e->model.h.n_layer; layer++)
        run_plan(e, &e->block, 0, e->block.n, layer, b);
    bool ok = reduce(e, err);
    if (gguf_broken(e->model.g))
        return err_at_offset(err, ERR_CORRUPT, gguf_path(e->model.g), -1,
                             "the model file shrank while it was in use; fetch it again and restart");
    return ok;
}

/* A session twice in a step would write the same positions twice. */
static bool reserve(const struct step_item *items, int n_items, int *ret_taken, struct err *err)
{
    for (int i = 0; i < n_items; i++) {
        struct session *s = items[i].session;
        if (s->in_step)
            return err_set(err, ERR_INVALID, "item %d: its session stands in this step already", i);
        s->in_step = true;
        *ret_taken = i + 1;
        if (!session_reserve(s, items[i].n, err))
            return false;
    }
    return true;
}

bool engine_step(struct engine *e, const struct step_item *items, int n_items, struct err *err)
{
    int tokens = 0, taken = 0;
    if (!check_step(e, items, n_items, &tokens, err))
        return false;
    if (tokens == 0)
        return true;
    bool ok = memory_reserve(e, tokens, items_need_logits(items, n_items), err) && reserve(items, n_items, &taken, err);
    if (ok) {
        lay_batch(e, items, n_items, tokens);
        ok = compute(e, err);
    }
    for (int i = 0; i < taken; i++) {
        struct session *s = items[i].session;
        s->in_step = false;
        if (ok)
            s->length += items[i].n;
        session_trim(s);
    }
    return ok;
}
