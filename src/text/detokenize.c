/* Tokens back to text as they come. A token may end inside a character; its bytes wait in the tail until the
 * character is whole or cannot become one, which then shows as one U+FFFD. The text does not depend on where the
 * tokens were cut. */
#include "text/tokenizer.h"

static void detokenizer_give_up(struct detokenizer *d, struct buf *out)
{
    if (d->n_tail > 0)
        buf_puts(out, "\xEF\xBF\xBD");
    d->n_tail = 0;
}

static void detokenizer_byte(struct detokenizer *d, char byte, struct buf *out)
{
    if (d->n_tail == 0 && (unsigned char)byte < 0x80) {
        buf_char(out, byte);
        return;
    }
    d->tail[d->n_tail] = byte;
    struct str seen = {d->tail, (size_t)d->n_tail + 1};
    int len;
    if (utf8_decode(seen, 0, &len) != UTF8_BAD && (size_t)len == seen.n) {
        buf_str(out, seen);
        d->n_tail = 0;
    } else if (utf8_complete(seen) == 0) {
        d->n_tail++;
    } else if (d->n_tail > 0) {
        detokenizer_give_up(d, out);
        detokenizer_byte(d, byte, out); /* it may begin the next character */
    } else {
        buf_puts(out, "\xEF\xBF\xBD");
    }
}

void detokenizer_add(struct detokenizer *d, const struct tokenizer *t, int32_t id, struct buf *out)
{
    enum token_type type = tokenizer_type(t, id);
    if (type == TOKEN_CONTROL || type == TOKEN_UNKNOWN)
        return;
    struct str piece = tokenizer_piece(t, id);
    size_t skip = d->at_start && tokenizer_adds_space(t) && piece.n > 0 && piece.p[0] == ' ';
    d->at_start = false;
    for (size_t i = skip; i < piece.n; i++)
        detokenizer_byte(d, piece.p[i], out);
}

void detokenizer_end(struct detokenizer *d, struct buf *out)
{
    detokenizer_give_up(d, out);
}
