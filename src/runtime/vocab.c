/* Reads the tokenizer.ggml.* keys of a model file into a tokenizer. What they mean is the business of the floor
 * text. */
#include "runtime/vocab.h"

#include <stdlib.h>

static bool read_id(const struct gguf *g, const char *key, int32_t *ret, struct err *err)
{
    uint32_t id = UINT32_MAX; /* absent; some writers also say so with this number */
    if (!gguf_get_u32(g, key, &id, err))
        return false;
    if (id != UINT32_MAX && id > INT32_MAX)
        return err_set(err, ERR_CORRUPT, "%s is %u, which is no token", key, id);
    *ret = id == UINT32_MAX ? -1 : (int32_t)id;
    return true;
}

static bool read_lists(const struct gguf *g, struct tokenizer_spec *spec, int32_t **ret_types, struct err *err)
{
    struct gguf_array tokens, merges, types;
    if (!gguf_get_array(g, "tokenizer.ggml.tokens", GGUF_STRING, &tokens, err) ||
        !gguf_get_array(g, "tokenizer.ggml.merges", GGUF_STRING, &merges, err) ||
        !gguf_get_array(g, "tokenizer.ggml.token_type", GGUF_I32, &types, err))
        return false;
    if (tokens.n == 0)
        return err_set(err, ERR_CORRUPT, "the file has no vocabulary (tokenizer.ggml.tokens)");
    if (types.n != 0 && types.n != tokens.n)
        return err_set(err, ERR_CORRUPT, "tokenizer.ggml.token_type has %lld entries for %lld tokens",
                       (long long)types.n,
                       (long long)tokens.n);
    spec->tokens = tokens.strings;
    spec->n_tokens = (int32_t)tokens.n;
    spec->merges = merges.strings;
    spec->n_merges = (int32_t)merges.n;
    if (types.n == 0)
        return true;
    *ret_types = malloc((size_t)types.n * sizeof **ret_types);
    if (!*ret_types)
        return err_nomem(err, "the tokenizer's token types");
    for (int64_t i = 0; i < types.n; i++)
        (*ret_types)[i] = (int32_t)gguf_array_i64(&types, i);
    spec->types = *ret_types;
    return true;
}

bool vocab_open(const struct gguf *g, struct tokenizer **ret, struct err *err)
{
    struct tokenizer_spec spec = {.pre = STR("")};
    int32_t *types = NULL;
    bool ok = gguf_need_str(g, "tokenizer.ggml.model", &spec.model, err) &&
              gguf_get_str(g, "tokenizer.ggml.pre", &spec.pre, err) && read_lists(g, &spec, &types, err) &&
              read_id(g, "tokenizer.ggml.bos_token_id", &spec.bos, err) &&
              read_id(g, "tokenizer.ggml.eos_token_id", &spec.eos, err) &&
              read_id(g, "tokenizer.ggml.eot_token_id", &spec.eot, err);
    if (ok) {
        /* Files of the Llama 3 family leave the key out and mean yes. */
        spec.add_bos = str_is(spec.pre, "llama-bpe") || str_is(spec.pre, "llama3") || str_is(spec.pre, "llama-v3");
        ok = gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &spec.add_bos, err) && tokenizer_open(&spec, ret, err);
    }
    free(types);
    return ok || err_prefix(err, "%s: ", gguf_path(g));
}
