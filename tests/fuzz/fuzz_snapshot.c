/* Fuzzes session_restore over the starter model: bytes that it takes must give a session that steps; bytes that it
 * refuses must leave the session empty. */
#include <stdint.h>
#include <stdlib.h>

#include "tests/fuzz/starter_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void restore(struct engine *e, enum tensor_type kv_type, struct str bytes)
{
    struct err err = ERR_INIT;
    struct session *s;
    if (!session_open(e, 100, kv_type, &s, &err))
        abort();
    if (session_restore(s, bytes, &err)) {
        /* any numbers may be in there, NaN too: the step may fail, but not fall */
        int32_t id = 1;
        struct step_item item = {s, &id, 1, NULL, 0};
        if (!engine_step(e, &item, 1, &err) && err.code == ERR_NONE)
            abort();
    } else if (err.code == ERR_NONE || session_length(s) != 0) {
        abort();
    }
    session_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct engine *e;
    if (!e)
        e = open_engine();
    restore(e, TENSOR_F16, (struct str){(const char *)data, size});
    restore(e, TENSOR_Q8_0, (struct str){(const char *)data, size});
    return 0;
}
