/* Fuzzes the configuration: any bytes are refused with a sentence or become a configuration that keeps its promises. */
#include <stdlib.h>

#include "gateway/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *c = NULL;
    struct err err = ERR_INIT;
    if (!config_parse((struct str){(const char *)data, size}, "fuzz.yaml", &c, &err)) {
        if (err.code == ERR_NONE || !err.msg[0])
            abort();
        return 0;
    }
    if (c->n_tiers < 1 || c->n_models < 1 || c->frontier_price.input < 0 || c->hold_ms < 0)
        abort();
    for (int t = 0; t < c->n_tiers; t++) {
        if (c->tiers[t].model < 0 || c->tiers[t].model >= c->n_models)
            abort();
    }
    for (int t = 0; t < TRAIT_COUNT; t++) {
        if (c->trait_start[t] < 0 || c->trait_start[t] >= c->n_tiers)
            abort();
    }
    config_free(c);
    return 0;
}
