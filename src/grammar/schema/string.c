/* Strings as terms: what stands between the quotes, in the spelling of REGEX_JSON. Patterns, formats and lengths are
 * intersected, what is not to hold is taken away. */
#include "grammar/schema/lower.h"

#include "grammar/regex.h"
#include "grammar/schema/formats.h"

/* One character: any but U+0000, which readers in C stumble over. */
static uint32_t character(struct lower *w)
{
    static const struct code_range all[] = {{1, 0x10FFFF}};
    if (w->character == EXPR_NONE)
        w->character = regex_code_points(w->x, REGEX_JSON, all, 1);
    return w->character;
}

uint32_t string_any(struct lower *w)
{
    return expr_repeat(w->x, character(w), 0, EXPR_UNBOUNDED);
}

uint32_t string_quoted(struct lower *w, uint32_t content)
{
    if (w->quote == EXPR_NONE)
        w->quote = expr_literal(w->x, STR("\""));
    return content == EXPR_NONE ? EXPR_NONE
                                : expr_concat(w->x, w->quote, expr_concat(w->x, content, w->quote));
}

uint32_t string_spelled(struct lower *w, const char *text, size_t n)
{
    return regex_text(w->x, REGEX_JSON, (struct str){text, n});
}

/* Lengths, as far as terms can count; beyond that they are validated after. */
struct lengths {
    int64_t min, max;
};

static uint32_t of_length(struct lower *w, struct lengths lengths)
{
    if (lengths.max != EXPR_UNBOUNDED && lengths.max < lengths.min)
        return EXPR_NONE;
    if (lengths.min > EXPR_MAX_REPEAT || lengths.max > EXPR_MAX_REPEAT)
        w->loose = true;
    int min = lengths.min > EXPR_MAX_REPEAT ? EXPR_MAX_REPEAT : (int)lengths.min;
    int max = lengths.max > EXPR_MAX_REPEAT ? EXPR_UNBOUNDED : (int)lengths.max;
    return expr_repeat(w->x, character(w), min, max);
}

static void at_least(struct lengths *lengths, int64_t min)
{
    if (min > lengths->min)
        lengths->min = min;
}

static void at_most(struct lengths *lengths, int64_t max)
{
    if (lengths->max == EXPR_UNBOUNDED || max < lengths->max)
        lengths->max = max;
}

uint32_t string_pattern(struct lower *w, const struct subschema *sub, const char *keyword, struct str pattern,
                        bool anchored)
{
    uint32_t term = EXPR_NONE;
    struct err err = ERR_INIT;
    if (w->failed || regex_compile(w->x, pattern, REGEX_JSON, anchored, &term, &err))
        return term;
    if (schema_options_of(w->schema)->relaxed && err.code == ERR_UNSUPPORTED) {
        if (schema_keyword(keyword) == KEYWORD_PATTERN)
            lower_tell(w, sub, keyword);   /* the validator ignores it too */
        else
            lower_leave(w, sub, keyword);
        return string_any(w);
    }
    lower_fail(w, err.code, "'%s' at %s: %s", keyword, sub->path[0] ? sub->path : "the top", err.msg);
    return EXPR_NONE;
}

/* The term of a keyword that is a regular expression in one form or the other; any string for others. */
static uint32_t matching(struct lower *w, const struct subschema *sub, const char *keyword)
{
    const json_t *value = schema_get(sub, keyword);
    struct str text = {json_string_value(value), json_string_length(value)};
    if (strcmp(keyword, "pattern") == 0)
        return string_pattern(w, sub, keyword, text, false);
    bool asserted = schema_options_of(w->schema)->formats;
    const char *format = asserted ? schema_format_pattern(text) : NULL;
    if (asserted && str_is(text, "regex"))
        lower_leave(w, sub, "format");
    return format ? string_pattern(w, sub, keyword, str_of(format), true) : string_any(w);
}

static uint32_t holding(struct lower *w, uint32_t term, const struct subschema *sub, struct lengths *lengths)
{
    const json_t *min = schema_get(sub, "minLength"), *max = schema_get(sub, "maxLength");
    if (min)
        at_least(lengths, count_of(min));
    if (max)
        at_most(lengths, count_of(max));
    if (schema_get(sub, "pattern"))
        term = expr_and(w->x, term, matching(w, sub, "pattern"));
    if (schema_get(sub, "format"))
        term = expr_and(w->x, term, matching(w, sub, "format"));
    return term;
}

static uint32_t excluded(struct lower *w, uint32_t term, const json_t *value)
{
    if (!json_is_string(value))
        return term;
    uint32_t text = string_spelled(w, json_string_value(value), json_string_length(value));
    return expr_and(w->x, term, expr_not(w->x, text));
}

static uint32_t breaking(struct lower *w, uint32_t term, const struct part *part, struct lengths *lengths)
{
    const json_t *value = schema_get(part->sub, part->name), *one;
    size_t i;
    switch (schema_keyword(part->name)) {
    case KEYWORD_MIN_LENGTH: at_most(lengths, count_of(value) - 1); return count_of(value) > 0 ? term : EXPR_NONE;
    case KEYWORD_MAX_LENGTH: at_least(lengths, count_of(value) + 1); return term;
    case KEYWORD_PATTERN: case KEYWORD_FORMAT:
        return expr_and(w->x, term, expr_not(w->x, matching(w, part->sub, part->name)));
    case KEYWORD_CONST: return excluded(w, term, value);
    case KEYWORD_ENUM:
        for (i = 0; (one = json_array_get(value, i)); i++)
            term = excluded(w, term, one);
        return term;
    default: return EXPR_NONE;   /* only strings break it */
    }
}

uint32_t string_content(struct lower *w, const struct conjunction *c)
{
    struct lengths lengths = {0, EXPR_UNBOUNDED};
    uint32_t term = string_any(w);
    for (int i = 0; i < c->n && term != EXPR_NONE; i++) {
        const struct part *part = &c->parts[i];
        if (part->kind == PART_HOLDS && json_is_object(part->sub->json))
            term = holding(w, term, part->sub, &lengths);
        else if (part->kind == PART_WITHOUT)
            term = breaking(w, term, part, &lengths);
    }
    if (lengths.min > 0 || lengths.max != EXPR_UNBOUNDED)
        term = term == string_any(w) ? of_length(w, lengths) : expr_and(w->x, of_length(w, lengths), term);
    return term;
}

uint32_t string_goal(struct lower *w, const struct parts *parts)
{
    uint32_t term = EXPR_NONE;
    const json_t *value;
    struct parts strings = {0};
    for (int i = 0; i < parts->n; i++)
        parts_add(w, &strings, parts->at[i]);
    parts_add(w, &strings, (struct part){.kind = PART_TYPES, .types = TYPE_STRING});
    for (const struct conjunction *c = expand(w, &strings); c && !w->failed; c = c->next) {
        if (!c->finite)
            term = expr_or(w->x, term, string_content(w, c));
        for (size_t i = 0; c->finite && (value = finite_value(c, i)); i++)
            if (json_is_string(value) && values_admit(w, c, value))
                term = expr_or(w->x, term, string_spelled(w, json_string_value(value), json_string_length(value)));
    }
    return term;
}
