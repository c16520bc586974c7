/* Writing JSON straight into a buffer: commas, escapes and numbers. Whether the document says the right thing is the
 * caller's business; when it grows too long, the buffer's sticky error says so. */
#include "data/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define JSON_WRITE_LEVELS 64 /* bits of need_comma; our own documents are far flatter */
#define F64_TEXT_MAX 32

static void before_value(struct json_writer *w)
{
    uint64_t bit = (uint64_t)1 << w->depth;
    if (w->need_comma & bit)
        buf_char(w->out, ',');
    w->need_comma |= bit;
}

static void open_level(struct json_writer *w, char bracket)
{
    before_value(w);
    if (w->depth + 1 >= JSON_WRITE_LEVELS) {
        buf_grow(w->out, SIZE_MAX); /* more than any buffer takes: the sticky error */
        return;
    }
    buf_char(w->out, bracket);
    w->depth++;
    w->need_comma &= ~((uint64_t)1 << w->depth);
}

static void close_level(struct json_writer *w, char bracket)
{
    buf_char(w->out, bracket);
    if (w->depth > 0)
        w->depth--;
}

void json_open_object(struct json_writer *w)
{
    open_level(w, '{');
}

void json_close_object(struct json_writer *w)
{
    close_level(w, '}');
}

void json_open_array(struct json_writer *w)
{
    open_level(w, '[');
}

void json_close_array(struct json_writer *w)
{
    close_level(w, ']');
}

static void add_escape(struct buf *b, unsigned char c)
{
    static const char letters[0x20] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c == '"' || c == '\\')
        buf_printf(b, "\\%c", c);
    else if (letters[c])
        buf_printf(b, "\\%c", letters[c]);
    else
        buf_printf(b, "\\u%04x", c);
}

/* Runs of ordinary text are copied whole; only what must change is touched. */
static void add_quoted(struct buf *b, struct str s)
{
    size_t run = 0, at = 0;
    buf_char(b, '"');
    while (at < s.n) {
        unsigned char c = (unsigned char)s.p[at];
        int len = 1;
        bool bad = c >= 0x80 && utf8_decode(s, at, &len) == UTF8_BAD;
        if (bad || c < 0x20 || c == '"' || c == '\\') {
            buf_add(b, s.p + run, at - run);
            if (bad)
                buf_puts(b, "\xEF\xBF\xBD");
            else
                add_escape(b, c);
            run = at + 1;
        }
        at += (size_t)len;
    }
    if (s.n > run)
        buf_add(b, s.p + run, s.n - run);
    buf_char(b, '"');
}

void json_key(struct json_writer *w, const char *key)
{
    before_value(w);
    add_quoted(w->out, str_of(key));
    buf_char(w->out, ':');
    w->need_comma &= ~((uint64_t)1 << w->depth);
}

void json_str(struct json_writer *w, struct str s)
{
    before_value(w);
    add_quoted(w->out, s);
}

void json_cstr(struct json_writer *w, const char *s)
{
    if (s)
        json_str(w, str_of(s));
    else
        json_null_value(w);
}

void json_i64(struct json_writer *w, int64_t v)
{
    before_value(w);
    buf_printf(w->out, "%" PRId64, v);
}

/* Fifteen digits hold every normal double that a person typed; a subnormal may need fewer, the rest needs 16 or 17. */
/* A number of up to 15 digits with at most 12 behind the point, which most are: two different ones of so few digits are
 * never the same double, so what divides back to v is the shortest there is. */
static bool add_decimal(struct buf *b, double v)
{
    static const struct {
        double scale;
        int places;
    } steps[] = {{1, 0}, {1e3, 3}, {1e6, 6}, {1e12, 12}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        double scaled = fabs(v) * steps[i].scale;
        if (scaled >= 1e15)
            return false;
        int64_t k = llrint(scaled);
        if ((double)k / steps[i].scale != fabs(v))
            continue;
        char text[24], *end = text + sizeof text, *p = end;
        int places = steps[i].places;
        for (; places && k % 10 == 0; places--)
            k /= 10;
        for (int n = 0; n <= places || k; n++) {
            if (n == places && n > 0)
                *--p = '.';
            *--p = (char)('0' + k % 10);
            k /= 10;
        }
        if (v < 0)
            *--p = '-';
        buf_add(b, p, (size_t)(end - p));
        return true;
    }
    return false;
}

static void add_f64(struct buf *b, double v)
{
    char text[F64_TEXT_MAX];
    if (v != 0 && add_decimal(b, v))
        return;
    if (!isfinite(v)) {
        buf_puts(b, "null");
        return;
    }
    for (int digits = fpclassify(v) == FP_SUBNORMAL ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    for (char *c = text; *c; c++)
        if (!strchr("0123456789+-e", *c))
            *c = '.'; /* whatever the locale takes for a decimal point */
    buf_puts(b, text);
    if (v == 0 && signbit(v))
        buf_puts(b, ".0"); /* "-0" would be read as the integer 0 */
}

void json_f64(struct json_writer *w, double v)
{
    before_value(w);
    add_f64(w->out, v);
}

void json_bool_value(struct json_writer *w, bool v)
{
    before_value(w);
    buf_puts(w->out, v ? "true" : "false");
}

void json_null_value(struct json_writer *w)
{
    before_value(w);
    buf_puts(w->out, "null");
}

void json_raw(struct json_writer *w, struct str json)
{
    before_value(w);
    buf_str(w->out, json);
}

static void add_value(struct buf *b, const json_t *v);

static void add_object(struct buf *b, const json_t *object)
{
    bool first = true;
    json_t *mutable = (json_t *)(uintptr_t)object; /* jansson's iterators ask for it, they change nothing */
    buf_char(b, '{');
    for (void *it = json_object_iter(mutable); it; it = json_object_iter_next(mutable, it)) {
        if (!first)
            buf_char(b, ',');
        first = false;
        add_quoted(b, str_of(json_object_iter_key(it)));
        buf_char(b, ':');
        add_value(b, json_object_iter_value(it));
    }
    buf_char(b, '}');
}

static void add_array(struct buf *b, const json_t *array)
{
    buf_char(b, '[');
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0)
            buf_char(b, ',');
        add_value(b, json_array_get(array, i));
    }
    buf_char(b, ']');
}

/* As deep as the value, which json_parse bounds. */
static void add_value(struct buf *b, const json_t *v)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_OBJECT: add_object(b, v); break;
    case JSON_ARRAY: add_array(b, v); break;
    case JSON_STRING: add_quoted(b, (struct str){json_string_value(v), json_string_length(v)}); break;
    case JSON_INTEGER: buf_printf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(v)); break;
    case JSON_REAL: add_f64(b, json_real_value(v)); break;
    case JSON_TRUE: buf_puts(b, "true"); break;
    case JSON_FALSE: buf_puts(b, "false"); break;
    case JSON_NULL: buf_puts(b, "null"); break;
    }
}

void json_value(struct json_writer *w, const json_t *v)
{
    before_value(w);
    add_value(w->out, v);
}

void json_put_str(struct json_writer *w, const char *key, struct str s)
{
    json_key(w, key);
    json_str(w, s);
}

void json_put_cstr(struct json_writer *w, const char *key, const char *s)
{
    json_key(w, key);
    json_cstr(w, s);
}

void json_put_i64(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_i64(w, v);
}

void json_put_f64(struct json_writer *w, const char *key, double v)
{
    json_key(w, key);
    json_f64(w, v);
}

void json_put_bool(struct json_writer *w, const char *key, bool v)
{
    json_key(w, key);
    json_bool_value(w, v);
}

void json_put_raw(struct json_writer *w, const char *key, struct str json)
{
    json_key(w, key);
    json_raw(w, json);
}
