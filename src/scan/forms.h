/* Between the files of this floor: one function a form. Each is asked at a place where a word begins (at == 0, or the
 * byte before is no letter or digit) and gives how many bytes from there are of its form, 0 for none. */
#ifndef RUNG_SCAN_FORMS_H
#define RUNG_SCAN_FORMS_H

#include "scan/pii.h"

static inline bool form_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool form_upper(char c) { return c >= 'A' && c <= 'Z'; }
static inline bool form_letter(char c) { return form_upper(c) || (c >= 'a' && c <= 'z'); }
static inline bool form_hex(char c) { return form_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f'); }
static inline bool form_alnum(char c) { return form_digit(c) || form_letter(c); }
/* Whether the byte at `at` begins a word, or lies past the end. */
static inline bool form_boundary(struct str t, size_t at) { return at >= t.n || !form_alnum(t.p[at]); }

/* numbers.c */
size_t form_phone(struct str t, size_t at);
size_t form_card(struct str t, size_t at);
size_t form_ssn(struct str t, size_t at);
size_t form_steuer_id(struct str t, size_t at);
size_t form_ip(struct str t, size_t at);
size_t form_birth_date(struct str t, size_t at);

/* papers.c */
size_t form_iban(struct str t, size_t at);
size_t form_nino(struct str t, size_t at);
size_t form_passport(struct str t, size_t at);

/* secrets.c */
size_t form_api_key(struct str t, size_t at);
size_t form_private_key(struct str t, size_t at);
size_t form_jwt(struct str t, size_t at);
size_t form_wallet(struct str t, size_t at);

#endif
