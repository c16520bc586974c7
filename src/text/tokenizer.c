/* A vocabulary opened: pieces, kinds and tables checked once, then text to tokens. Words come from pretokenize.c; a
 * word that is one token is found here by its bytes, every other is merged by tokenizer_bpe.c; tokens with names by
 * tokenizer_special.c. Reading the vocabulary from a model file is the business of the floors above. */
#include <stdlib.h>

#include "text/tokenizer_internal.h"

/* Bounds the memory that merging takes; ordinary text has words of a few bytes. */
#define TOKENIZER_MAX_WORD_BYTES (32u << 20)

/* ---- a growing list of ids ---- */

void token_ids_free(struct token_ids *ids)
{
    free(ids->p);
    *ids = (struct token_ids){0};
}

bool token_ids_add(struct token_ids *ids, int32_t id, struct err *err)
{
    if (ids->n == ids->cap) {
        int64_t cap = ids->cap ? ids->cap * 2 : 64;
        int32_t *p = realloc(ids->p, (size_t)cap * sizeof *p);
        if (!p)
            return err_nomem(err, "a list of tokens");
        ids->p = p;
        ids->cap = cap;
    }
    ids->p[ids->n++] = id;
    return true;
}

/* ---- opening ---- */

static void *per_token(const struct tokenizer *t, size_t bytes)
{
    return calloc((uint32_t)t->n_tokens, bytes);
}

static bool types_open(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *err)
{
    t->types = per_token(t, sizeof *t->types);
    if (!t->types)
        return err_nomem(err, "the tokenizer's token types");
    for (int32_t id = 0; id < t->n_tokens; id++) {
        /* Some writers leave a type of 0, undefined. */
        int32_t type = spec->types && spec->types[id] != 0 ? spec->types[id] : TOKEN_NORMAL;
        if (type < TOKEN_NORMAL || type > TOKEN_BYTE)
            return err_set(err, ERR_CORRUPT, "token %d of the tokenizer has the type %d; types are 1 to 6", id, type);
        t->types[id] = (uint8_t)type;
    }
    return true;
}

static bool pieces_open(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *err)
{
    size_t total = 1;
    for (int32_t id = 0; id < t->n_tokens; id++) {
        if (spec->tokens[id].n > TOKENIZER_MAX_TOKEN_BYTES)
            return err_set(err, ERR_LIMIT, "token %d of the tokenizer is %zu bytes long; at most %d are read", id,
                           spec->tokens[id].n,
                           TOKENIZER_MAX_TOKEN_BYTES);
        total += spec->tokens[id].n;
    }
    t->pieces = per_token(t, sizeof *t->pieces);
    t->piece_bytes = malloc(total);
    if (!t->pieces || !t->piece_bytes)
        return err_nomem(err, "the tokenizer's vocabulary");
    char *next = t->piece_bytes;
    for (int32_t id = 0; id < t->n_tokens; id++) {
        struct str name = spec->tokens[id];
        /* Names of control and user-defined tokens stand as they are; the others spell each byte by a character. */
        if (t->types[id] == TOKEN_NORMAL || t->types[id] == TOKEN_BYTE) {
            t->pieces[id] = (struct str){next, bpe_decode_name(name, next)};
        } else {
            memcpy(next, name.p, name.n);
            t->pieces[id] = (struct str){next, name.n};
        }
        next += t->pieces[id].n;
    }
    return true;
}

static bool index_open(struct tokenizer *t, struct err *err)
{
    if (!strmap_reserve(&t->by_piece, (uint32_t)t->n_tokens, err))
        return false;
    for (int plain = 0; plain <= 1; plain++)
        for (int32_t id = 0; id < t->n_tokens; id++)
            if (tokenizer_is_plain(t, id) == plain && !strmap_put(&t->by_piece, t->pieces[id], id, err))
                return false;
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        int32_t *id = &t->byte_ids[byte];
        if (!strmap_get(&t->by_piece, (struct str){&c, 1}, id) || !tokenizer_is_plain(t, *id))
            return err_set(err, ERR_UNSUPPORTED,
                           "the tokenizer has no token for the byte 0x%02X, so it cannot hold every text", byte);
    }
    return true;
}

/* Mark the tokens that a word with just their bytes becomes. llama-bpe takes such a token whatever the merges say. */
static bool whole_open(struct tokenizer *t, struct err *err)
{
    struct bpe_scratch scratch = {0};
    struct token_ids ids = {0};
    bool ok = true;
    t->whole = per_token(t, sizeof *t->whole);
    if (!t->whole)
        return err_nomem(err, "the tokenizer's vocabulary");
    for (int32_t id = 0; ok && id < t->n_tokens; id++) {
        if (!tokenizer_is_plain(t, id))
            continue;
        if (t->pre == PRETOKENIZE_LLAMA_BPE) {
            t->whole[id] = true;
            continue;
        }
        ids.n = 0;
        ok = bpe_encode_word(t, &scratch, t->pieces[id], &ids, err);
        t->whole[id] = ok && ids.n == 1 && ids.p[0] == id;
    }
    bpe_scratch_free(&scratch);
    token_ids_free(&ids);
    return ok;
}

/* Ends are the ids the file names, and control tokens of the known families' names: some files name but one. */
static bool ends_open(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *err)
{
    static const char *const names[] = {
        "<|im_end|>",    "<|eot_id|>",      "<|eom_id|>",    "<|end|>",         "<|endoftext|>",
        "<|end_of_text|>", "<end_of_turn>", "<|end_of_turn|>", "<|eot|>",       "<|eom|>",
        "<|return|>",    "</s>",            "<eos>",         "<EOT>",
    };
    t->ends = per_token(t, sizeof *t->ends);
    if (!t->ends)
        return err_nomem(err, "the tokenizer's vocabulary");
    if (spec->eos >= 0)
        t->ends[spec->eos] = true;
    if (spec->eot >= 0)
        t->ends[spec->eot] = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int32_t id = tokenizer_find(t, str_of(names[i]));
        if (id >= 0 && t->types[id] == TOKEN_CONTROL)
            t->ends[id] = true;
    }
    return true;
}

static bool spec_check(const struct tokenizer_spec *spec, struct err *err)
{
    if (!str_is(spec->model, "gpt2")) {
        struct str shown = utf8_clip(spec->model, 64);
        return err_set(err, ERR_UNSUPPORTED,
                       "the tokenizer model '" STR_FMT "' is not supported; Rung reads 'gpt2' (byte-level BPE)",
                       STR_ARG(shown));
    }
    if (spec->n_tokens < 1 || spec->n_tokens > TOKENIZER_MAX_VOCAB)
        return err_set(err, ERR_LIMIT, "the tokenizer has %d tokens; 1 to %d are read", spec->n_tokens,
                       TOKENIZER_MAX_VOCAB);
    const struct {
        const char *name;
        int32_t id;
    } named[] = {{"bos", spec->bos}, {"eos", spec->eos}, {"eot", spec->eot}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i].id < -1 || named[i].id >= spec->n_tokens)
            return err_set(err, ERR_CORRUPT, "the tokenizer's %s token is %d, outside its %d tokens", named[i].name,
                           named[i].id,
                           spec->n_tokens);
    return true;
}

bool tokenizer_open(const struct tokenizer_spec *spec, struct tokenizer **ret, struct err *err)
{
    enum pretokenizer pre;
    if (!spec_check(spec, err) || !pretokenizer_named(spec->pre, &pre, err))
        return false;
    struct tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return err_nomem(err, "the tokenizer");
    t->pre = pre;
    t->n_tokens = spec->n_tokens;
    t->bos = spec->bos;
    t->eos = spec->eos;
    t->add_bos = spec->add_bos && spec->bos >= 0;
    if (types_open(t, spec, err) && pieces_open(t, spec, err) && index_open(t, err) && merges_open(t, spec, err) &&
        whole_open(t, err) && ends_open(t, spec, err) && specials_open(t, 1u << TOKEN_USER_DEFINED, &t->always, err) &&
        specials_open(t, 1u << TOKEN_CONTROL, &t->control, err) &&
        specials_open(t, 1u << TOKEN_USER_DEFINED | 1u << TOKEN_CONTROL, &t->trusted, err)) {
        *ret = t;
        return true;
    }
    tokenizer_close(t);
    return false;
}

void tokenizer_close(struct tokenizer *t)
{
    if (!t)
        return;
    strmap_free(&t->by_piece);
    free(t->always.ids);
    free(t->control.ids);
    free(t->trusted.ids);
    free(t->merges.slots);
    free(t->merges.merged);
    free(t->whole);
    free(t->ends);
    free(t->types);
    free(t->pieces);
    free(t->piece_bytes);
    free(t);
}

/* ---- text to tokens ---- */

static bool encode_word(const struct tokenizer *t, struct str word, struct bpe_scratch *scratch,
                        struct token_ids *ids, struct err *err)
{
    int32_t id;
    if (word.n == 1)
        return token_ids_add(ids, t->byte_ids[(unsigned char)word.p[0]], err);
    if (word.n > TOKENIZER_MAX_WORD_BYTES)
        return err_set(err, ERR_LIMIT, "the text holds a word of %zu bytes; at most %u can be tokenised", word.n,
                       TOKENIZER_MAX_WORD_BYTES);
    if (strmap_get(&t->by_piece, word, &id) && t->whole[id])
        return token_ids_add(ids, id, err);
    return bpe_encode_word(t, scratch, word, ids, err);
}

/* Text that holds no named token. */
static bool encode_run(const struct tokenizer *t, struct str run, struct bpe_scratch *scratch, struct token_ids *ids,
                       struct err *err)
{
    for (size_t at = 0, end; at < run.n; at = end) {
        end = pretokenize_word(t->pre, run, at);
        if (!encode_word(t, (struct str){run.p + at, end - at}, scratch, ids, err))
            return false;
    }
    return true;
}

bool tokenizer_encode(const struct tokenizer *t, struct str text, int flags, struct token_ids *ids, struct err *err)
{
    if (text.n > TOKENIZER_MAX_TEXT_BYTES)
        return err_set(err, ERR_LIMIT, "the text has %zu bytes; at most %u can be tokenised", text.n,
                       TOKENIZER_MAX_TEXT_BYTES);
    const struct specials *named = flags & TOKENIZE_SPECIAL ? &t->trusted : &t->always;
    struct bpe_scratch scratch = {0};
    int64_t n_before = ids->n;
    bool ok = true;
    for (size_t from = 0; ok && from < text.n;) {
        size_t at = from;
        int32_t id = specials_next(t, named, text, &at);
        struct str run = {text.p + from, at - from};
        ok = encode_run(t, run, &scratch, ids, err) && (id < 0 || token_ids_add(ids, id, err));
        from = id < 0 ? text.n : at + t->pieces[id].n;
    }
    bpe_scratch_free(&scratch);
    if (!ok)
        ids->n = n_before;
    return ok;
}

/* ---- what is known of a token ---- */

static bool is_token(const struct tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->n_tokens;
}

int32_t tokenizer_count(const struct tokenizer *t)
{
    return t->n_tokens;
}

enum token_type tokenizer_type(const struct tokenizer *t, int32_t id)
{
    return is_token(t, id) ? (enum token_type)t->types[id] : TOKEN_UNKNOWN;
}

struct str tokenizer_piece(const struct tokenizer *t, int32_t id)
{
    return is_token(t, id) ? t->pieces[id] : STR("");
}

int32_t tokenizer_find(const struct tokenizer *t, struct str text)
{
    int32_t id;
    return strmap_get(&t->by_piece, text, &id) ? id : -1;
}

bool tokenizer_is_end(const struct tokenizer *t, int32_t id)
{
    return is_token(t, id) && t->ends[id];
}

int32_t tokenizer_bos(const struct tokenizer *t)
{
    return t->bos;
}

int32_t tokenizer_eos(const struct tokenizer *t)
{
    return t->eos;
}

bool tokenizer_adds_bos(const struct tokenizer *t)
{
    return t->add_bos;
}
