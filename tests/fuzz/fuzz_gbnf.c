/* A grammar up to the first NUL, a text behind it. Whatever is read as a grammar must be walkable: the text is stepped
 * through as far as it is admitted, and no state on the way may be without an end and without a byte that goes on. */
#include <stdlib.h>

#include "grammar/automaton.h"
#include "grammar/frontends.h"

#define MAX_TEXT_BYTES 256
#define MAX_CHECKED 16      /* states looked at byte by byte */

static bool goes_on(struct automaton *a, uint32_t state)
{
    struct err err = ERR_INIT;
    for (int byte = 0; byte < 256; byte++)
        if (state_step(a, state, (uint8_t)byte, &err) != STATE_DEAD || err.code != ERR_NONE)
            return true;
    return false;
}

static void walk(struct automaton *a, struct str text)
{
    struct err err = ERR_INIT;
    uint32_t state = automaton_start(a);
    for (size_t i = 0; i < text.n && i < MAX_TEXT_BYTES; i++) {
        if (i < MAX_CHECKED && !state_may_end(a, state) && !goes_on(a, state))
            abort();
        uint32_t next = state_take(a, state, (uint8_t)text.p[i], &err);
        if (next == STATE_DEAD)
            return;
        state = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct rules *rules;
    struct automaton *a;
    struct str text = {(const char *)data, size};
    const void *nul = size ? memchr(data, 0, size) : NULL;
    size_t n = nul ? (size_t)((const uint8_t *)nul - data) : size;
    if (!rule_gbnf((struct str){text.p, n}, &rules, &err))
        return 0;
    if (!automaton_open(rules, &a, &err))
        return 0;
    automaton_lock(a);
    if (n < size)
        walk(a, (struct str){text.p + n + 1, size - n - 1});
    automaton_unlock(a);
    automaton_close(a);
    return 0;
}
