/* Fields of chat completions that only OpenAI's own API honours, which go to the tiers that speak to it; and those that
 * nobody honours here, with the reason: an answer is text with calls, and what it costs is known by its tokens. A value
 * that asks for nothing out of the ordinary is taken everywhere. */
#include <stdio.h>

#include "gateway/api/openai/openai_internal.h"

enum extra { EXTRA_NOTHING, EXTRA_OPENAI, EXTRA_REFUSED, EXTRA_WRONG };   /* what a value asks for */

static bool is(const json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

static enum extra judge_modalities(const json_t *value)
{
    if (!json_is_array(value) || json_array_size(value) == 0)
        return EXTRA_WRONG;
    return json_array_size(value) == 1 && is(json_array_get(value, 0), "text") ? EXTRA_NOTHING : EXTRA_REFUSED;
}

static enum extra judge_service_tier(const json_t *value)
{
    return is(value, "auto") || is(value, "default") ? EXTRA_NOTHING : EXTRA_REFUSED;
}

static enum extra judge_refused(const json_t *value)
{
    (void)value;
    return EXTRA_REFUSED;
}

/* {"type": "content", "content": text or parts} */
static enum extra judge_prediction(const json_t *value)
{
    const json_t *content = json_object_get(value, "content");
    bool known = is(json_object_get(value, "type"), "content") && json_object_size(value) == 2;
    return known && (json_is_string(content) || json_is_array(content)) ? EXTRA_OPENAI : EXTRA_WRONG;
}

static enum extra judge_object(const json_t *value) { return json_is_object(value) ? EXTRA_OPENAI : EXTRA_WRONG; }

/* What is known of prompts is kept in memory here too. */
static enum extra judge_retention(const json_t *value)
{
    if (is(value, "in_memory") || is(value, "in-memory"))
        return EXTRA_NOTHING;
    return is(value, "24h") ? EXTRA_OPENAI : EXTRA_WRONG;
}

static enum extra judge_verbosity(const json_t *value)
{
    return is(value, "medium") ? EXTRA_NOTHING : is(value, "low") || is(value, "high") ? EXTRA_OPENAI : EXTRA_WRONG;
}

static const struct row {
    const char *name;
    enum extra (*judge)(const json_t *value);
    const char *why;             /* it is refused, or how it is to be written */
} rows[] = {
    {"modalities", judge_modalities, "answers are text; leave it out or say [\"text\"]"},
    {"service_tier", judge_service_tier,
     "other tiers have other prices than the configured ones; leave it out or say \"auto\""},
    {"audio", judge_refused, "answers are text; leave it out"},
    {"functions", judge_refused, "it is deprecated; use 'tools'"},
    {"function_call", judge_refused, "it is deprecated; use 'tool_choice'"},
    {"moderation", judge_refused, "an answer has no place for its results; leave it out"},
    {"prediction", judge_prediction, "must be {\"type\": \"content\", \"content\": a string or an array of parts}"},
    {"prompt_cache_options", judge_object, "must be an object"},
    {"prompt_cache_retention", judge_retention, "must be in_memory or 24h"},
    {"verbosity", judge_verbosity, "must be low, medium or high"},
    {"web_search_options", judge_refused,
     "searches are billed apart from tokens, and an answer has no place for what they cite; leave it out"},
};

bool openai_parse_extra(struct openai_parse *p, const char *field, const json_t *value)
{
    const struct row *row = rows;
    while (strcmp(row->name, field) != 0)
        row++;
    switch (row->judge(value)) {
    case EXTRA_NOTHING:
        return true;
    case EXTRA_OPENAI:
        request_needs(p->r, NEED_OPENAI, "%s", field);
        return true;
    case EXTRA_REFUSED:
        return err_set(p->err, ERR_INVALID, "'%s' is not supported: %s", field, row->why);
    default:
        return err_set(p->err, ERR_INVALID, "'%s' %s", field, row->why);
    }
}
