/* The regular expressions of a schema as they are applied to finished values. Matching walks derivatives, so it is
 * linear in the text; what the walk learns is kept, up to a ceiling, for the next value. */
#include "grammar/validate/patterns.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/strmap.h"
#include "grammar/regex.h"

#define PATTERNS_MAX_TERMS (1u << 16) /* past it the store is begun anew before the next match */

struct patterns {
    pthread_mutex_t lock;
    struct exprs *exprs;        /* NULL: nothing was matched yet */
    struct strmap terms[2];     /* by pattern: searched for, anchored */
};

bool patterns_open(struct patterns **ret, struct err *err)
{
    struct patterns *p = calloc(1, sizeof *p);
    if (!p)
        return err_nomem(err, "a schema");
    pthread_mutex_init(&p->lock, NULL);
    *ret = p;
    return true;
}

static void patterns_forget(struct patterns *p)
{
    exprs_close(p->exprs);
    p->exprs = NULL;
    strmap_free(&p->terms[0]);
    strmap_free(&p->terms[1]);
}

void patterns_close(struct patterns *p)
{
    if (!p)
        return;
    if (p->exprs)
        patterns_forget(p);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static bool patterns_term(struct patterns *p, struct str pattern, bool anchored, uint32_t *ret, struct err *err)
{
    int32_t known;
    if (strmap_get(&p->terms[anchored], pattern, &known)) {
        *ret = (uint32_t)known;
        return true;
    }
    return regex_compile(p->exprs, pattern, REGEX_TEXT, anchored, ret, err) &&
           strmap_put(&p->terms[anchored], pattern, (int32_t)*ret, err);
}

bool patterns_match(struct patterns *p, struct str pattern, bool anchored, struct str text, bool *ret_match,
                    struct err *err)
{
    pthread_mutex_lock(&p->lock);
    if (p->exprs && exprs_count(p->exprs) > PATTERNS_MAX_TERMS)
        patterns_forget(p);
    uint32_t term;
    bool match = false;
    bool ok = (p->exprs || exprs_open(&p->exprs, err)) && patterns_term(p, pattern, anchored, &term, err);
    if (ok) {
        match = expr_matches(p->exprs, term, text);
        ok = exprs_check(p->exprs, err);
    }
    if (!ok && p->exprs)
        patterns_forget(p);
    pthread_mutex_unlock(&p->lock);
    if (ok)
        *ret_match = match;
    return ok;
}

bool pattern_is_understood(struct str pattern)
{
    struct exprs *exprs;
    uint32_t term;
    struct err err = ERR_INIT;
    if (!exprs_open(&exprs, &err))
        return false;
    bool ok = regex_compile(exprs, pattern, REGEX_TEXT, false, &term, &err) || err.code == ERR_UNSUPPORTED;
    exprs_close(exprs);
    return ok;
}
