/* Any JSON: white space, strings, numbers and nested values about which no schema says more. What a schema says is the
 * business of grammar/schema. */
#include "grammar/frontends.h"
#include "grammar/regex.h"

#define SPACE_MAX_INDENT 32

/* ---- parts ---- */

static uint32_t literal(struct rules *r, const char *text)
{
    return rules_term(r, expr_literal(rules_exprs(r), str_of(text)));
}

static uint32_t space_term(struct exprs *x)
{
    struct byte_set blanks = {{0}};
    blanks.bits[0] = 1ull << ' ' | 1ull << '\t';
    uint32_t indent = expr_repeat(x, expr_bytes(x, &blanks), 0, SPACE_MAX_INDENT);
    const uint32_t ways[] = {EXPR_EMPTY, expr_literal(x, STR(" ")), expr_concat(x, expr_literal(x, STR("\n")), indent)};
    return expr_or_all(x, ways, 3);
}

/* Between quotes. Without U+0000, which readers in C stumble over. */
static uint32_t string_term(struct exprs *x)
{
    static const struct code_range all[] = {{1, 0x10FFFF}};
    uint32_t body = expr_repeat(x, regex_code_points(x, REGEX_JSON, all, 1), 0, EXPR_UNBOUNDED);
    uint32_t quote = expr_literal(x, STR("\""));
    return expr_concat(x, quote, expr_concat(x, body, quote));
}

/* What surely fits: integers below 9.2 * 10^18 in 64 bits, an exponent of two digits or a negative one of three in a
 * double. */
static uint32_t scalar_term(struct exprs *x)
{
    static const char number[] = "-?(0|[1-9][0-9]{0,17}|[1-8][0-9]{18}|9[01][0-9]{17})(\\.[0-9]+)?"
                                 "([eE](\\+?[0-9]{1,2}|-[0-9]{1,3}))?";
    uint32_t numbers = EXPR_NONE;
    if (!regex_compile(x, STR(number), REGEX_TEXT, true, &numbers, NULL))
        return EXPR_NONE;
    const uint32_t ways[] = {string_term(x), numbers, expr_literal(x, STR("true")), expr_literal(x, STR("false")),
                             expr_literal(x, STR("null"))};
    return expr_or_all(x, ways, 5);
}

/* ---- values ---- */

struct json_parts {
    struct rules *rules;
    uint32_t space, comma, colon;
    uint32_t key;       /* term */
    uint32_t scalar;
};

static struct json_parts parts_of(struct rules *r, enum json_space space)
{
    struct exprs *x = rules_exprs(r);
    uint32_t white = space == JSON_SPACE_NONE ? EXPR_EMPTY : space_term(x);
    return (struct json_parts){
        .rules = r,
        .space = rules_term(r, white),
        .comma = rules_term(r, expr_concat(x, expr_literal(x, STR(",")), white)),
        .colon = rules_term(r, expr_concat(x, expr_literal(x, STR(":")), white)),
        .key = string_term(x),
        .scalar = rules_term(r, scalar_term(x)),
    };
}

/* `open`, then nothing or what stands inside, then `close`. */
static uint32_t enclosed(const struct json_parts *p, const char *open, uint32_t inside, const char *close)
{
    struct rules *r = p->rules;
    uint32_t end = literal(r, close);
    const uint32_t full[] = {inside, p->space, end};
    const uint32_t ways[] = {end, rules_sequence(r, full, 3)};
    const uint32_t all[] = {literal(r, open), p->space, rules_choice(r, ways, 2)};
    return rules_sequence(r, all, 3);
}

static uint32_t object_of(const struct json_parts *p, uint32_t value)
{
    const struct rule_field any = {.key = p->key, .value = value, .many = true};
    const struct rule_object object = {.fields = &any, .n_fields = 1, .min = 1, .max = EXPR_UNBOUNDED,
                                       .colon = p->colon, .separator = p->comma};
    return enclosed(p, "{", rules_members(p->rules, &object), "}");
}

static uint32_t array_of(const struct json_parts *p, uint32_t value)
{
    return enclosed(p, "[", rules_repeat(p->rules, value, p->comma, 1, EXPR_UNBOUNDED), "]");
}

/* A value of at most `depth` levels of objects and arrays. */
static uint32_t value_of(const struct json_parts *p, int depth)
{
    uint32_t value = p->scalar;
    for (int i = 0; i < depth; i++) {
        const uint32_t ways[] = {p->scalar, object_of(p, value), array_of(p, value)};
        value = rules_choice(p->rules, ways, 3);
    }
    return value;
}

uint32_t rules_json_space(struct rules *r, enum json_space space)
{
    return space == JSON_SPACE_NONE ? rules_empty(r) : rules_term(r, space_term(rules_exprs(r)));
}

uint32_t rules_json_value(struct rules *r, enum json_space space)
{
    struct json_parts p = parts_of(r, space);
    return value_of(&p, JSON_ANY_MAX_DEPTH);
}

uint32_t rules_json_object(struct rules *r, enum json_space space)
{
    struct json_parts p = parts_of(r, space);
    return object_of(&p, value_of(&p, JSON_ANY_MAX_DEPTH - 1));
}
