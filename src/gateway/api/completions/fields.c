/* Fields that several APIs beside the conversations share: texts and tokens, and what chat completions have too. */
#include "gateway/api/completions/fields.h"

#include <stdio.h>

#include "gateway/api/openai/openai.h"

bool fields_tokens(const char *field, const json_t *value, struct arena *arena, struct text_or_tokens *ret,
                   struct err *err)
{
    size_t n = json_array_size(value);
    if (n == 0 || n > COMPLETIONS_MAX_TOKENS)
        return err_set(err, ERR_INVALID, "'%s' must hold 1 to %d tokens", field, COMPLETIONS_MAX_TOKENS);
    ret->tokens = arena_array(arena, n, sizeof *ret->tokens);
    if (!ret->tokens)
        return err_nomem(err, field);
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(value, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            return err_set(err, ERR_INVALID, "'%s[%zu]' must be the number of a token", field, i);
        ret->tokens[i] = (int32_t)json_integer_value(id);
    }
    ret->n_tokens = (int64_t)n;
    return true;
}

static bool take_text(const char *field, const json_t *value, struct arena *arena, struct text_or_tokens *ret,
                      struct err *err)
{
    ret->text = arena_str(arena, (struct str){json_string_value(value), json_string_length(value)});
    return ret->text.p || err_nomem(err, field);
}

static bool take_one(const char *field, const json_t *value, struct arena *arena, struct text_or_tokens *ret,
                     struct err *err)
{
    if (json_is_string(value))
        return take_text(field, value, arena, ret, err);
    if (json_is_array(value))
        return fields_tokens(field, value, arena, ret, err);
    return err_set(err, ERR_INVALID, "'%s' must be a text or an array of tokens, not %s", field,
                   json_type_name(value));
}

bool fields_texts(const char *field, const json_t *value, int most, struct arena *arena, struct text_or_tokens **ret,
                  int *ret_n, struct err *err)
{
    bool list = json_is_array(value) && !json_is_integer(json_array_get(value, 0));
    size_t n = list ? json_array_size(value) : 1;
    if (n == 0 || n > (size_t)most)
        return err_set(err, ERR_INVALID, "'%s' has %zu texts; 1 to %d are taken", field, n, most);
    *ret = arena_array(arena, n, sizeof **ret);
    if (!*ret)
        return err_nomem(err, field);
    *ret_n = (int)n;
    if (!list)
        return take_one(field, value, arena, *ret, err);
    for (size_t i = 0; i < n; i++) {
        char name[48];
        snprintf(name, sizeof name, "%s[%zu]", field, i);
        if (!take_one(name, json_array_get(value, i), arena, &(*ret)[i], err))
            return false;
    }
    return true;
}

static bool is_one_of(const char *key, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(key, *names) == 0)
            return true;
    return false;
}

bool fields_common(const json_t *body, const char *const *common, const char *const *own, struct str message,
                   struct arena *arena, struct request *ret, struct err *err)
{
    const char *key;
    json_t *value, *chat = json_object();
    bool ok = chat != NULL;
    json_object_foreach((json_t *)body, key, value)
    {
        if (is_one_of(key, own))
            continue;
        if (!is_one_of(key, common)) {
            json_decref(chat);
            return err_set(err, ERR_INVALID, "'%.80s' is an unknown field; Rung refuses what it does not honour", key);
        }
        ok = ok && json_object_set_nocheck(chat, key, value) == 0;
    }
    json_t *messages = json_pack("[{s:s, s:s%}]", "role", "user", "content", message.n ? message.p : "", message.n);
    ok = ok && messages && json_object_set_new_nocheck(chat, "messages", messages) == 0;
    if (ok)
        return openai_parse_built(chat, arena, ret, err);
    json_decref(chat);
    return err_nomem(err, "the request");
}
