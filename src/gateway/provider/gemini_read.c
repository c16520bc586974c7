/* Reading what Gemini's API sends: one object, or the objects of a stream, which have the same shape. Text, thoughts,
 * calls, log-probabilities and usage go to the release and the attempt; parts of kinds unknown here are passed over.
 * The signature of a call goes into its id, behind a mark: any client gives an id back. */
#include <stdio.h>

#include "base/rng.h"
#include "gateway/provider/gemini.h"
#include "gateway/provider/parts.h"

#define DATA_MAX_BYTES (16u << 20)
#define ID_MAX_BYTES 12288                /* a longer signature is left out: calls may come back without */

/* ---- usage and end ---- */

static void read_usage(struct upstream_reader *r, const json_t *usage)
{
    int64_t prompt = upstream_count(usage, "promptTokenCount"), said = upstream_count(usage, "candidatesTokenCount");
    int64_t cached = upstream_count(usage, "cachedContentTokenCount");
    int64_t thought = upstream_count(usage, "thoughtsTokenCount");
    int64_t tools = upstream_count(usage, "toolUsePromptTokenCount");
    if (prompt < 0)
        return;
    prompt += tools > 0 ? tools : 0;
    thought = thought > 0 ? thought : 0;
    upstream_usage(r, (struct token_usage){
        .prompt = prompt,
        .cached = cached < 0 ? 0 : cached < prompt ? cached : prompt,
        .completion = (said > 0 ? said : 0) + thought,
        .reasoning = thought,
    });
}

static bool read_finish(struct upstream_reader *r, struct str reason)
{
    static const char *const filters[] = {"SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT",
                                          "SPII", "IMAGE_SAFETY"};
    const char *finish = r->open.n_calls ? "tool_calls" : "stop";
    if (reason.n == 0)
        return true;
    if (str_is(reason, "MALFORMED_FUNCTION_CALL") || str_is(reason, "UNEXPECTED_TOOL_CALL"))
        return err_set(r->err, ERR_IO, "its call of a function was no call (" STR_FMT ")", STR_ARG(reason));
    if (str_is(reason, "MAX_TOKENS"))
        finish = "length";
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        if (str_is(reason, filters[i]))
            finish = "content_filter";
    }
    r->rel->reply->finish_reason = finish;
    r->finished = true;
    return true;
}

/* ---- parts ---- */

static void put_id(struct buf *id, const json_t *part, const json_t *call)
{
    struct str given = upstream_text(json_object_get(call, "id"));
    struct str signature = upstream_text(json_object_get(part, "thoughtSignature"));
    if (given.n && given.n <= 128)
        buf_str(id, given);
    else
        buf_printf(id, "call_%016llx", (unsigned long long)rng_entropy());
    if (signature.n == 0 || id->n + strlen(PARTS_SIGNATURE) + signature.n > ID_MAX_BYTES)
        return;
    buf_puts(id, PARTS_SIGNATURE);
    parts_add_safe(id, signature);
}

static bool give_call(struct upstream_reader *r, const json_t *part, const json_t *call)
{
    struct buf id = BUF_INIT(ID_MAX_BYTES + 256), arguments = BUF_INIT(DATA_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&arguments);
    const json_t *args = json_object_get(call, "args");
    struct tool_call_delta d = {.index = r->open.n_calls, .name = upstream_text(json_object_get(call, "name"))};
    if (d.name.n == 0)
        return err_set(r->err, ERR_IO, "its answer has a functionCall without a name");
    if (r->rel->req->one_tool_call && d.index > 0)
        return true;
    put_id(&id, part, call);
    if (json_is_object(args))
        json_value(&w, args);
    else
        json_raw(&w, STR("{}"));
    d.id = buf_view(&id);
    d.arguments = buf_view(&arguments);
    r->open.n_calls++;
    bool ok = buf_check(&id, "the id of a call", r->err) && buf_check(&arguments, "the arguments of a call", r->err) &&
              upstream_give_calls(r, &d, 1);
    buf_free(&id);
    buf_free(&arguments);
    return ok;
}

static bool give_part(struct upstream_reader *r, const json_t *part)
{
    const json_t *call = json_object_get(part, "functionCall");
    struct str text = upstream_text(json_object_get(part, "text"));
    bool thought = json_is_true(json_object_get(part, "thought"));
    if (json_is_object(call))
        return give_call(r, part, call);
    return text.n == 0 || upstream_give(r, &(struct release_piece){.text = text, .reasoning = thought});
}

/* ---- log-probabilities: beside the text, whose pieces they need not follow ---- */

static bool give_token(struct upstream_reader *r, const json_t *chosen, const json_t *top)
{
    struct str tops[RECORD_TOP];
    struct token_record record = {.id = -1, .admitted = 1};
    record.logprob = upstream_logprob(json_object_get(chosen, "logProbability"));
    for (size_t i = 0; i < json_array_size(top) && record.n_top < RECORD_TOP; i++) {
        const json_t *entry = json_array_get(top, i);
        record.top[record.n_top].id = -1;
        record.top[record.n_top].logprob = upstream_logprob(json_object_get(entry, "logProbability"));
        tops[record.n_top++] = upstream_text(json_object_get(entry, "token"));
    }
    record.entropy = upstream_entropy(&record);
    return upstream_give(r, &(struct release_piece){
        .record = &record,
        .token = upstream_text(json_object_get(chosen, "token")),
        .top_pieces = tops,
    });
}

static bool give_tokens(struct upstream_reader *r, const json_t *result)
{
    const json_t *chosen = json_object_get(result, "chosenCandidates"), *top = json_object_get(result, "topCandidates");
    for (size_t i = 0; i < json_array_size(chosen); i++) {
        const json_t *tops = json_object_get(json_array_get(top, i), "candidates");
        if (!give_token(r, json_array_get(chosen, i), tops))
            return false;
    }
    return true;
}

/* ---- an object ---- */

static bool read_error_member(struct upstream_reader *r, const json_t *object)
{
    const json_t *error = json_object_get(object, "error");
    if (!json_is_object(error))
        return true;
    return err_set(r->err, ERR_IO, "it answered with an error: " STR_FMT,
                   STR_ARG(utf8_clip(upstream_text(json_object_get(error, "message")), 200)));
}

static bool read_object(struct upstream_reader *r, const json_t *object)
{
    const json_t *candidate = json_array_get(json_object_get(object, "candidates"), 0);
    const json_t *parts = json_object_get(json_object_get(candidate, "content"), "parts");
    const json_t *feedback = json_object_get(object, "promptFeedback");
    if (!read_error_member(r, object))
        return false;
    read_usage(r, json_object_get(object, "usageMetadata"));
    upstream_served(r, json_object_get(object, "modelVersion"), NULL);
    bool blocked = !candidate && json_is_string(json_object_get(feedback, "blockReason"));
    if (!give_tokens(r, json_object_get(candidate, "logprobsResult")))
        return false;
    for (size_t i = 0; i < json_array_size(parts); i++) {
        if (!give_part(r, json_array_get(parts, i)))
            return false;
    }
    return read_finish(r, blocked ? STR("SAFETY") : upstream_text(json_object_get(candidate, "finishReason")));
}

bool gemini_read_reply(struct upstream_reader *r, struct str body)
{
    json_t *object = NULL;
    if (!json_parse_object(body, "it", &object, r->err))
        return err_prefix(r->err, "its answer cannot be read: ");
    bool ok = read_object(r, object) &&
              (r->finished || err_set(r->err, ERR_IO, "its answer has no candidate that came to an end"));
    json_decref(object);
    return ok;
}

bool gemini_read_event(void *reader, struct str type, struct str data)
{
    struct upstream_reader *r = reader;
    json_t *object = NULL;
    (void)type;
    if (data.n == 0)
        return true;
    if (!json_parse_object(data, "it", &object, r->err))
        return err_prefix(r->err, "an event of its stream cannot be read: ");
    bool ok = read_object(r, object);
    r->done = r->finished && json_object_get(object, "usageMetadata");
    json_decref(object);
    return ok;
}
