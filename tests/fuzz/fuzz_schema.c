/* Any schema to rules. What a walk by chance through the rules comes to must be a value that the validator accepts,
 * where nothing was left to it; and no walk may get stuck. */
#include "base/buf.h"
#include "base/rng.h"
#include "data/json.h"
#include "grammar/automaton.h"
#include "grammar/schema.h"

#define MAX_BYTES 8192
#define WALKS 3
#define WALK_BYTES 160         /* from here on the walk makes for the end */
#define WALK_MAX_BYTES 2000    /* and here it is given up */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Taken first when a walk makes for its end, in this order. */
static const uint8_t closers[] = {'"', '}', ']', ',', ':'};

static uint32_t take(struct automaton *a, uint32_t state, uint8_t byte, struct buf *text, struct err *err)
{
    uint32_t next = state_take(a, state, byte, err);
    if (next != STATE_DEAD)
        buf_char(text, (char)byte);
    return next;
}

static uint32_t go_on(struct automaton *a, uint32_t state, uint64_t chance, struct buf *text, struct err *err)
{
    uint32_t next = STATE_DEAD;
    for (size_t i = 0; i < sizeof closers && text->n > WALK_BYTES && chance % 4 && next == STATE_DEAD; i++)
        next = take(a, state, closers[i], text, err);
    uint8_t first = (uint8_t)(chance >> 8);
    for (int i = 0; i < 256 && next == STATE_DEAD && err->code == ERR_NONE; i++)
        next = take(a, state, (uint8_t)(first + i), text, err);
    if (next == STATE_DEAD && err->code == ERR_NONE)
        __builtin_trap();
    return next;
}

/* false: given up, or past a ceiling. */
static bool walk(struct automaton *a, uint64_t seed, struct buf *text)
{
    struct err err = ERR_INIT;
    buf_clear(text);
    automaton_lock(a);
    uint32_t state = automaton_start(a);
    bool done = false;
    for (uint64_t i = 0; text->n < WALK_MAX_BYTES && err.code == ERR_NONE; i++) {
        uint64_t chance = rng_u64(seed, i, 0);
        done = state_must_end(a, state) || (state_may_end(a, state) && (text->n > WALK_BYTES || chance % 8 == 0));
        if (done)
            break;
        state = go_on(a, state, chance >> 3, text, &err);
    }
    automaton_unlock(a);
    return done;
}

static void check(const struct schema *s, struct automaton *a, uint64_t seed)
{
    struct buf text = BUF_INIT(2 * WALK_MAX_BYTES);
    bool left = schema_needs_validation(s);
    for (uint64_t i = 0; i < WALKS; i++) {
        struct err err = ERR_INIT;
        json_t *value = NULL;
        if (!walk(a, seed + i, &text) || !json_parse(buf_view(&text), "walk", &value, &err))
            continue;   /* not whole, or nested too deep to be read */
        if (!left && !schema_validate(s, value, &err) && err.code == ERR_INVALID)
            __builtin_trap();
        json_decref(value);
    }
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct schema_options options = {.any_order = size % 2, .formats = true, .relaxed = size % 3 == 0};
    json_t *json = NULL;
    struct schema *s;
    struct rules *rules;
    struct automaton *a;
    struct err err = ERR_INIT;
    if (size > MAX_BYTES || !json_parse(text, "schema", &json, NULL))
        return 0;
    if (schema_open(json, &options, &s, &err)) {
        if (schema_rules(s, &rules, &err) && automaton_open(rules, &a, &err)) {
            check(s, a, str_hash(text));
            automaton_close(a);
        } else if (err.code == ERR_NONE || !err.msg[0]) {
            __builtin_trap();
        }
        schema_close(s);
    }
    json_decref(json);
    return 0;
}
