/* Keeps id, name and arguments of each call while they are written. What a call is, and where one ends, was decided
 * when the answer's text was parted (text/toolcall). */
#include "gateway/answer/tool_calls.h"

#include <stdlib.h>

#include "data/json.h"

static bool keep(struct tool_calls *c, const struct tool_call_delta *d, struct err *err)
{
    if (d->index < 0 || d->index > c->n || d->index >= TOOL_CALLS_MAX)
        return err_set(err, ERR_LIMIT, "the answer has more than %d tool calls", TOOL_CALLS_MAX);
    if (d->index == c->n) {
        c->id[c->n] = str_dup(d->id);
        c->name[c->n] = str_dup(d->name);
        c->arguments[c->n] = BUF_INIT(TOOL_CALLS_MAX_BYTES);
        if (!c->id[c->n++] || !c->name[d->index])
            return err_nomem(err, "a tool call");
    }
    buf_str(&c->arguments[d->index], d->arguments);
    return buf_check(&c->arguments[d->index], "the arguments of a tool call", err);
}

static void write_delta(struct json_writer *w, const struct tool_call_delta *d)
{
    json_open_object(w);
    json_put_i64(w, "index", d->index);
    if (d->name.n) {
        json_put_str(w, "id", d->id);
        json_put_cstr(w, "type", "function");
    }
    json_key(w, "function");
    json_open_object(w);
    if (d->name.n)
        json_put_str(w, "name", d->name);
    json_put_str(w, "arguments", d->arguments);
    json_close_object(w);
    json_close_object(w);
}

bool tool_calls_add(struct tool_calls *c, const struct tool_call_delta *deltas, int n, struct str *ret,
                    struct err *err)
{
    struct json_writer w = JSON_WRITER(&c->delta);
    bool any = false;
    buf_free(&c->delta);
    c->delta = BUF_INIT(TOOL_CALLS_MAX_BYTES);
    for (int i = 0; i < n; i++) {
        if (c->only_first && deltas[i].index > 0)
            continue;
        if (!keep(c, &deltas[i], err))
            return false;
        if (!any)
            json_open_array(&w);
        any = true;
        write_delta(&w, &deltas[i]);
    }
    if (any)
        json_close_array(&w);
    *ret = buf_view(&c->delta);
    return buf_check(&c->delta, "the tool calls", err);
}

bool tool_calls_list(const struct tool_calls *c, struct arena *arena, struct str *ret, struct err *err)
{
    struct buf out = BUF_INIT(2 * TOOL_CALLS_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    *ret = STR("");
    if (c->n == 0)
        return true;
    json_open_array(&w);
    for (int i = 0; i < c->n; i++) {
        json_open_object(&w);
        json_put_cstr(&w, "id", c->id[i]);
        json_put_cstr(&w, "type", "function");
        json_key(&w, "function");
        json_open_object(&w);
        json_put_cstr(&w, "name", c->name[i]);
        json_put_str(&w, "arguments", buf_view(&c->arguments[i]));
        json_close_object(&w);
        json_close_object(&w);
    }
    json_close_array(&w);
    bool ok = buf_check(&out, "the tool calls", err);
    if (ok) {
        *ret = arena_str(arena, buf_view(&out));
        ok = ret->p || err_nomem(err, "the tool calls");
    }
    buf_free(&out);
    return ok;
}

void tool_calls_free(struct tool_calls *c)
{
    for (int i = 0; i < c->n; i++) {
        free(c->id[i]);
        free(c->name[i]);
        buf_free(&c->arguments[i]);
    }
    buf_free(&c->delta);
    c->n = 0;
}
