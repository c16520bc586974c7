/* The tokenizer helpers: a failure names the first token that is wrong. */
#include "support_tokenizer.h"

#include "../support.h"

struct tokenizer *open_spec(const struct tokenizer_spec *spec)
{
    struct err err = ERR_INIT;
    struct tokenizer *t = NULL;
    assert_ok(tokenizer_open(spec, &t, &err), err);
    return t;
}

void assert_encodes(const struct tokenizer *t, struct str text, int flags, const int32_t *expected, int n)
{
    struct err err = ERR_INIT;
    struct token_ids ids = {0};
    assert_ok(tokenizer_encode(t, text, flags, &ids, &err), err);
    for (int i = 0; i < n && i < ids.n; i++)
        if (ids.p[i] != expected[i])
            fail_msg("token %d of '" STR_FMT "' is %d instead of %d", i, STR_ARG(text), ids.p[i], expected[i]);
    assert_int_equal(ids.n, n);
    token_ids_free(&ids);
}
