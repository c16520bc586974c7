/* Text that must come, as tokens. They are those that the tokenizer gives for it behind the answer so far, since these
 * are what the model was trained to read; but only as far as nothing that may follow would have made them others: a
 * token at the end stays open while a longer one begins like it and the rule admits that. */
#include <stdlib.h>

#include "runtime/constrain/binding.h"

#define FEW_LONGER 8   /* so many are asked for one by one; for more a mask is made */

/* Text between markers, and what stands before it in the answer. */
struct stretch {
    struct str text;
    bool closed;                     /* a marker comes behind it: nothing joins its last token */
    const int32_t *tail;             /* [n_tail] the last tokens before it */
    int64_t n_tail;
    bool first;                      /* tail begins where the answer does */
};

/* ---- tokens of a stretch ---- */

/* The tail's tokens that are whole characters from the first on, into b->behind. */
static void put_tail(struct binding *b, const struct stretch *s)
{
    const struct tokenizer *t = b->words->tokenizer;
    int64_t from = s->n_tail;
    buf_clear(&b->behind);
    while (from > 0 && tokenizer_type(t, s->tail[from - 1]) != TOKEN_CONTROL)
        from--;
    for (; from < s->n_tail; from++) {
        struct str piece = tokenizer_piece(t, s->tail[from]);
        bool inside = b->behind.n == 0 && piece.n > 0 && ((unsigned char)piece.p[0] & 0xC0) == 0x80;
        if (!inside)
            buf_str(&b->behind, piece);
    }
}

/* Where in b->encoded the tokens of the last `bytes` bytes begin; -1: one spans the place. */
static int64_t tokens_from_end(const struct binding *b, size_t bytes)
{
    int64_t i = b->encoded.n;
    while (i > 0 && bytes > 0) {
        size_t n = tokenizer_piece(b->words->tokenizer, b->encoded.p[i - 1]).n;
        if (n > bytes)
            return -1;
        bytes -= n;
        i--;
    }
    return bytes == 0 ? i : -1;
}

static bool encode(struct binding *b, struct str text, struct err *err)
{
    b->encoded.n = 0;
    return tokenizer_encode(b->words->tokenizer, text, TOKENIZE_PLAIN, &b->encoded, err);
}

/* b->encoded is the stretch's tokens from *ret_from on. Those behind the tail where a token ends there; else, and where
 * encoding adds no space, those of the text by itself; else none. */
static bool encode_stretch(struct binding *b, const struct stretch *s, int64_t *ret_from, struct err *err)
{
    bool adds = tokenizer_adds_space(b->words->tokenizer);
    bool at_start = s->first && b->space;
    put_tail(b, s);
    buf_str(&b->behind, s->text);
    if (!buf_check(&b->behind, "forced text", err))
        return false;
    struct str all = buf_view(&b->behind);
    size_t own = at_start && adds && str_starts(all, STR(" ")) ? 1 : 0;   /* encoding writes that one itself */
    if (!encode(b, (struct str){all.p + own, all.n - own}, err))
        return false;
    *ret_from = tokens_from_end(b, s->text.n);
    if (*ret_from >= 0)
        return true;
    if (!adds && !encode(b, s->text, err))
        return false;
    *ret_from = adds ? b->encoded.n : 0;
    return true;
}

/* ---- which of them are certain ---- */

/* A token is admitted that begins with the text and is longer. */
static bool may_be_longer(struct binding *b, struct str text, bool *ret, struct err *err)
{
    const int32_t *longer;
    int32_t n = words_longer(b->words, text, &longer), i = 0;
    *ret = false;
    if (n > FEW_LONGER) {
        if (!b->scratch && !(b->scratch = malloc(b->words->n_words * sizeof *b->scratch)))
            return err_nomem(err, "a mask");
        if (!matcher_mask(b->matcher, b->scratch, err))
            return false;
    }
    for (; i < n && !*ret; i++)
        *ret = n > FEW_LONGER ? words_has(b->scratch, longer[i]) : matcher_admits(b->matcher, longer[i]);
    return true;
}

static bool append(struct binding *b, int32_t id, struct token_ids *ids, struct err *err)
{
    b->n_held++;
    return token_ids_add(ids, id, err);
}

/* Tokens that are not the text's own, or that the rule wants otherwise, end it: then the model goes on by itself. */
static bool take_certain(struct binding *b, const struct stretch *s, int64_t from, int64_t most, struct token_ids *ids,
                         struct err *err)
{
    struct str left = s->text;
    for (int64_t i = from; i < b->encoded.n && i - from < most; i++) {
        struct str piece = tokenizer_piece(b->words->tokenizer, b->encoded.p[i]);
        bool open = false;
        if (piece.n == 0 || !str_starts(left, piece))
            return true;
        if (!s->closed && !may_be_longer(b, left, &open, err))
            return false;
        if (open || !matcher_take(b->matcher, b->encoded.p[i], NULL))
            return true;
        if (!append(b, b->encoded.p[i], ids, err))
            return false;
        left = (struct str){left.p + piece.n, left.n - piece.n};
    }
    return true;
}

/* ---- markers ---- */

/* The name between two marks at the beginning of the text; false: there is none, or only a part of it. */
static bool marker_name(struct str text, struct str *ret)
{
    if (text.n < 2 || text.p[0] != VOCABULARY_MARK)
        return false;
    const char *end = memchr(text.p + 1, VOCABULARY_MARK, text.n - 1);
    if (end)
        *ret = (struct str){text.p + 1, (size_t)(end - text.p - 1)};
    return end != NULL;
}

static bool force_marker(struct binding *b, struct str name, struct token_ids *ids, struct err *err)
{
    int32_t id = tokenizer_find(b->words->tokenizer, name);
    return id < 0 || !matcher_take(b->matcher, id, NULL) || append(b, id, ids, err);
}

/* ---- the call ---- */

static bool force_stretch(struct binding *b, struct token_ids *ids, int64_t most, struct err *err)
{
    struct str text = buf_view(&b->forced);
    const char *mark = memchr(text.p, VOCABULARY_MARK, text.n);
    struct stretch s = {.text = text, .closed = mark != NULL, .first = b->n_held <= BINDING_TAIL_TOKENS};
    s.n_tail = s.first ? b->n_held : BINDING_TAIL_TOKENS;
    s.tail = ids->p + ids->n - s.n_tail;
    s.text.n = mark ? (size_t)(mark - text.p) : utf8_complete(text);
    int64_t from;
    return s.text.n == 0 ||
           (encode_stretch(b, &s, &from, err) && take_certain(b, &s, from, most, ids, err));
}

/* The header of the answer's message, whole or not at all. */
static bool force_lead(struct binding *b, struct token_ids *ids, int64_t most, struct err *err)
{
    int64_t before = ids->n;
    b->between = false;
    if (!tokenizer_encode(b->words->tokenizer, reasoning_lead(b->reasoning), TOKENIZE_SPECIAL, ids, err))
        return false;
    if (ids->n - before > most)
        ids->n = before;
    return true;
}

bool binding_force(struct binding *b, struct token_ids *ids, int64_t most, struct err *err)
{
    struct str name;
    if (b->between && most > 0)
        return force_lead(b, ids, most, err);
    if (b->state != BINDING_HELD || b->ended || most <= 0)
        return true;
    buf_clear(&b->forced);
    if (!matcher_forced(b->matcher, FORCED_MAX_BYTES, &b->forced, err))
        return false;
    if (b->forced.n == 0)
        return true;
    return marker_name(buf_view(&b->forced), &name) ? force_marker(b, name, ids, err)
                                                    : force_stretch(b, ids, most, err);
}
