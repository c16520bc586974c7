/* How characters are spelled where a match stands: as they are, or as inside a JSON string, with one escape for each
 * that needs one. */
#include <stdlib.h>

#include "base/buf.h"
#include "grammar/regex/syntax.h"

#define ESCAPE_MAX 6   /* bytes of \u001f */

static bool json_escapes(uint32_t code_point)
{
    return code_point < ' ' || code_point == '"' || code_point == '\\';
}

/* JSON's short form where there is one. */
static struct str spell_escape(uint32_t code_point, char room[ESCAPE_MAX])
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[] = {['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                                  ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    memcpy(room, "\\u00", 4);
    if (shorts[code_point]) {
        room[1] = shorts[code_point];
        return (struct str){room, 2};
    }
    room[4] = hex[code_point >> 4 & 15];
    room[5] = hex[code_point & 15];
    return (struct str){room, ESCAPE_MAX};
}

/* The parts of *range that stand as they are: what lies between the characters that are escaped. */
static int add_unescaped(const struct code_range *range, struct code_range *out)
{
    static const struct code_range plain[] = {{' ', '!'}, {'#', '['}, {']', LAST_CODE_POINT}};
    int n = 0;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        uint32_t first = range->first > plain[i].first ? range->first : plain[i].first;
        uint32_t last = range->last < plain[i].last ? range->last : plain[i].last;
        if (first <= last)
            out[n++] = (struct code_range){first, last};
    }
    return n;
}

static bool has(const struct code_range *ranges, int n, uint32_t code_point)
{
    for (int i = 0; i < n; i++)
        if (code_point >= ranges[i].first && code_point <= ranges[i].last)
            return true;
    return false;
}

uint32_t regex_code_points(struct exprs *x, enum regex_mode mode, const struct code_range *ranges, int n)
{
    uint32_t terms['\\' + 2];
    char room[ESCAPE_MAX];
    int n_terms = 0, n_parts = 0;
    if (mode == REGEX_TEXT || n <= 0)
        return expr_code_points(x, ranges, n);
    struct code_range *parts = malloc((size_t)n * 3 * sizeof *parts);
    if (!parts)
        return expr_spoil(x);
    for (int i = 0; i < n; i++)
        n_parts += add_unescaped(&ranges[i], parts + n_parts);
    terms[n_terms++] = expr_code_points(x, parts, n_parts);
    free(parts);
    for (uint32_t cp = 0; cp <= '\\'; cp++)
        if (json_escapes(cp) && has(ranges, n, cp))
            terms[n_terms++] = expr_literal(x, spell_escape(cp, room));
    return expr_or_all(x, terms, n_terms);
}

uint32_t regex_text(struct exprs *x, enum regex_mode mode, struct str utf8)
{
    char room[ESCAPE_MAX];
    struct buf spelled = BUF_INIT(utf8.n * ESCAPE_MAX);
    if (mode == REGEX_TEXT)
        return expr_literal(x, utf8);
    for (size_t i = 0; i < utf8.n; i++) {
        unsigned char c = (unsigned char)utf8.p[i];
        buf_str(&spelled, json_escapes(c) ? spell_escape(c, room) : (struct str){utf8.p + i, 1});
    }
    uint32_t e = buf_ok(&spelled) ? expr_literal(x, buf_view(&spelled)) : expr_spoil(x);
    buf_free(&spelled);
    return e;
}
