/* Which provider an upstream speaks, and what it can do. */
#include "gateway/provider/provider.h"

/* Servers of one's own are llama-server, vLLM and their kind, which have more fields than the API they speak. */
#define OWN_OFFERS \
    (NEED_BIT(NEED_GRAMMAR) | NEED_BIT(NEED_TOP_K) | NEED_BIT(NEED_MIN_P) | NEED_BIT(NEED_REPETITION_PENALTY) | \
     NEED_BIT(NEED_RAW_PROMPT) | NEED_BIT(NEED_PROMPT_TOKENS) | NEED_BIT(NEED_SUFFIX) | NEED_BIT(NEED_ECHO))

const struct provider *provider_of(const struct config_model *m)
{
    (void)m;
    return &provider_openai;
}

unsigned provider_offers(const struct config_model *m)
{
    const struct provider *p = provider_of(m);
    return p == &provider_openai && m->own_machine ? p->offers | OWN_OFFERS : p->offers;
}

struct str provider_base(const struct config_model *m)
{
    struct str base = str_of(m->base_url);
    while (base.n && base.p[base.n - 1] == '/')
        base.n--;
    return base;
}
