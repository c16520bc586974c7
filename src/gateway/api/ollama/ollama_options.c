/* `options`: each that Ollama documents has a row. It is honoured under its name in a chat-completions body; or it
 * concerns the machine (threads, GPUs, maps), where Rung decides and no answer changes; or its neutral value alone is
 * taken, and any other is refused by name. What is not given is not asked for: Ollama's own defaults (temperature 0.8,
 * top_k 40, ...) are not put in its place, or tiers that know no top_k could never be asked. */
#include <math.h>
#include <stdio.h>

#include "gateway/api/ollama/ollama_internal.h"

#define FIELD_BYTES 64
#define WHOLE_MAX 9007199254740992.0   /* 2^53: beyond it a double says nothing of whole numbers */

struct option {
    const char *name;
    bool (*take)(struct ollama_parse *p, const struct option *o, const json_t *value);
    const char *to;               /* its name in a chat-completions body */
    double min, max;
    /* Numbers: what asks for nothing; whole numbers: the largest that does; the only value of what is not honoured. */
    double off;
};

static const char *field_of(const struct option *o, char field[FIELD_BYTES])
{
    snprintf(field, FIELD_BYTES, "options.%s", o->name);
    return field;
}

static bool in_range(struct ollama_parse *p, const struct option *o, const json_t *value)
{
    char field[FIELD_BYTES];
    if (!json_is_number(value))
        return ollama_bad_type(p, field_of(o, field), "a number", value);
    double v = json_number_value(value);
    return (v >= o->min && v <= o->max) || err_set(p->err, ERR_INVALID, "'%s' must be from %.15g to %.15g",
                                                   field_of(o, field), o->min, o->max);
}

static bool take_number(struct ollama_parse *p, const struct option *o, const json_t *value)
{
    if (!in_range(p, o, value))
        return false;
    double v = json_number_value(value);
    return v == o->off || ollama_put(p, o->to, json_real(v));
}

/* Some clients write whole numbers as 40.0. */
static bool whole(struct ollama_parse *p, const struct option *o, const json_t *value, int64_t *ret)
{
    char field[FIELD_BYTES];
    if (!in_range(p, o, value))
        return false;
    double v = json_number_value(value);
    if (json_is_real(value) && (v != floor(v) || fabs(v) > WHOLE_MAX))
        return err_set(p->err, ERR_INVALID, "'%s' must be a whole number", field_of(o, field));
    *ret = json_is_integer(value) ? json_integer_value(value) : (int64_t)v;
    return true;
}

static bool take_whole(struct ollama_parse *p, const struct option *o, const json_t *value)
{
    int64_t v;
    if (!whole(p, o, value, &v))
        return false;
    return v <= (int64_t)o->off || ollama_put(p, o->to, json_integer(v));
}

static bool take_last_n(struct ollama_parse *p, const struct option *o, const json_t *value)
{
    p->has_last_n = true;
    return whole(p, o, value, &p->last_n);
}

static bool take_stop(struct ollama_parse *p, const struct option *o, const json_t *value)
{
    char field[FIELD_BYTES];
    if (!json_is_array(value) && !json_is_string(value))
        return ollama_bad_type(p, field_of(o, field), "a string or an array of strings", value);
    return (json_is_array(value) && json_array_size(value) == 0) || ollama_put(p, o->to, json_incref((json_t *)value));
}

/* Of the machine: Rung decides it, and no answer depends on it. */
static bool take_machine(struct ollama_parse *p, const struct option *o, const json_t *value)
{
    char field[FIELD_BYTES];
    return json_is_number(value) || json_is_boolean(value) ||
           ollama_bad_type(p, field_of(o, field), "a number, true or false", value);
}

static bool take_neutral(struct ollama_parse *p, const struct option *o, const json_t *value)
{
    char field[FIELD_BYTES];
    double v = json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
    if (!json_is_boolean(value) && !json_is_number(value))
        return ollama_bad_type(p, field_of(o, field), "a number, true or false", value);
    return v == o->off || err_set(p->err, ERR_INVALID, "'%s' is not supported: Rung does not sample that way; leave "
                                                       "it out", field_of(o, field));
}

static const struct option options[] = {
    {"num_ctx", take_whole, "context_length", 0, INT32_MAX, 0},
    {"num_predict", take_whole, "max_tokens", -2, INT32_MAX, 0},   /* -1 and -2: until it is done or the context full */
    {"temperature", take_number, "temperature", 0, 2, NAN},
    {"top_k", take_whole, "top_k", -1, INT32_MAX, 0},
    {"top_p", take_number, "top_p", 0, 1, 1},
    {"min_p", take_number, "min_p", 0, 1, 0},
    {"repeat_penalty", take_number, "repetition_penalty", 0.01, 100, 1},
    {"presence_penalty", take_number, "presence_penalty", -2, 2, 0},
    {"frequency_penalty", take_number, "frequency_penalty", -2, 2, 0},
    {"repeat_last_n", take_last_n, NULL, -1, INT32_MAX, 0},
    {"seed", take_whole, "seed", -1, WHOLE_MAX, -1},               /* -1: any */
    {"stop", take_stop, "stop", 0, 0, 0},
    {"num_keep", take_machine, NULL, 0, 0, 0},                     /* of a prompt that is cut: none is */
    {"num_batch", take_machine, NULL, 0, 0, 0},
    {"num_gpu", take_machine, NULL, 0, 0, 0},
    {"main_gpu", take_machine, NULL, 0, 0, 0},
    {"num_thread", take_machine, NULL, 0, 0, 0},
    {"numa", take_machine, NULL, 0, 0, 0},
    {"low_vram", take_machine, NULL, 0, 0, 0},
    {"f16_kv", take_machine, NULL, 0, 0, 0},
    {"use_mmap", take_machine, NULL, 0, 0, 0},
    {"use_mlock", take_machine, NULL, 0, 0, 0},
    {"mirostat", take_neutral, NULL, 0, 0, 0},
    {"mirostat_tau", take_machine, NULL, 0, 0, 0},                 /* of mirostat, which is off */
    {"mirostat_eta", take_machine, NULL, 0, 0, 0},
    {"typical_p", take_neutral, NULL, 0, 0, 1},
    {"tfs_z", take_neutral, NULL, 0, 0, 1},
    {"penalize_newline", take_neutral, NULL, 0, 0, 1},
    {"logits_all", take_neutral, NULL, 0, 0, 0},
    {"vocab_only", take_neutral, NULL, 0, 0, 0},
    {"embedding_only", take_neutral, NULL, 0, 0, 0},
};

/* Penalties look at the whole context, which is -1 in Ollama's words; 0 switches them off. */
static bool settle_last_n(struct ollama_parse *p)
{
    static const char *const penalties[] = {"repetition_penalty", "presence_penalty", "frequency_penalty"};
    if (!p->has_last_n)
        return true;
    for (size_t i = 0; i < sizeof penalties / sizeof penalties[0]; i++) {
        if (p->last_n == 0)
            json_object_del(p->out, penalties[i]);
        else if (p->last_n > 0 && json_object_get(p->out, penalties[i]))
            return err_set(p->err, ERR_INVALID, "'options.repeat_last_n' is not supported beside a penalty: penalties "
                                                "look at the whole context here; leave it out or say -1");
    }
    return true;
}

bool ollama_take_options(struct ollama_parse *p, const char *field, const json_t *value)
{
    const char *key;
    json_t *item;
    if (!json_is_object(value))
        return ollama_bad_type(p, field, "an object", value);
    json_object_foreach((json_t *)value, key, item)
    {
        const struct option *o = NULL;
        for (size_t i = 0; i < sizeof options / sizeof options[0] && !o; i++) {
            if (strcmp(key, options[i].name) == 0)
                o = &options[i];
        }
        if (!o)
            return err_set(p->err, ERR_INVALID, "'options.%.60s' is an unknown option; Rung refuses what it does not "
                                                "honour", key);
        if (!json_is_null(item) && !o->take(p, o, item))
            return false;
    }
    return settle_last_n(p);
}
