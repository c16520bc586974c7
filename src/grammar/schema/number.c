/* Numbers as terms. Bounds are exact: a bound is taken by its decimal digits, and the numbers on its good side are
 * spelled out digit by digit. Bounded numbers are written without an exponent, integers without a fraction too (the
 * validator takes 1.0 for an integer, but nobody's int field does), and none is longer than what 64 bits hold. */
#include "grammar/schema/lower.h"

#include "data/json.h"
#include "grammar/regex.h"

#define DECIMAL_MAX 352       /* digits before or after the point of a double */
#define PRECISE_DIGITS 15
#define MULTIPLE_MAX 1000     /* integers that are multiples of a divisor of this are known by their last digits */

#define WHOLE "(0|[1-9][0-9]{0,17}|[1-8][0-9]{18}|9[01][0-9]{17})"
#define EXPONENT "([eE](\\+?[0-9]{1,2}|-[0-9]{1,3}))?"

/* A magnitude and a sign: no zeros at the outer ends. */
struct decimal {
    bool negative;
    int n_whole, n_fraction;
    char whole[DECIMAL_MAX], fraction[DECIMAL_MAX];
};

/* ---- decimals ---- */

static void trim(struct decimal *d)
{
    int zeros = 0;
    while (zeros < d->n_whole && d->whole[zeros] == '0')
        zeros++;
    d->n_whole -= zeros;
    memmove(d->whole, d->whole + zeros, (size_t)d->n_whole);
    while (d->n_fraction > 0 && d->fraction[d->n_fraction - 1] == '0')
        d->n_fraction--;
    if (d->n_whole + d->n_fraction == 0)
        d->negative = false;
}

/* From JSON's own spelling of it. */
static struct decimal decimal_of(const json_t *number)
{
    struct decimal d = {0};
    struct buf text = BUF_INIT(64);
    struct json_writer writer = JSON_WRITER(&text);
    json_value(&writer, number);
    struct str s = buf_view(&text);
    d.negative = s.n > 0 && *s.p == '-';
    char digits[64];
    int n = 0, point = -1, exponent = 0;
    for (size_t i = d.negative; i < s.n && n < (int)sizeof digits; i++) {
        if (s.p[i] == 'e') {
            int64_t value = 0;
            bool plus = i + 1 < s.n && s.p[i + 1] == '+';
            str_to_i64((struct str){s.p + i + 1 + plus, s.n - i - 1 - plus}, &value);
            exponent = (int)value;
            break;
        }
        if (s.p[i] == '.')
            point = n;
        else
            digits[n++] = s.p[i];
    }
    buf_free(&text);
    point = (point < 0 ? n : point) + exponent;
    for (int at = point < 0 ? point : 0; at < n || at < point; at++) {
        char digit = at >= 0 && at < n ? digits[at] : '0';
        if (at < point && d.n_whole < DECIMAL_MAX)
            d.whole[d.n_whole++] = digit;
        else if (at >= point && d.n_fraction < DECIMAL_MAX)
            d.fraction[d.n_fraction++] = digit;
    }
    trim(&d);
    return d;
}

/* ---- terms of digits ---- */

static uint32_t compile(struct lower *w, const char *pattern)
{
    uint32_t term = EXPR_NONE;
    if (!w->failed && !regex_compile(w->x, str_of(pattern), REGEX_TEXT, true, &term, w->err))
        w->failed = true;
    return term;
}

static uint32_t digit(struct lower *w, char first, char last)
{
    struct byte_set set = {{0}};
    for (int c = first; c <= last; c++)
        set.bits[c / 64] |= 1ull << (c % 64);
    return first > last ? EXPR_NONE : expr_bytes(w->x, &set);
}

static uint32_t digits(struct lower *w, int min, int max)
{
    return expr_repeat(w->x, digit(w, '0', '9'), min, max);
}

static uint32_t literal(struct lower *w, const char *p, int n)
{
    return expr_literal(w->x, (struct str){p, (size_t)n});
}

static uint32_t join(struct lower *w, uint32_t a, uint32_t b)
{
    return expr_concat(w->x, a, b);
}

static uint32_t maybe_fraction(struct lower *w)
{
    return expr_or(w->x, EXPR_EMPTY, join(w, literal(w, ".", 1), digits(w, 1, EXPR_UNBOUNDED)));
}

static uint32_t some_digit_above_0(struct lower *w)
{
    uint32_t any = digits(w, 0, EXPR_UNBOUNDED);
    return join(w, any, join(w, digit(w, '1', '9'), any));
}

/* Strings of the length of text (or, for fractions, of any length) that first differ from it at a digit that is above,
 * or below, its own. */
static uint32_t differing(struct lower *w, const char *text, int n, bool above, bool whole)
{
    uint32_t all = EXPR_NONE;
    for (int i = 0; i < n; i++) {
        char lowest = whole && i == 0 ? '1' : '0';
        uint32_t other = above ? digit(w, (char)(text[i] + 1), '9') : digit(w, lowest, (char)(text[i] - 1));
        uint32_t rest = whole ? digits(w, n - i - 1, n - i - 1) : digits(w, 0, EXPR_UNBOUNDED);
        all = expr_or(w->x, all, join(w, literal(w, text, i), join(w, other, rest)));
    }
    return all;
}

/* What may follow the whole part of d itself. */
static uint32_t fraction_from(struct lower *w, const struct decimal *d, bool strict)
{
    uint32_t point = literal(w, ".", 1);
    if (d->n_fraction == 0)
        return strict ? join(w, point, some_digit_above_0(w)) : maybe_fraction(w);
    uint32_t same = join(w, literal(w, d->fraction, d->n_fraction),
                         strict ? some_digit_above_0(w) : digits(w, 0, EXPR_UNBOUNDED));
    return join(w, point, expr_or(w->x, same, differing(w, d->fraction, d->n_fraction, true, false)));
}

static uint32_t fraction_to(struct lower *w, const struct decimal *d, bool strict)
{
    uint32_t zero = literal(w, "0", 1), point = literal(w, ".", 1);
    if (d->n_fraction == 0) {
        uint32_t zeros = join(w, point, expr_repeat(w->x, zero, 1, EXPR_UNBOUNDED));
        return strict ? EXPR_NONE : expr_or(w->x, EXPR_EMPTY, zeros);
    }
    uint32_t tail = differing(w, d->fraction, d->n_fraction, false, false);
    for (int i = 1; i < d->n_fraction; i++)
        tail = expr_or(w->x, tail, literal(w, d->fraction, i));
    if (!strict)
        tail = expr_or(w->x, tail, join(w, literal(w, d->fraction, d->n_fraction),
                                        expr_repeat(w->x, zero, 0, EXPR_UNBOUNDED)));
    return expr_or(w->x, EXPR_EMPTY, join(w, point, tail));
}

/* Magnitudes from d on. */
static uint32_t magnitude_from(struct lower *w, const struct decimal *d, bool strict)
{
    uint32_t longer = join(w, digit(w, '1', '9'), digits(w, d->n_whole, EXPR_UNBOUNDED));
    uint32_t more = expr_or(w->x, longer, differing(w, d->whole, d->n_whole, true, true));
    uint32_t same = d->n_whole ? literal(w, d->whole, d->n_whole) : literal(w, "0", 1);
    return expr_or(w->x, join(w, more, maybe_fraction(w)), join(w, same, fraction_from(w, d, strict)));
}

/* Magnitudes up to d. */
static uint32_t magnitude_to(struct lower *w, const struct decimal *d, bool strict)
{
    if (d->n_whole == 0)
        return join(w, literal(w, "0", 1), fraction_to(w, d, strict));
    uint32_t less = expr_or(w->x, literal(w, "0", 1), differing(w, d->whole, d->n_whole, false, true));
    if (d->n_whole > 1)
        less = expr_or(w->x, less, join(w, digit(w, '1', '9'), digits(w, 0, d->n_whole - 2)));
    uint32_t same = join(w, literal(w, d->whole, d->n_whole), fraction_to(w, d, strict));
    return expr_or(w->x, join(w, less, maybe_fraction(w)), same);
}

/* ---- bounds ---- */

static bool is_zero(const struct decimal *d)
{
    return d->n_whole + d->n_fraction == 0;
}

/* Numbers that a double keeps apart from all their neighbours of as many digits: a fraction has at most 15 digits in
 * all. Where a number must not be some other one, longer ones might be rounded to it. */
static uint32_t precise(struct lower *w)
{
    struct buf pattern = BUF_INIT(4096);
    if (w->precise == EXPR_NONE) {
        buf_puts(&pattern, "-?(" WHOLE);
        for (int whole = 1; whole < PRECISE_DIGITS; whole++)
            buf_printf(&pattern, "|(0|[1-9][0-9]{0,%d})\\.[0-9]{1,%d}", whole - 1, PRECISE_DIGITS - whole);
        buf_puts(&pattern, ")");
        w->precise = compile(w, buf_view(&pattern).p);
        buf_free(&pattern);
    }
    return w->precise;
}

/* Numbers on d's right side (above) or left side; zero is where exponents do no harm. */
static uint32_t beyond(struct lower *w, const struct decimal *d, bool above, bool strict)
{
    uint32_t minus = literal(w, "-", 1);
    if (is_zero(d) && !strict)
        return compile(w, above ? WHOLE "(\\.[0-9]+)?" EXPONENT : "0|-" WHOLE "(\\.[0-9]+)?" EXPONENT);
    const struct decimal zero = {0};
    uint32_t far = magnitude_from(w, &zero, false);   /* of the sign that lies wholly on that side */
    if (is_zero(d))
        return above ? magnitude_from(w, d, true) : join(w, minus, magnitude_from(w, d, true));
    if (above)
        return d->negative ? expr_or(w->x, far, join(w, minus, magnitude_to(w, d, strict)))
                           : magnitude_from(w, d, strict);
    return d->negative ? join(w, minus, magnitude_from(w, d, strict))
                       : expr_or(w->x, join(w, minus, far), magnitude_to(w, d, strict));
}

static uint32_t bounded(struct lower *w, uint32_t term, const json_t *bound, bool above, bool strict)
{
    if (!json_is_number(bound))
        return term;
    const struct decimal d = decimal_of(bound);
    if (strict && !is_zero(&d))
        term = expr_and(w->x, term, precise(w));
    return expr_and(w->x, term, beyond(w, &d, above, strict));
}

/* ---- multiples ---- */

static int64_t power_of_10(const struct decimal *d, bool *ret_fraction)
{
    bool whole = d->n_whole > 0 && d->n_fraction == 0, fraction = d->n_whole == 0 && d->n_fraction > 0;
    *ret_fraction = fraction;
    const char *digits = whole ? d->whole : d->fraction;
    int n = whole ? d->n_whole : d->n_fraction, at = whole ? 0 : n - 1;
    for (int i = 0; i < n; i++)
        if (digits[i] != (i == at ? '1' : '0'))
            return 0;
    return whole || fraction ? n : 0;
}

/* Integers whose last digits say that `divisor` divides them: it divides 10, 100 or 1,000. */
static uint32_t last_digits(struct lower *w, int divisor)
{
    int n = 1, modulus = 10;
    while (modulus % divisor != 0) {
        modulus *= 10;
        n++;
    }
    uint32_t ends = EXPR_NONE, alone = EXPR_NONE;
    for (int value = 0; value < modulus; value += divisor) {
        char text[16];
        int length = snprintf(text, sizeof text, "%0*d", n, value), zeros = 0;
        ends = expr_or(w->x, ends, literal(w, text, length));
        while (zeros < length - 1 && text[zeros] == '0')
            zeros++;
        alone = expr_or(w->x, alone, literal(w, text + zeros, length - zeros));
    }
    uint32_t before = join(w, digit(w, '1', '9'), digits(w, 0, EXPR_UNBOUNDED));
    uint32_t magnitude = expr_or(w->x, alone, join(w, before, ends));
    return join(w, expr_or(w->x, EXPR_EMPTY, literal(w, "-", 1)), magnitude);
}

static uint32_t multiples(struct lower *w, uint32_t term, const struct subschema *sub, unsigned types)
{
    const json_t *multiple = schema_get(sub, "multipleOf");
    if (!multiple)
        return term;
    const struct decimal d = decimal_of(multiple);
    bool fraction, integers = !(types & TYPE_FRACTION);
    int64_t power = power_of_10(&d, &fraction);
    if (integers && (fraction ? power > 0 : power == 1))
        return term;
    if (!integers && (fraction ? power > 0 : power == 1)) {
        uint32_t zeros = expr_repeat(w->x, literal(w, "0", 1), 0, EXPR_UNBOUNDED);
        uint32_t after = fraction ? join(w, digits(w, 1, (int)power), zeros) : join(w, literal(w, "0", 1), zeros);
        uint32_t whole = compile(w, "-?" WHOLE), point = literal(w, ".", 1);
        term = expr_and(w->x, term, precise(w));
        return expr_and(w->x, term, join(w, whole, expr_or(w->x, EXPR_EMPTY, join(w, point, after))));
    }
    double value = json_number_value(multiple);
    if (integers && d.n_fraction == 0 && value <= MULTIPLE_MAX && MULTIPLE_MAX % (int)value == 0)
        return expr_and(w->x, term, last_digits(w, (int)value));
    lower_leave(w, sub, "multipleOf");
    return term;
}

/* ---- all of it ---- */

static uint32_t holding(struct lower *w, uint32_t term, const struct subschema *sub, unsigned types)
{
    const json_t *above = schema_get(sub, "exclusiveMinimum"), *below = schema_get(sub, "exclusiveMaximum");
    term = bounded(w, term, schema_get(sub, "minimum"), true, json_is_true(above));
    term = bounded(w, term, schema_get(sub, "maximum"), false, json_is_true(below));
    term = bounded(w, term, above, true, true);
    term = bounded(w, term, below, false, true);
    return multiples(w, term, sub, types);
}

static uint32_t excluded(struct lower *w, uint32_t term, const json_t *value)
{
    if (!json_is_number(value))
        return term;
    const struct decimal d = decimal_of(value);
    uint32_t more = beyond(w, &d, true, true), less = beyond(w, &d, false, true);
    return expr_and(w->x, expr_and(w->x, term, precise(w)), expr_or(w->x, more, less));
}

static uint32_t breaking(struct lower *w, uint32_t term, const struct part *part)
{
    const json_t *value = schema_get(part->sub, part->name), *one;
    size_t i;
    switch (schema_keyword(part->name)) {
    case KEYWORD_MINIMUM:
        return bounded(w, term, value, false, !json_is_true(schema_get(part->sub, "exclusiveMinimum")));
    case KEYWORD_MAXIMUM:
        return bounded(w, term, value, true, !json_is_true(schema_get(part->sub, "exclusiveMaximum")));
    case KEYWORD_EXCLUSIVE_MINIMUM: return bounded(w, term, value, false, false);
    case KEYWORD_EXCLUSIVE_MAXIMUM: return bounded(w, term, value, true, false);
    case KEYWORD_MULTIPLE_OF: lower_leave(w, part->sub, NULL); return term;
    case KEYWORD_CONST: return excluded(w, term, value);
    case KEYWORD_ENUM:
        for (i = 0; (one = json_array_get(value, i)); i++)
            term = excluded(w, term, one);
        return term;
    default: return EXPR_NONE;   /* only numbers break it */
    }
}

static uint32_t unbounded(struct lower *w, unsigned types)
{
    if (types == TYPE_FRACTION)
        return expr_and(w->x, precise(w), compile(w, "-?[0-9]+\\.[0-9]*[1-9][0-9]*"));
    uint32_t *kept = types == TYPE_INTEGER ? &w->integer : &w->number;
    if (*kept == EXPR_NONE)
        *kept = compile(w, types == TYPE_INTEGER ? "-?" WHOLE : "-?" WHOLE "(\\.[0-9]+)?" EXPONENT);
    return *kept;
}

uint32_t number_term(struct lower *w, const struct conjunction *c)
{
    unsigned types = c->types & TYPE_NUMBER;
    uint32_t term = types ? unbounded(w, types) : EXPR_NONE;
    for (int i = 0; i < c->n && term != EXPR_NONE; i++) {
        const struct part *part = &c->parts[i];
        if (part->kind == PART_HOLDS && json_is_object(part->sub->json))
            term = holding(w, term, part->sub, types);
        else if (part->kind == PART_WITHOUT)
            term = breaking(w, term, part);
    }
    return term;
}
