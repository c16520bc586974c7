/* Tool calls in an answer. The first byte chooses the family, the second the size of the pieces: an answer in pieces
 * must give the text and the calls it gives at once, and what a whole call has for arguments must be a JSON object. */
#include <stdlib.h>

#include "text/toolcall.h"

#define TOOLS                                                                                                         \
    "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"properties\":{\"s\":{\"type\":"           \
    "\"string\"}}}}},{\"type\":\"function\",\"function\":{\"name\":\"get_weather\"}}]"

static const char *const templates[] = {
    "tools<tool_call>", "tools<|python_tag|>", "tools[TOOL_CALLS]", "tools functools", "tools<|tool_call|>",
    "tools<|tool_call>call:", "tools<tool_call><function=<parameter=", "tools<tool_call><arg_key>", "tools<function=",
    "tools<|channel|><|message|>functions.", "tools<|tool_call_begin|>", "tools<|tool_call:begin|>",
    "tools<start_function_call>", "tools<|START_ACTION|>",
};

struct outcome {
    struct buf text, calls, last;   /* last: the arguments of the call at hand */
    int whole, n;
};

/* Numbers may be of any size: what JSON leaves open is the reader's business. */
static void check_arguments(const struct outcome *o)
{
    struct str s = buf_view(&o->last);
    json_t *value = json_loadb(s.p, s.n, JSON_DECODE_INT_AS_REAL, NULL);
    if (!json_is_object(value))
        abort();
    json_decref(value);
}

static void take(struct outcome *o, const struct toolcall_output *out)
{
    buf_str(&o->text, out->text);
    for (int i = 0; i < out->n_deltas; i++) {
        const struct tool_call_delta *d = &out->deltas[i];
        if (d->name.n > 0) {
            buf_printf(&o->calls, "\n%d ", d->index);
            buf_str(&o->calls, d->id);
            buf_str(&o->calls, d->name);
            buf_clear(&o->last);
            o->n++;
        }
        if (d->index != o->n - 1)
            abort();
        buf_str(&o->calls, d->arguments);
        buf_str(&o->last, d->arguments);
    }
}

static struct outcome parse(const char *template, struct str answer, size_t size)
{
    struct outcome o = {.text = BUF_INIT(1u << 22), .calls = BUF_INIT(1u << 22), .last = BUF_INIT(1u << 22)};
    struct toolcall_parser *p;
    struct toolcall_output out;
    json_t *tools = json_loads(TOOLS, 0, NULL);
    if (!tools || !toolcall_open(toolcall_detect(str_of(template)), tools, 1, &p, NULL))
        abort();
    json_decref(tools);
    for (size_t at = 0; at < answer.n; at += size) {
        int before = toolcall_whole(p), n = o.n;
        if (!toolcall_feed(p, (struct str){answer.p + at, size < answer.n - at ? size : answer.n - at}, &out, NULL))
            abort();
        take(&o, &out);
        if (size == 1 && toolcall_whole(p) > before && o.n == n)
            check_arguments(&o);
    }
    if (!toolcall_end(p, &out, NULL))
        abort();
    take(&o, &out);
    o.whole = toolcall_whole(p);
    if (o.whole > o.n)
        abort();
    toolcall_close(p);
    return o;
}

static void outcome_free(struct outcome *o)
{
    buf_free(&o->text);
    buf_free(&o->calls);
    buf_free(&o->last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    const char *template = templates[data[0] % (sizeof templates / sizeof *templates)];
    struct str answer = {(const char *)data + 2, size - 2};
    if (!utf8_valid(answer))
        return 0;
    struct outcome whole = parse(template, answer, answer.n), bytes = parse(template, answer, 1);
    struct outcome pieces = parse(template, answer, 1 + data[1]);
    const struct outcome *others[] = {&bytes, &pieces};
    for (int i = 0; i < 2; i++)
        if (!str_eq(buf_view(&whole.text), buf_view(&others[i]->text)) || whole.whole != others[i]->whole ||
            !str_eq(buf_view(&whole.calls), buf_view(&others[i]->calls)))
            abort();
    outcome_free(&whole);
    outcome_free(&bytes);
    outcome_free(&pieces);
    return 0;
}
