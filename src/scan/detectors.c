/* The owner's expressions, compiled once and run with limits on steps and memory. What is found is counted; what it
 * means is the configuration's business. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "scan/detectors.h"

#include <pcre2.h>
#include <stdlib.h>

#define MATCH_LIMIT 1000000u             /* steps of one match: some milliseconds */
#define DEPTH_LIMIT 1000u
#define HEAP_LIMIT_KIB 4096u
#define JIT_STACK_BYTES ((size_t)256 << 10)

struct detectors {
    int n;
    pcre2_code *code[DETECTORS_MAX];
    pcre2_match_context *limits;
};

bool detectors_open(struct detectors **ret, struct err *err)
{
    struct detectors *p = calloc(1, sizeof *p);
    if (!p || !(p->limits = pcre2_match_context_create(NULL))) {
        free(p);
        return err_nomem(err, "the patterns");
    }
    pcre2_set_match_limit(p->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(p->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KIB);
    *ret = p;
    return true;
}

void detectors_close(struct detectors *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n; i++)
        pcre2_code_free(p->code[i]);
    pcre2_match_context_free(p->limits);
    free(p);
}

int detectors_count(const struct detectors *p) { return p->n; }

static bool matches_nothing(const struct detectors *p, const pcre2_code *code)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int found = data ? pcre2_match(code, (PCRE2_SPTR) "", 0, 0, 0, data, p->limits) : 0;
    pcre2_match_data_free(data);
    return found >= 0;
}

bool detectors_add(struct detectors *p, struct str expression, struct err *err)
{
    int code_of_error;
    PCRE2_SIZE at;
    if (p->n == DETECTORS_MAX)
        return err_set(err, ERR_LIMIT, "there are more than %d patterns", DETECTORS_MAX);
    if (expression.n > DETECTOR_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "a pattern is longer than %d bytes", DETECTOR_MAX_BYTES);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)expression.p, expression.n, PCRE2_UTF | PCRE2_MATCH_INVALID_UTF,
                                     &code_of_error, &at, NULL);
    if (!code) {
        PCRE2_UCHAR text[160] = "";
        pcre2_get_error_message(code_of_error, text, sizeof text);
        return err_set(err, ERR_INVALID, "the pattern is wrong at byte %zu: %s", at, (const char *)text);
    }
    if (matches_nothing(p, code)) {
        pcre2_code_free(code);
        return err_set(err, ERR_INVALID, "the pattern matches the empty text, and so everything");
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);   /* where there is no JIT it is interpreted */
    p->code[p->n++] = code;
    return true;
}

static uint32_t count(const pcre2_code *code, struct str text, pcre2_match_context *limits, pcre2_match_data *data)
{
    uint32_t n = 0;
    PCRE2_SIZE at = 0;
    while (at <= text.n && n < DETECTOR_MAX_FOUND) {
        int found = pcre2_match(code, (PCRE2_SPTR)text.p, text.n, at, PCRE2_NOTEMPTY, data, limits);
        if (found == PCRE2_ERROR_NOMATCH)
            break;
        n++;
        if (found < 0)
            break;                       /* it worked too long: counts as found */
        at = pcre2_get_ovector_pointer(data)[1];
    }
    return n;
}

void detectors_scan(const struct detectors *p, struct str text, uint32_t counts[])
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = data ? pcre2_match_context_copy(p->limits) : NULL;
    pcre2_jit_stack *stack = limits ? pcre2_jit_stack_create(JIT_STACK_BYTES / 8, JIT_STACK_BYTES, NULL) : NULL;
    if (stack)
        pcre2_jit_stack_assign(limits, NULL, stack);
    for (int i = 0; i < p->n; i++)
        counts[i] += limits ? count(p->code[i], text, limits, data) : 1;
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
}
