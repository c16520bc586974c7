/* Where an answer stands between reasoning and rule, and what may come there. What a rule admits is grammar/'s
 * business, what of a text is reasoning the splitter's (runtime/reasoning.h), what must come forced.c's. */
#include "runtime/constrain/binding.h"

#include <stdlib.h>

#define MARKER_MAX_BYTES 256

/* ---- life ---- */

/* The marker as the model writes it. One that takes too many tokens is never looked for: then all is answer. */
static bool encode_opener(struct binding *b, struct str marker, struct err *err)
{
    struct token_ids ids = {0};
    bool ok = tokenizer_encode(b->words->tokenizer, marker, TOKENIZE_SPECIAL, &ids, err);
    if (ok && ids.n <= BINDING_MAX_OPENER) {
        b->n_opener = (int)ids.n;
        if (ids.n > 0)
            memcpy(b->opener, ids.p, (size_t)ids.n * sizeof *ids.p);
    }
    token_ids_free(&ids);
    return ok;
}

bool binding_open(struct binding *b, const struct binding_spec *spec, const struct answer_state *answer,
                  struct err *err)
{
    enum answer_phase phase = answer_phase(answer);
    *b = (struct binding){.constraint = spec->constraint, .words = spec->words, .reasoning = spec->reasoning,
                          .space = spec->space, .state = BINDING_HELD};
    b->headers = spec->headers && b->reasoning && reasoning_in_channels(b->reasoning);
    b->forced = BUF_INIT(FORCED_MAX_BYTES);
    b->behind = BUF_INIT(64u << 10);
    if (!matcher_open(b->constraint, &b->matcher, err))
        return false;
    if (phase == PHASE_REASONING)
        b->state = BINDING_REASONING;
    if (phase != PHASE_POSSIBLE)
        return true;
    b->state = BINDING_POSSIBLE;
    b->answers = b->headers || !reasoning_in_channels(b->reasoning);   /* there a header comes before any text */
    return encode_opener(b, reasoning_opener(b->reasoning, b->headers), err);
}

void binding_close(struct binding *b)
{
    matcher_close(b->matcher);
    constraint_release(b->constraint);
    buf_free(&b->forced);
    buf_free(&b->behind);
    token_ids_free(&b->encoded);
    free(b->scratch);
    *b = (struct binding){0};
}

/* ---- taking ---- */

static bool take_held(struct binding *b, int32_t id, struct err *err)
{
    b->n_held++;
    b->ended = tokenizer_is_end(b->words->tokenizer, id);
    return matcher_take(b->matcher, id, err);
}

/* The beginning of the marker may be the beginning of the answer as well. */
static bool take_possible(struct binding *b, int32_t id, bool *ret_settles, struct err *err)
{
    bool opens = b->opened < b->n_opener && b->opener[b->opened] == id;
    if (opens)
        b->opened++;
    b->answers = b->answers && matcher_admits(b->matcher, id);
    if (!opens && b->answers) {
        b->state = BINDING_HELD;
        *ret_settles = true;
    }
    return !b->answers || take_held(b, id, err);
}

bool binding_take(struct binding *b, int32_t id, bool *ret_settles, struct err *err)
{
    *ret_settles = false;
    switch (b->state) {
    case BINDING_POSSIBLE: return take_possible(b, id, ret_settles, err);
    case BINDING_REASONING: return true;
    case BINDING_LEAD:
        if (!matcher_admits(b->matcher, id)) {
            b->n_white++;
            return true;
        }
        b->state = BINDING_HELD;
        *ret_settles = true;
        return take_held(b, id, err);
    case BINDING_HELD: return take_held(b, id, err);
    }
    return true;
}

/* The rule begins anew: what was taken of it was reasoning. */
static bool restart(struct binding *b, struct err *err)
{
    if (b->n_held == 0)
        return true;
    b->n_held = 0;
    matcher_close(b->matcher);
    b->matcher = NULL;
    return matcher_open(b->constraint, &b->matcher, err);
}

bool binding_follow(struct binding *b, enum answer_phase phase, struct err *err)
{
    if (b->state == BINDING_POSSIBLE && phase == PHASE_REASONING && (!b->headers || b->opened == b->n_opener)) {
        b->state = BINDING_REASONING;
        return restart(b, err);
    }
    if (b->state != BINDING_REASONING)
        return true;
    b->between = phase == PHASE_BETWEEN && !b->headers;
    if (phase == PHASE_LEAD)
        b->state = BINDING_LEAD;
    else if (phase == PHASE_ANSWER || (phase == PHASE_BETWEEN && b->headers))
        b->state = BINDING_HELD;
    return true;
}

bool binding_must_end(struct binding *b)
{
    return b->state == BINDING_HELD && !b->ended && matcher_must_end(b->matcher);
}

bool binding_whole(const struct binding *b)
{
    return b->state == BINDING_HELD && (b->ended || matcher_may_end(b->matcher));
}

/* ---- masks ---- */

static bool mask_possible(struct binding *b, uint64_t *mask, struct err *err)
{
    memset(mask, 0, b->words->n_words * sizeof *mask);
    if (b->answers && !matcher_mask(b->matcher, mask, err))
        return false;
    if (b->opened < b->n_opener)
        words_add(mask, b->opener[b->opened]);
    return true;
}

static bool mask_lead(struct binding *b, uint64_t *mask, struct err *err)
{
    if (!matcher_mask(b->matcher, mask, err))
        return false;
    for (size_t i = 0; i < b->words->n_words && b->n_white < BINDING_MAX_WHITE; i++)
        mask[i] |= b->words->white[i];
    return true;
}

/* Along the draft with a matcher of its own. */
static bool mask_held(struct binding *b, const int32_t *draft, int n, uint64_t *masks, struct err *err)
{
    struct matcher *ahead;
    if (!matcher_mask(b->matcher, masks, err))
        return false;
    if (n == 0)
        return true;
    if (!matcher_fork(b->matcher, &ahead, err))
        return false;
    bool ok = true;
    for (int i = 0; i < n && ok; i++)
        ok = matcher_take(ahead, draft[i], err) &&
             matcher_mask(ahead, masks + (size_t)(i + 1) * b->words->n_words, err);
    matcher_close(ahead);
    return ok;
}

bool binding_masks(struct binding *b, const int32_t *draft, int n, uint64_t *masks, struct err *err)
{
    switch (b->state) {
    case BINDING_POSSIBLE: return mask_possible(b, masks, err);
    case BINDING_LEAD: return mask_lead(b, masks, err);
    case BINDING_HELD: return mask_held(b, draft, n, masks, err);
    case BINDING_REASONING: break;
    }
    for (int i = 0; i <= n; i++)
        memcpy(masks + (size_t)i * b->words->n_words, b->words->no_ends, b->words->n_words * sizeof *masks);
    return true;
}

/* ---- drafts ---- */

/* Up to a token that may end the reasoning: what is admitted behind it is not known before it was taken. */
static int admits_reasoning(const struct binding *b, const int32_t *draft, int n)
{
    const struct tokenizer *t = b->words->tokenizer;
    int i = 0;
    while (i < n && tokenizer_type(t, draft[i]) != TOKEN_CONTROL && !tokenizer_is_end(t, draft[i]) &&
           !reasoning_may_end_in(b->reasoning, tokenizer_piece(t, draft[i])))
        i++;
    return i;
}

static int admits_held(const struct binding *b, const int32_t *draft, int n)
{
    struct matcher *ahead;
    int i = 0;
    if (n == 0 || !matcher_admits(b->matcher, draft[0]) || !matcher_fork(b->matcher, &ahead, NULL))
        return 0;
    while (i < n && !tokenizer_is_end(b->words->tokenizer, draft[i]) && matcher_take(ahead, draft[i], NULL))
        i++;
    matcher_close(ahead);
    return i;
}

int binding_admits(const struct binding *b, const int32_t *draft, int n)
{
    return b->state == BINDING_REASONING ? admits_reasoning(b, draft, n)
           : b->state == BINDING_HELD    ? admits_held(b, draft, n)
                                         : 0;
}
