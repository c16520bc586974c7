/* Regular expressions from outside: the first byte chooses mode and anchoring, what stands before the first NUL is the
 * expression, the rest a text to walk. Neither may break anything, take long, or pass a ceiling; what the term matches
 * may not depend on whether its derivatives were remembered. */
#include <stdlib.h>

#include "base/buf.h"
#include "grammar/regex.h"

#define WALK_MAX 200

static void check_example(struct exprs *x, uint32_t e)
{
    struct buf example = BUF_INIT(1u << 16);
    bool found = expr_example(x, e, &example);
    if (found && buf_ok(&example) && exprs_check(x, NULL) && !expr_matches(x, e, buf_view(&example)) &&
        exprs_check(x, NULL))
        abort();
    buf_free(&example);
}

static void walk(struct exprs *x, uint32_t e, struct str text)
{
    for (size_t i = 0; i < text.n && i < WALK_MAX && e != EXPR_NONE; i++) {
        uint32_t next = expr_derive(x, e, (uint8_t)text.p[i]);
        if (exprs_check(x, NULL) && expr_derive(x, e, (uint8_t)text.p[i]) != next)
            abort();
        if (expr_plain_prefix(x, next) < 0)
            abort();
        e = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct exprs *x = NULL;
    uint32_t e = EXPR_NONE;
    if (size == 0 || !exprs_open(&x, NULL))
        return 0;
    struct str rest = {(const char *)data + 1, size - 1}, pattern = rest, text = {0};
    const char *nul = rest.n ? memchr(rest.p, '\0', rest.n) : NULL;
    if (nul) {
        pattern.n = (size_t)(nul - rest.p);
        text = (struct str){nul + 1, rest.n - pattern.n - 1};
    }
    bool ok = regex_compile(x, pattern, data[0] & 1 ? REGEX_JSON : REGEX_TEXT, data[0] & 2, &e, &err);
    if (!ok && (err.code == ERR_NONE || err.msg[0] == '\0'))
        abort();
    if (ok && size < 300) {
        walk(x, e, text);
        check_example(x, e);
    }
    exprs_close(x);
    return 0;
}
