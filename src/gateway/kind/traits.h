/* Which traits a request has: what small models are blind to. Rules as for kinds (docs/configuration.md). */
#ifndef RUNG_GATEWAY_KIND_TRAITS_H
#define RUNG_GATEWAY_KIND_TRAITS_H

#include "gateway/kind/sample.h"

/* Bits of enum trait. approx_tokens: of the whole prompt. */
unsigned traits_decide(const struct sample *s, const struct request *r, enum task_kind kind, int64_t approx_tokens);

#endif
