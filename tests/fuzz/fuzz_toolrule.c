/* Tools from a request, as a client writes them. The first byte chooses the family and whether calls are required, up to
 * the first NUL stands the parameters' schema of a tool, behind it bytes that steer a walk: whatever rules come of it,
 * no state on the way may be without an end and without a byte that goes on. */
#include <stdlib.h>

#include "data/json.h"
#include "grammar/automaton.h"
#include "grammar/toolrule.h"

#define MAX_STEPS 256

static const char *const templates[] = {
    "tools<tool_call>", "tools<|python_tag|>", "tools[TOOL_CALLS]", "tools<|tool_call>call:",
    "tools<tool_call><function=<parameter=", "tools<tool_call><arg_key>", "tools<|channel|><|message|>functions.",
    "tools<start_function_call>",
};
#define N_TEMPLATES (sizeof templates / sizeof *templates)

/* The next byte that goes on, from `wanted` on upwards; -1: none does. */
static int byte_from(struct automaton *a, uint32_t state, uint8_t wanted)
{
    struct err err = ERR_INIT;
    for (int i = 0; i < 256; i++) {
        int byte = (wanted + i) & 0xFF;
        if (state_step(a, state, (uint8_t)byte, &err) != STATE_DEAD || err.code != ERR_NONE)
            return byte;
    }
    return -1;
}

static void walk(struct automaton *a, struct str steering)
{
    struct err err = ERR_INIT;
    uint32_t state = automaton_start(a);
    for (size_t i = 0; i < steering.n && i < MAX_STEPS; i++) {
        int byte = byte_from(a, state, (uint8_t)steering.p[i]);
        if (byte < 0 && !state_may_end(a, state))
            abort();
        uint32_t next = byte < 0 ? STATE_DEAD : state_take(a, state, (uint8_t)byte, &err);
        if (next == STATE_DEAD)
            return;
        state = next;
    }
}

static json_t *tools_of(struct str parameters, bool strict)
{
    json_t *schema;
    if (!json_parse(parameters, "the parameters", &schema, NULL))
        return NULL;
    return json_pack("[{s:s,s:{s:s,s:b,s:o}}]", "type", "function", "function", "name", "f", "strict", (int)strict,
                     "parameters", schema);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct rules *rules;
    struct automaton *a;
    if (size < 2)
        return 0;
    struct str rest = {(const char *)data + 1, size - 1};
    const char *nul = memchr(rest.p, 0, rest.n);
    struct str parameters = {rest.p, nul ? (size_t)(nul - rest.p) : rest.n};
    struct str steering = {rest.p + parameters.n, rest.n - parameters.n};
    json_t *tools = tools_of(parameters, data[0] & 0x40);
    struct toolrule rule = {.syntax = toolcall_detect(str_of(templates[(data[0] & 0x3F) % N_TEMPLATES])),
                            .tools = tools, .parallel = true, .options.formats = true,
                            .choice = data[0] & 0x80 ? TOOLRULE_REQUIRED : TOOLRULE_AUTO};
    if (tools && rule_tools(&rule, &rules, &err) && automaton_open(rules, &a, &err)) {
        automaton_lock(a);
        walk(a, steering);
        automaton_unlock(a);
        automaton_close(a);
    }
    json_decref(tools);
    return 0;
}
