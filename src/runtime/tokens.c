/* A loaded model's tokenizer, lent to those who count, show or check tokens. */
#include "runtime/tokens.h"

#include "runtime/runtime_private.h"

bool local_model_encode(const struct local_model *m, struct str text, const struct tokenize_options *o,
                        struct token_ids *ids, struct err *err)
{
    const struct tokenizer *t = m->tokenizer;
    int flags = o->names ? TOKENIZE_SPECIAL : TOKENIZE_PLAIN;
    bool bos = o->ends && tokenizer_adds_bos(t), eos = o->ends && tokenizer_adds_eos(t) && tokenizer_eos(t) >= 0;
    return (!bos || token_ids_add(ids, tokenizer_bos(t), err)) && tokenizer_encode(t, text, flags, ids, err) &&
           (!eos || token_ids_add(ids, tokenizer_eos(t), err));
}

bool local_model_encode_prompt(const struct local_model *m, const struct generation_request *req, struct token_ids *ids,
                               struct err *err)
{
    bool reasoning;
    return prompt_build(m, req, ids, &reasoning, err);
}

bool local_model_decode(const struct local_model *m, const int32_t *ids, int64_t n, struct buf *out, struct err *err)
{
    const struct tokenizer *t = m->tokenizer;
    struct detokenizer d = {.at_start = tokenizer_adds_space(t)};
    for (int64_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= tokenizer_count(t))
            return err_set(err, ERR_INVALID, "token %lld is %d; %s has the tokens 0 to %d", (long long)i, ids[i],
                           m->name, tokenizer_count(t) - 1);
        if (tokenizer_type(t, ids[i]) == TOKEN_CONTROL) {
            detokenizer_end(&d, out);
            buf_str(out, tokenizer_piece(t, ids[i]));
            d = (struct detokenizer){.at_start = tokenizer_adds_space(t)};
        } else {
            detokenizer_add(&d, t, ids[i], out);
        }
    }
    detokenizer_end(&d, out);
    return buf_check(out, "the text of the tokens", err);
}
