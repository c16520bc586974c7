/* The escapes between a user's text and a rendered template. U+FDD0 breaks a name in two; characters U+FDE0 to
 * U+FDEF spell a byte as two hexadecimal digits, for what a break cannot do: names of one character, and the escape
 * characters themselves. */
#include "text/guard.h"

#include "text/tokenizer/internal.h"

#define GUARD_BREAK "\xEF\xB7\x90"
#define GUARD_DIGIT 0xA0 /* third byte of the digit 0, U+FDE0 */

/* An escape character stands at `at`: EF B7, then 90 to AF. */
static bool is_escape(struct str s, size_t at)
{
    return at + 2 < s.n && memcmp(s.p + at, "\xEF\xB7", 2) == 0 && (unsigned char)s.p[at + 2] >= 0x90 &&
           (unsigned char)s.p[at + 2] <= 0xAF;
}

bool guard_has_escape(struct str text)
{
    for (size_t at = 0; at < text.n; at++)
        if (is_escape(text, at))
            return true;
    return false;
}

static void spell_bytes(struct str bytes, struct buf *out)
{
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];
        char digits[6] = {'\xEF', '\xB7', (char)(GUARD_DIGIT + (c >> 4)), '\xEF', '\xB7',
                          (char)(GUARD_DIGIT + (c & 15))};
        buf_add(out, digits, sizeof digits);
    }
}

/* A name may begin with a letter only where it is whole: a role ("user") that ends in such a letter must stay readable
 * to the template. */
static bool begins_at_end(const struct tokenizer *t, struct str text, size_t at)
{
    char c = (char)(text.p[at] | 0x20);
    return !(c >= 'a' && c <= 'z') && specials_begins(t, &t->control, text, at);
}

/* Bytes that stand for themselves from `at` on: until a byte that begins a name or an escape. */
static size_t plain_end(const struct tokenizer *t, struct str text, size_t at)
{
    while (at < text.n && !t->control.first[(unsigned char)text.p[at]] && text.p[at] != '\xEF')
        at++;
    return at;
}

void guard_escape(const struct tokenizer *t, struct str text, struct buf *out)
{
    for (size_t at = 0; at < text.n;) {
        size_t plain = plain_end(t, text, at);
        buf_add(out, text.p + at, plain - at);
        at = plain;
        if (at == text.n)
            break;
        int len;
        utf8_decode(text, at, &len);
        struct str first = {text.p + at, (size_t)len};
        if (is_escape(text, at) || specials_match(t, &t->control, first, 0) >= 0) {
            spell_bytes(first, out);
        } else {
            buf_str(out, first);
            if (specials_match(t, &t->control, text, at) >= 0 || begins_at_end(t, text, at))
                buf_puts(out, GUARD_BREAK);
        }
        at += first.n;
    }
}

void guard_spell(const struct tokenizer *t, struct str text, struct buf *out)
{
    for (size_t at = 0; at < text.n;) {
        size_t plain = plain_end(t, text, at);
        buf_add(out, text.p + at, plain - at);
        at = plain;
        if (at == text.n)
            break;
        int len;
        utf8_decode(text, at, &len);
        struct str first = {text.p + at, (size_t)len};
        if (is_escape(text, at) || t->control.first[(unsigned char)*first.p])
            spell_bytes(first, out);
        else
            buf_str(out, first);
        at += first.n;
    }
}

bool guard_spells(const struct tokenizer *t, struct str text)
{
    return plain_end(t, text, 0) < text.n;
}

/* The control token at or after *at, which moves behind it; -1 at the end. */
static int32_t next_control(const struct tokenizer *t, struct str rendered, size_t *at)
{
    int32_t id;
    do {
        id = specials_next(t, &t->trusted, rendered, at);
        if (id >= 0)
            *at = specials_after(t, id, rendered, *at);
    } while (id >= 0 && t->types[id] != TOKEN_CONTROL);
    return id;
}

bool guard_same_controls(const struct tokenizer *t, struct str a, struct str b)
{
    int32_t id;
    size_t at_a = 0, at_b = 0;
    do {
        id = next_control(t, a, &at_a);
        if (id != next_control(t, b, &at_b))
            return false;
    } while (id >= 0);
    return true;
}

/* The digit at `at`, or -1. */
static int digit_at(struct str s, size_t at)
{
    return is_escape(s, at) && (unsigned char)s.p[at + 2] >= GUARD_DIGIT ? (unsigned char)s.p[at + 2] - GUARD_DIGIT
        : -1;
}

/* Append `text` to *out with the escapes undone. */
static void unescape(struct str text, struct buf *out)
{
    for (size_t at = 0; at < text.n;) {
        int high = digit_at(text, at), low = high >= 0 ? digit_at(text, at + 3) : -1;
        if (low >= 0) {
            buf_char(out, (char)(high << 4 | low));
            at += 6;
        } else if (is_escape(text, at) && memcmp(text.p + at, GUARD_BREAK, 3) == 0) {
            at += 3;
        } else {
            buf_char(out, text.p[at++]);
        }
    }
}

bool guard_encode(const struct tokenizer *t, struct str rendered, struct token_ids *ids, struct err *err)
{
    struct buf plain = BUF_INIT(TOKENIZER_MAX_TEXT_BYTES);
    int64_t n_before = ids->n;
    bool ok = true;
    for (size_t from = 0; ok && from < rendered.n;) {
        size_t at = from;
        int32_t id = specials_next(t, &t->trusted, rendered, &at);
        buf_clear(&plain);
        unescape((struct str){rendered.p + from, at - from}, &plain);
        ok = buf_check(&plain, "the rendered prompt", err) && tokenizer_encode(t, buf_view(&plain), TOKENIZE_PLAIN,
                                                                               ids, err) &&
             (id < 0 || token_ids_add(ids, id, err));
        from = id < 0 ? rendered.n : specials_after(t, id, rendered, at);
    }
    buf_free(&plain);
    if (!ok)
        ids->n = n_before;
    return ok;
}
