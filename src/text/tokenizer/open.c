/* A vocabulary opened: what a model file says is checked once and made into tables. Reading it from the file is the
 * business of the floors above; using it, of encode.c. */
#include <stdlib.h>

#include "text/tokenizer/internal.h"

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

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The byte of a name like <0x0A>, or -1. */
static int named_byte(struct str name)
{
    if (name.n != 6 || memcmp(name.p, "<0x", 3) != 0 || name.p[5] != '>')
        return -1;
    int high = hex_digit(name.p[3]), low = hex_digit(name.p[4]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* The bytes that token id stands for, written at `bytes`. Control and user-defined tokens stand as they are named. */
static bool piece_read(struct tokenizer *t, int32_t id, struct str name, char *bytes, struct err *err)
{
    size_t n = name.n;
    if (t->types[id] != TOKEN_NORMAL && t->types[id] != TOKEN_BYTE) {
        memcpy(bytes, name.p, n);
    } else if (t->kind == VOCAB_BYTE_BPE) {
        n = bpe_decode_name(name, bytes);
    } else if (t->types[id] == TOKEN_NORMAL) {
        n = spaces_decode_name(name, bytes);
    } else {
        int byte = named_byte(name);
        if (byte < 0) {
            struct str shown = utf8_clip(name, 64);
            return err_set(err, ERR_CORRUPT,
                           "token %d of the tokenizer, '" STR_FMT "', names no byte; <0x00> to <0xFF> do", id,
                           STR_ARG(shown));
        }
        *bytes = (char)byte;
        n = 1;
    }
    t->pieces[id] = (struct str){bytes, n};
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
        if (!piece_read(t, id, spec->tokens[id], next, err))
            return false;
        next += t->pieces[id].n;
    }
    return true;
}

/* Where pieces collide, ordinary tokens win over user-defined ones and these over the rest. Byte tokens of vocabularies
 * that merge characters are reached by byte alone. There, a user-defined token with a real space in its name comes
 * last: a text's own spaces are found by that name before anything merges. */
static int index_pass(const struct tokenizer *t, int32_t id)
{
    if (t->kind != VOCAB_BYTE_BPE) {
        if (t->types[id] == TOKEN_BYTE)
            return -1;
        if (t->types[id] == TOKEN_USER_DEFINED && memchr(t->pieces[id].p, ' ', t->pieces[id].n))
            return 0;
    }
    return t->types[id] == TOKEN_USER_DEFINED ? 1 : tokenizer_is_plain(t, id) ? 2 : 0;
}

static bool index_open(struct tokenizer *t, struct err *err)
{
    if (!strmap_reserve(&t->by_piece, (uint32_t)t->n_tokens, err))
        return false;
    for (int pass = 0; pass <= 2; pass++)
        for (int32_t id = 0; id < t->n_tokens; id++)
            if (index_pass(t, id) == pass && !strmap_put(&t->by_piece, t->pieces[id], id, err))
                return false;
    for (int32_t id = 0; id < t->n_tokens; id++) {
        size_t n = t->pieces[id].n;
        if (tokenizer_is_plain(t, id) && n > t->max_piece && n <= TOKENIZER_MAX_PIECE_BYTES)
            t->max_piece = n;
    }
    return true;
}

/* What single bytes and characters become. Where characters merge, a byte without a token shows as the unknown token;
 * byte-level BPE must have them all, as its unknown token may be one that ends answers. */
static bool bytes_open(struct tokenizer *t, struct err *err)
{
    for (int i = 0; i < 256; i++) {
        char c = (char)i;
        int32_t id;
        bool found = tokenizer_find_plain(t, (struct str){&c, 1}, &id);
        t->byte_ids[i] = t->kind != VOCAB_BYTE_BPE ? t->unknown : found ? id : -1;
        if (i < 128)
            t->char_ids[i] = found ? id : -1;
    }
    for (int32_t id = 0; t->kind != VOCAB_BYTE_BPE && id < t->n_tokens; id++)
        if (t->types[id] == TOKEN_BYTE)
            t->byte_ids[(unsigned char)t->pieces[id].p[0]] = id;
    for (int i = 0; i < 256; i++)
        if (t->byte_ids[i] < 0)
            return err_set(err, ERR_UNSUPPORTED,
                           "the tokenizer has no token for the byte 0x%02X, so it cannot hold every text", i);
    return true;
}

/* How words become tokens. */
static bool merging_open(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *err)
{
    if (t->kind == VOCAB_BYTE_BPE)
        return merges_open(t, spec, err);
    spaces_open_joined(t);
    if (t->kind == VOCAB_SPACE_BPE)
        return merges_open(t, spec, err);
    if (t->kind == VOCAB_WORDPIECE)
        return true;
    return spec->scores ? spaces_open_scores(t, spec->scores, err)
                        : err_set(err, ERR_CORRUPT, "the tokenizer has no scores, by which its tokens merge");
}

/* What begins a turn is a control token, as what ends one is, also where the file calls it user-defined (some of Gemma
 * 3): that would let a user's text begin a turn. */
static void own_begins(struct tokenizer *t)
{
    static const char *const names[] = {"<start_of_turn>", "<|im_start|>", "<|start_header_id|>", "<|turn>",
                                        "<|start|>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int32_t id = tokenizer_find(t, str_of(names[i]));
        if (id >= 0 && t->types[id] == TOKEN_USER_DEFINED)
            t->types[id] = TOKEN_CONTROL;
    }
}

/* Whether a token of this name ends an answer. It does where it is a control token, or named in text at least. */
static bool is_end_name(const struct tokenizer *t, const char *name, int32_t *ret_id)
{
    *ret_id = tokenizer_find(t, str_of(name));
    return *ret_id >= 0 && (t->types[*ret_id] == TOKEN_CONTROL || t->types[*ret_id] == TOKEN_USER_DEFINED);
}

/* Ends are the ids the file names, and the known families' names: some files name but one. */
static bool ends_open(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *err)
{
    static const char *const names[] = {
        "<|im_end|>",    "<|eot_id|>",      "<|eom_id|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>",
        "<end_of_turn>", "<|end_of_turn|>", "<turn|>",    "<|eot|>", "<|eom|>",       "<|return|>",
        "<|call|>",      "</s>",            "<eos>",      "<EOT>",   "[EOT]",         "[EOS]",
        "<end_of_utterance>", "<|tool_response>", "<｜end▁of▁sentence｜>",
    };
    const int32_t ids[] = {spec->eos, spec->eot, spec->eom};
    int32_t id, end;
    own_begins(t);
    t->ends = per_token(t, sizeof *t->ends);
    if (!t->ends)
        return err_nomem(err, "the tokenizer's vocabulary");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_end_name(t, names[i], &id)) {
            t->ends[id] = true;
            t->types[id] = TOKEN_CONTROL;
        }
    /* Where a message may end before the answer does (gpt-oss), its end is no end. */
    if (is_end_name(t, "<|return|>", &id) && is_end_name(t, "<|call|>", &id) && is_end_name(t, "<|end|>", &end))
        t->ends[end] = false;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i] >= 0)
            t->ends[ids[i]] = true;
    return true;
}

/* Phi-3's named tokens, all but three, take the white space after them along; no file says so. */
static bool trims_open(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *err)
{
    static const char *const others[] = {"<unk>", "<s>", "<|endoftext|>"};
    t->trims = per_token(t, sizeof *t->trims);
    if (!t->trims)
        return err_nomem(err, "the tokenizer's vocabulary");
    for (int32_t id = 0; spec->names_trim && id < t->n_tokens; id++) {
        t->trims[id] = t->types[id] == TOKEN_CONTROL || t->types[id] == TOKEN_USER_DEFINED;
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            if (str_is(t->pieces[id], others[i]))
                t->trims[id] = false;
    }
    return true;
}

static bool kind_named(struct str model, enum vocab_kind *ret, struct err *err)
{
    static const struct {
        const char *model;
        enum vocab_kind kind;
    } kinds[] = {
        {"gpt2", VOCAB_BYTE_BPE},
        {"gemma4", VOCAB_SPACE_BPE},
        {"llama", VOCAB_SENTENCEPIECE},
        {"bert", VOCAB_WORDPIECE},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (str_is(model, kinds[i].model)) {
            *ret = kinds[i].kind;
            return true;
        }
    }
    struct str shown = utf8_clip(model, 64);
    return err_set(err, ERR_UNSUPPORTED,
                   "the tokenizer model '" STR_FMT "' is not supported; Rung reads 'gpt2' (byte-level BPE), 'llama' "
                   "(SentencePiece), 'bert' (WordPiece) and 'gemma4'", STR_ARG(shown));
}

struct tokenizer_spec tokenizer_spec_of(struct str model, struct str pre)
{
    struct tokenizer_spec spec = {
        .model = model, .pre = pre, .bos = -1, .eos = -1, .eot = -1, .eom = -1, .unknown = -1,
    };
    const struct pretokenizer *family;
    if (str_is(model, "gpt2"))
        spec.add_bos = pretokenizer_named(pre, &family, NULL) && family->adds_bos;
    else
        spec.add_bos = str_is(model, "llama") || str_is(model, "bert") || str_is(model, "gemma4");
    spec.add_eos = str_is(model, "bert");
    spec.space_prefix = str_is(model, "llama");
    spec.lowercase = spec.strip_accents = str_is(model, "bert");
    return spec;
}

static bool spec_check(const struct tokenizer_spec *spec, struct err *err)
{
    if (spec->n_tokens < 1 || spec->n_tokens > TOKENIZER_MAX_VOCAB)
        return err_set(err, ERR_LIMIT, "the tokenizer has %d tokens; 1 to %d are read", spec->n_tokens,
                       TOKENIZER_MAX_VOCAB);
    const struct {
        const char *name;
        int32_t id;
    } named[] = {
        {"bos", spec->bos}, {"eos", spec->eos}, {"eot", spec->eot}, {"eom", spec->eom}, {"unknown", spec->unknown},
    };
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i].id < -1 || named[i].id >= spec->n_tokens)
            return err_set(err, ERR_CORRUPT, "the tokenizer's %s token is %d, outside its %d tokens", named[i].name,
                           named[i].id,
                           spec->n_tokens);
    return true;
}

static bool tables_open(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *err)
{
    return types_open(t, spec, err) && pieces_open(t, spec, err) && index_open(t, err) && bytes_open(t, err) &&
           merging_open(t, spec, err) && ends_open(t, spec, err) && trims_open(t, spec, err) &&
           specials_open(t, 1u << TOKEN_USER_DEFINED, &t->always, err) &&
           specials_open(t, 1u << TOKEN_CONTROL, &t->control, err) &&
           specials_open(t, 1u << TOKEN_USER_DEFINED | 1u << TOKEN_CONTROL, &t->trusted, err);
}

bool tokenizer_open(const struct tokenizer_spec *spec, struct tokenizer **ret, struct err *err)
{
    enum vocab_kind kind = VOCAB_BYTE_BPE;
    const struct pretokenizer *pre = NULL;
    if (!spec_check(spec, err) || !kind_named(spec->model, &kind, err) ||
        (kind == VOCAB_BYTE_BPE && !pretokenizer_named(spec->pre, &pre, err)))
        return false;
    struct tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return err_nomem(err, "the tokenizer");
    t->kind = kind;
    t->pre = pre;
    t->n_tokens = spec->n_tokens;
    t->bos = spec->bos;
    t->eos = spec->eos;
    t->unknown = spec->unknown;
    t->add_bos = spec->add_bos && spec->bos >= 0;
    t->add_eos = spec->add_eos && spec->eos >= 0;
    t->space_prefix = spec->space_prefix && kind == VOCAB_SENTENCEPIECE;
    t->lowercase = spec->lowercase;
    t->strip_accents = spec->strip_accents;
    if (tables_open(t, spec, err)) {
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
    merges_free(&t->merges);
    free(t->ends);
    free(t->trims);
    free(t->types);
    free(t->pieces);
    free(t->piece_bytes);
    free(t);
}

