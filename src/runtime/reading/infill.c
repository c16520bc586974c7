/* The tokens by which models tell a prompt from its suffix: found in the file, and put around both. */
#include "runtime/reading/infill.h"

#include "runtime/runtime_private.h"

/* Of a family whose files do not name them. */
static const struct {
    const char *prefix, *suffix, *middle;
} known[] = {
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},                   /* Qwen2.5-Coder, CodeGemma */
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},                         /* StarCoder, Granite */
    {"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},                         /* SantaCoder */
    {"\xE2\x96\x81<PRE>", "\xE2\x96\x81<SUF>", "\xE2\x96\x81<MID>"},          /* CodeLlama */
    {"<\xEF\xBD\x9C" "fim\xE2\x96\x81" "begin\xEF\xBD\x9C>", "<\xEF\xBD\x9C" "fim\xE2\x96\x81" "hole\xEF\xBD\x9C>",
     "<\xEF\xBD\x9C" "fim\xE2\x96\x81" "end\xEF\xBD\x9C>"},                   /* DeepSeek-Coder */
};

/* The id under the newer key, else under the older one. */
static bool read_id(const struct gguf *g, const char *key, const char *older, int64_t n_tokens, int32_t *ret,
                    struct err *err)
{
    uint32_t id = UINT32_MAX;
    if (!gguf_get_u32(g, older, &id, err) || !gguf_get_u32(g, key, &id, err))
        return false;
    if (id != UINT32_MAX && id >= n_tokens)
        return err_set(err, ERR_CORRUPT, "%s is %u, which is no token", key, id);
    *ret = id == UINT32_MAX ? -1 : (int32_t)id;
    return true;
}

static void find_known(const struct gguf_array *tokens, struct infill_tokens *ret)
{
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
        struct infill_tokens found = {-1, -1, -1};
        for (int64_t i = 0; i < tokens->n; i++) {
            if (str_is(tokens->strings[i], known[k].prefix))
                found.prefix = (int32_t)i;
            else if (str_is(tokens->strings[i], known[k].suffix))
                found.suffix = (int32_t)i;
            else if (str_is(tokens->strings[i], known[k].middle))
                found.middle = (int32_t)i;
        }
        if (found.prefix >= 0 && found.suffix >= 0 && found.middle >= 0) {
            *ret = found;
            return;
        }
    }
}

bool infill_find(const struct gguf *g, struct infill_tokens *ret, struct err *err)
{
    struct gguf_array tokens;
    struct infill_tokens found;
    if (!gguf_get_array(g, "tokenizer.ggml.tokens", GGUF_STRING, &tokens, err) ||
        !read_id(g, "tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id", tokens.n, &found.prefix,
                 err) ||
        !read_id(g, "tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id", tokens.n, &found.suffix,
                 err) ||
        !read_id(g, "tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id", tokens.n, &found.middle, err))
        return false;
    *ret = (struct infill_tokens){-1, -1, -1};
    if (found.prefix >= 0 && found.suffix >= 0 && found.middle >= 0)
        *ret = found;
    else
        find_known(&tokens, ret);
    return true;
}

bool infill_build(const struct local_model *m, struct str prompt, struct str suffix, struct token_ids *ids,
                  struct err *err)
{
    if (m->infill.middle < 0)
        return err_set(err, ERR_UNSUPPORTED, "the vocabulary of %s has no tokens for a suffix", m->name);
    return token_ids_add(ids, m->infill.prefix, err) &&
           tokenizer_encode(m->tokenizer, prompt, TOKENIZE_PLAIN, ids, err) &&
           token_ids_add(ids, m->infill.suffix, err) &&
           tokenizer_encode(m->tokenizer, suffix, TOKENIZE_PLAIN, ids, err) &&
           token_ids_add(ids, m->infill.middle, err);
}
