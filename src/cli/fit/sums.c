/* The arithmetic of fit: memory in all, speed at most, whether the one fits the machine. */
#include "cli/fit/fit.h"

/* The program itself: code, thread stacks, libraries, the embedded model's pages that start-up touches. */
#define PROGRAM_BYTES ((int64_t)24 << 20)

int64_t fit_total(const struct engine_needs *n, struct fit_context c)
{
    return n->weight_bytes + engine_needs_kv(n, c.kv_type, c.tokens) + n->compute_bytes + n->vocabulary_bytes +
           PROGRAM_BYTES;
}

double fit_tokens_per_s(const struct engine_needs *n, double bandwidth)
{
    return n->read_bytes > 0 ? bandwidth * FIT_DECODE_SHARE / (double)n->read_bytes : 0;
}

bool fit_fits(const struct fit_report *r)
{
    return r->machine.available_bytes == 0 || fit_total(&r->needs, r->context) <= r->machine.available_bytes;
}
