/* A pushdown automaton over JSON text with one bit a level. It keeps no byte; who calls it does. */
#include "text/toolcall/scan.h"

#include <stddef.h>

#include "text/toolcall.h"

enum {
    VALUE,               /* a value must come */
    VALUE_OR_END,        /* or the array's end */
    KEY_OR_END, KEY, COLON, NEXT,
    STRING, KEY_STRING, ESCAPE, KEY_ESCAPE, UNICODE, KEY_UNICODE,
    LITERAL,
    NUMBER_MINUS, NUMBER_ZERO, NUMBER_WHOLE, NUMBER_POINT, NUMBER_FRACTION, NUMBER_E, NUMBER_E_SIGN, NUMBER_EXPONENT,
};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool json_scan_in_object(const struct json_scan *s)
{
    return s->depth > 0 && (s->objects >> (s->depth - 1) & 1);
}

static enum scan_result ended(struct json_scan *s, enum scan_result at_top)
{
    if (s->depth == 0)
        return at_top;
    s->state = NEXT;
    return SCAN_MORE;
}

static enum scan_result open_level(struct json_scan *s, bool object)
{
    if (s->depth == TOOLCALL_MAX_NESTING)
        return SCAN_BAD;
    uint64_t bit = 1ull << s->depth++;
    s->objects = object ? s->objects | bit : s->objects & ~bit;
    s->state = object ? KEY_OR_END : VALUE_OR_END;
    return SCAN_MORE;
}

static enum scan_result close_level(struct json_scan *s, bool object)
{
    if (json_scan_in_object(s) != object || s->depth == 0)
        return SCAN_BAD;
    s->depth--;
    return ended(s, SCAN_DONE);
}

static enum scan_result begin_literal(struct json_scan *s, const char *rest)
{
    s->literal = rest;
    s->state = LITERAL;
    return SCAN_MORE;
}

static enum scan_result begin_value(struct json_scan *s, char c)
{
    switch (c) {
    case '{': return open_level(s, true);
    case '[': return open_level(s, false);
    case '"': s->state = STRING; return SCAN_MORE;
    case 't': return begin_literal(s, "rue");
    case 'f': return begin_literal(s, "alse");
    case 'n': return begin_literal(s, "ull");
    case '-': s->state = NUMBER_MINUS; return SCAN_MORE;
    case '0': s->state = NUMBER_ZERO; return SCAN_MORE;
    default:
        s->state = NUMBER_WHOLE;
        return is_digit(c) ? SCAN_MORE : SCAN_BAD;
    }
}

static enum scan_result in_string(struct json_scan *s, char c, bool key)
{
    if (c == 0 || (s->high && c != '\\'))
        return SCAN_BAD;
    if (c == '\\') {
        s->state = key ? KEY_ESCAPE : ESCAPE;
    } else if (c == '"') {
        if (!key)
            return ended(s, SCAN_DONE);
        s->state = COLON;
    }
    return SCAN_MORE;
}

static enum scan_result in_escape(struct json_scan *s, char c, bool key)
{
    s->state = key ? KEY_STRING : STRING;
    if (c == 'u') {
        s->hex = 4;
        s->unit = 0;
        s->state = key ? KEY_UNICODE : UNICODE;
        return SCAN_MORE;
    }
    if (s->high)
        return SCAN_BAD;
    switch (c) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't': return SCAN_MORE;
    default: return SCAN_BAD;
    }
}

/* Surrogates come in pairs and no character is NUL, or a reader of the arguments would refuse them. */
static enum scan_result in_unicode(struct json_scan *s, char c, bool key)
{
    int digit = is_digit(c) ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
    if (digit < 0)
        return SCAN_BAD;
    s->unit = (uint16_t)(s->unit << 4 | digit);
    if (--s->hex > 0)
        return SCAN_MORE;
    bool low = s->unit >= 0xDC00 && s->unit <= 0xDFFF;
    if (s->unit == 0 || low != (s->high != 0))
        return SCAN_BAD;
    s->high = s->unit >= 0xD800 && s->unit <= 0xDBFF ? s->unit : 0;
    s->state = key ? KEY_STRING : STRING;
    return SCAN_MORE;
}

static enum scan_result in_number(struct json_scan *s, char c)
{
    bool digit = is_digit(c);
    switch (s->state) {
    case NUMBER_MINUS:
        s->state = c == '0' ? NUMBER_ZERO : NUMBER_WHOLE;
        return digit ? SCAN_MORE : SCAN_BAD;
    case NUMBER_POINT:
        s->state = NUMBER_FRACTION;
        return digit ? SCAN_MORE : SCAN_BAD;
    case NUMBER_E:
        s->state = digit ? NUMBER_EXPONENT : NUMBER_E_SIGN;
        return digit || c == '+' || c == '-' ? SCAN_MORE : SCAN_BAD;
    case NUMBER_E_SIGN:
        s->state = NUMBER_EXPONENT;
        return digit ? SCAN_MORE : SCAN_BAD;
    default:
        break;
    }
    if (digit && s->state != NUMBER_ZERO)
        return SCAN_MORE;
    if (c == '.' && (s->state == NUMBER_ZERO || s->state == NUMBER_WHOLE))
        s->state = NUMBER_POINT;
    else if ((c == 'e' || c == 'E') && s->state != NUMBER_EXPONENT)
        s->state = NUMBER_E;
    else if (s->depth == 0)
        return SCAN_OVER;
    else {
        s->state = NEXT;
        return json_scan_byte(s, c);
    }
    return SCAN_MORE;
}

/* Between values: white space, punctuation, and beginnings. */
static enum scan_result between(struct json_scan *s, char c)
{
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
        return SCAN_MORE;
    switch (s->state) {
    case VALUE_OR_END:
        return c == ']' ? close_level(s, false) : begin_value(s, c);
    case KEY_OR_END:
    case KEY:
        if (c == '}' && s->state == KEY_OR_END)
            return close_level(s, true);
        s->state = KEY_STRING;
        return c == '"' ? SCAN_MORE : SCAN_BAD;
    case COLON:
        s->state = VALUE;
        return c == ':' ? SCAN_MORE : SCAN_BAD;
    case NEXT:
        if (c != ',')
            return c == '}' || c == ']' ? close_level(s, c == '}') : SCAN_BAD;
        s->state = json_scan_in_object(s) ? KEY : VALUE;
        return SCAN_MORE;
    default:
        return begin_value(s, c);
    }
}

enum scan_result json_scan_byte(struct json_scan *s, char c)
{
    switch (s->state) {
    case STRING:
    case KEY_STRING: return in_string(s, c, s->state == KEY_STRING);
    case ESCAPE:
    case KEY_ESCAPE: return in_escape(s, c, s->state == KEY_ESCAPE);
    case UNICODE:
    case KEY_UNICODE: return in_unicode(s, c, s->state == KEY_UNICODE);
    case LITERAL:
        if (c != *s->literal)
            return SCAN_BAD;
        return *++s->literal ? SCAN_MORE : ended(s, SCAN_DONE);
    case VALUE: case VALUE_OR_END: case KEY_OR_END: case KEY: case COLON: case NEXT: return between(s, c);
    default: return in_number(s, c);
    }
}
