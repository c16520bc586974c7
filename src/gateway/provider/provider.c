/* The list of providers, and what an upstream of each can do. */
#include "gateway/provider/provider.h"

#include <stdio.h>

/* Servers of one's own are llama-server, vLLM and their kind, which have more fields than the API they speak. */
#define OWN_OFFERS \
    (NEED_BIT(NEED_GRAMMAR) | NEED_BIT(NEED_TOP_K) | NEED_BIT(NEED_MIN_P) | NEED_BIT(NEED_REPETITION_PENALTY) | \
     NEED_BIT(NEED_RAW_PROMPT) | NEED_BIT(NEED_PROMPT_TOKENS) | NEED_BIT(NEED_SUFFIX) | NEED_BIT(NEED_ECHO))

static const struct provider *const providers[] = {&provider_openai, &provider_azure, &provider_anthropic,
                                                 &provider_gemini};
#define N_PROVIDERS (sizeof providers / sizeof *providers)

const struct provider *provider_find(struct str name)
{
    for (size_t i = 0; i < N_PROVIDERS; i++) {
        if (str_is(name, providers[i]->name))
            return providers[i];
    }
    return NULL;
}

const char *provider_list(char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < N_PROVIDERS && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", providers[i]->name);
    return text;
}

unsigned provider_offers(const struct config_upstream *u)
{
    return u->provider == &provider_openai && u->own_machine ? u->provider->offers | OWN_OFFERS : u->provider->offers;
}

struct str provider_base(const struct config_upstream *u)
{
    struct str base = str_of(u->base_url);
    while (base.n && base.p[base.n - 1] == '/')
        base.n--;
    return base;
}

void provider_put_key(const struct provider_call *call, const char *words, struct buf *out)
{
    if (!call->upstream->api_key)
        return;
    buf_puts(out, words);
    buf_add(out, call->upstream->api_key, strlen(call->upstream->api_key) + 1);
}
