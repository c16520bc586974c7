/* What the readers of all providers share: values of doubtful JSON, pieces to the release, calls put together, an
 * error's sentence. */
#include <math.h>
#include <stdio.h>

#include "gateway/answer/upstream.h"

#define MAX_COUNT 10000000ll              /* tokens of one call; a usage beyond it is not believed */
#define MAX_THOUGHTS 1024

struct str upstream_text(const json_t *value)
{
    return json_is_string(value) ? (struct str){json_string_value(value), json_string_length(value)} : STR("");
}

int64_t upstream_count(const json_t *object, const char *key)
{
    double v = json_number_value(json_object_get(object, key));
    return json_is_number(json_object_get(object, key)) && v >= 0 && v <= MAX_COUNT ? (int64_t)v : -1;
}

float upstream_logprob(const json_t *value)
{
    double v = json_is_number(value) ? json_number_value(value) : -100;
    return (float)(v > 0 ? 0 : v < -100 ? -100 : v);
}

float upstream_entropy(const struct token_record *t)
{
    double rest = 1, sum = 0;
    for (int i = 0; i < t->n_top; i++) {
        double p = exp(t->top[i].logprob);
        rest -= p;
        sum -= p > 0 ? p * log(p) : 0;
    }
    if (rest > 1e-9)
        sum -= rest * log(rest);
    return sum > 0 ? (float)sum : 0;
}

void upstream_usage(struct upstream_reader *r, struct token_usage usage)
{
    r->attempt->usage = usage;
    r->has_usage = true;
}

static void note_name(const json_t *value, char *text, size_t size)
{
    struct str name = utf8_clip(upstream_text(value), size - 1);
    if (name.n == 0)
        return;
    snprintf(text, size, STR_FMT, STR_ARG(name));
    for (char *c = text; *c; c++)         /* it goes into the log */
        *c = (unsigned char)*c < ' ' || *c == 127 ? '?' : *c;
}

void upstream_served(struct upstream_reader *r, const json_t *model, const json_t *fingerprint)
{
    note_name(model, r->attempt->upstream_model, sizeof r->attempt->upstream_model);
    note_name(fingerprint, r->attempt->fingerprint, sizeof r->attempt->fingerprint);
}

bool upstream_give(struct upstream_reader *r, const struct release_piece *piece)
{
    r->n_deltas++;
    r->verdict = release_add(r->rel, piece, r->err);
    return r->verdict == RELEASE_ON;
}

bool upstream_give_calls(struct upstream_reader *r, const struct tool_call_delta *deltas, int n)
{
    struct str delta;
    return tool_calls_add(&r->calls, deltas, n, &delta, r->err) &&
           upstream_give(r, &(struct release_piece){.tool_calls = r->rel->sink ? delta : STR("")});
}

bool upstream_thought(struct upstream_reader *r, struct str signature, bool hidden)
{
    struct reply *reply = r->rel->reply;
    struct reply_thought **end = &reply->thoughts, *thought;
    int n = 0;
    if (signature.n == 0)
        return true;
    for (; *end; end = &(*end)->next)
        n++;
    if (n == MAX_THOUGHTS)
        return err_set(r->err, ERR_LIMIT, "its answer has more than %d signed thoughts", MAX_THOUGHTS);
    thought = arena_new(&reply->arena, struct reply_thought);
    if (!thought)
        return err_nomem(r->err, "its answer");
    thought->end = reply->reasoning.n;
    thought->hidden = hidden;
    thought->signature = arena_str(&reply->arena, signature);
    *end = thought;
    return thought->signature.p || err_nomem(r->err, "its answer");
}

static bool unwrap_choice(struct upstream_reader *r)
{
    json_t *object = NULL;
    bool ok = true;
    if (json_parse_object(buf_view(&r->rel->reply->text), "it", &object, NULL)) {
        const json_t *choice = json_object_get(object, UPSTREAM_CHOICE);
        ok = !json_is_string(choice) || release_replace(r->rel, upstream_text(choice), r->err);
    }
    json_decref(object);
    return ok;
}

bool upstream_finish(struct upstream_reader *r)
{
    struct reply *reply = r->rel->reply;
    struct str calls;
    if (!tool_calls_list(&r->calls, &reply->arena, &calls, r->err))
        return false;
    if (calls.n)
        reply->tool_calls = calls;
    return !r->wrapped || unwrap_choice(r);
}

void upstream_read_error(int status, struct str body, char *text, size_t size)
{
    json_t *object = NULL;
    struct str message = STR("");
    if (json_parse_object(body, "its error", &object, NULL)) {
        const json_t *error = json_object_get(object, "error");
        message = upstream_text(json_is_string(error) ? error : json_object_get(error ? error : object, "message"));
        if (!message.n)
            message = upstream_text(json_object_get(object, "detail"));
    }
    message = utf8_clip(message, 300);
    snprintf(text, size, "HTTP %d%s" STR_FMT, status, message.n ? ": " : "", STR_ARG(message));
    json_decref(object);
}
