/* Fuzzes the scanner for personal data: any bytes, in a buffer of exactly their size. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "scan/pii.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pii_found found = {0};
    char *text = malloc(size ? size : 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    pii_scan((struct str){text, size}, &found);
    free(text);
    return 0;
}
