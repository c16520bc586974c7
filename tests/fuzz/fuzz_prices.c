/* Fuzzes the price file: any bytes are refused with a sentence, or become prices that an upstream can be charged by. */
#include <stdlib.h>

#include "gateway/account/account.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *c = NULL;
    struct err err = ERR_INIT;
    if (!config_parse(STR(""), "fuzz.yaml", &c, &err))
        return 0;
    if (!config_parse_prices(c, (struct str){(const char *)data, size}, "prices.yaml", &err) &&
        (err.code == ERR_NONE || !err.msg[0]))
        abort();
    config_free(c);
    return 0;
}
