/* String views and the small helpers on them. A view does not own its bytes and need not end in NUL. */
#ifndef RUNG_BASE_STR_H
#define RUNG_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p

static inline struct str str_of(const char *cstr) { return (struct str){cstr ? cstr : "", cstr ? strlen(cstr) : 0}; }
static inline bool str_eq(struct str a, struct str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
static inline bool str_is(struct str a, const char *cstr) { return str_eq(a, str_of(cstr)); }
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s);                 /* ASCII white space off both ends */
size_t str_find(struct str s, struct str needle);  /* index of the first, or SIZE_MAX */
bool str_eq_nocase(struct str a, struct str b);    /* ASCII only */
char *str_dup(struct str s);                       /* malloc'd, NUL-terminated; NULL on out of memory */
bool str_to_i64(struct str s, int64_t *ret);       /* the whole view, decimal, no white space */
bool str_to_f64(struct str s, double *ret);        /* the whole view, finite */
uint64_t str_hash(struct str s);                   /* not against collisions by attackers */

/* UTF-8. */
#define UTF8_BAD 0xFFFFFFFFu
/* Decode one character at s.p[at]; *ret_len is its bytes (1 when bad). UTF8_BAD for anything not well-formed UTF-8. */
uint32_t utf8_decode(struct str s, size_t at, int *ret_len);
int utf8_encode(uint32_t cp, char out[4]);         /* bytes written, 0 when cp is no scalar value */
bool utf8_valid(struct str s);
/* Bytes of the longest prefix of s that ends on a character boundary (an incomplete tail is left out, bad bytes are
 * kept). */
size_t utf8_complete(struct str s);
/* Cut s to at most max bytes on a character boundary. */
struct str utf8_clip(struct str s, size_t max);

#endif
