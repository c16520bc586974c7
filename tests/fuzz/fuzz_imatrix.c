/* Fuzzes the reader of importance matrices: whatever opens holds only finite means, all of them readable. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/imatrix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct imatrix *m;
    if (size == 0)
        return 0;
    if (!imatrix_parse((struct str){(const char *)data, size}, "fuzz.dat", &m, &err)) {
        if (err.code == ERR_NONE || !err.msg[0])
            abort();
        return 0;
    }
    for (int64_t i = 0; i < imatrix_count(m); i++) {
        const struct imatrix_entry *e = imatrix_at(m, i);
        if (e->n < 1 || imatrix_find(m, e->name) != e)
            abort();
        for (int64_t j = 0; j < e->n; j++)
            if (!isfinite(e->values[j]) || e->values[j] < 0)
                abort();
    }
    if (!utf8_valid(imatrix_dataset(m)))
        abort();
    imatrix_close(m);
    return 0;
}
