/* Keys are taken out of sentences: those that are known, and words that look like one. A word too many is hidden rather
 * than one too few: the sentence is an error's, and still says what failed. */
#include "gateway/secrets.h"

#include <stdio.h>

#define KNOWN_MIN 6                      /* shorter ones would hide pieces of ordinary words */
#define PREFIXED_MIN 12
#define MIXED_MIN 28
#define MASKED_MIN 4

/* Puts SECRETS_HIDDEN in place of n bytes at `at`; what does not fit any more is cut. Returns the index behind it. */
static size_t hide(char *text, size_t size, size_t at, size_t n)
{
    const size_t room = size - at, hidden = sizeof SECRETS_HIDDEN - 1;
    size_t rest = strlen(text + at + n);
    if (hidden + 1 > room) {
        text[at] = 0;
        return at;
    }
    if (hidden + rest + 1 > room)
        rest = room - hidden - 1;
    memmove(text + at + hidden, text + at + n, rest);
    memcpy(text + at, SECRETS_HIDDEN, hidden);
    text[at + hidden + rest] = 0;
    return at + hidden;
}

/* A sentence that was cut to fit may end in the middle of one. */
static void hide_begun(char *text, size_t size, struct str secret)
{
    size_t n = strlen(text), longest = n < secret.n ? n : secret.n - 1;
    for (size_t k = longest; k >= KNOWN_MIN; k--) {
        if (memcmp(text + n - k, secret.p, k) == 0) {
            hide(text, size, n - k, k);
            return;
        }
    }
}

static void hide_known(char *text, size_t size, struct str secret)
{
    size_t at = 0, found;
    if (secret.n < KNOWN_MIN)
        return;
    while ((found = str_find(str_of(text + at), secret)) != SIZE_MAX)
        at = hide(text, size, at + found, secret.n);
    hide_begun(text, size, secret);
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
/* Of a key; '*' and '.' stand in those that an upstream has hidden in part. */
static bool is_key_byte(char c) { return is_letter(c) || is_digit(c) || strchr("_-*.+=", c); }

static bool has_key_prefix(struct str word)
{
    static const char *const prefixes[] = {"sk-",  "sk_", "rk-",  "rk_",  "pk-", "AIza", "ghp_", "gho_",
                                           "ghs_", "xai-", "xox",  "AKIA", "ASIA", "eyJ", "gsk_", "hf_",
                                           "github_pat_", "glpat-"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (str_starts(word, str_of(prefixes[i])))
            return true;
    return false;
}

/* "abcdef****wxyz": the rest of what an upstream has hidden in part. */
static bool is_masked(struct str word)
{
    size_t shown = 0;
    for (size_t i = 0; i < word.n; i++)
        shown += is_letter(word.p[i]) || is_digit(word.p[i]);
    return shown >= MASKED_MIN && str_find(word, STR("***")) != SIZE_MAX;
}

/* Random text of keys has digits among letters of both cases, or is all hexadecimal; identifiers of requests, which an
 * owner wants to read, begin with their kind. */
static bool looks_random(struct str word)
{
    size_t lower = 0, upper = 0, digits = 0, hex = 0;
    for (size_t i = 0; i < word.n; i++) {
        char c = word.p[i];
        lower += c >= 'a' && c <= 'z';
        upper += c >= 'A' && c <= 'Z';
        digits += is_digit(c);
        hex += is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    }
    bool identifier = str_starts(word, STR("req_")) || str_starts(word, STR("chatcmpl-"));
    return !identifier && word.n >= MIXED_MIN && ((lower && upper && digits >= 2) || hex == word.n);
}

static void hide_likely(char *text, size_t size)
{
    for (size_t at = 0; text[at];) {
        size_t n = 0;
        while (text[at + n] && is_key_byte(text[at + n]))
            n++;
        struct str word = {text + at, n};
        if ((n >= PREFIXED_MIN && has_key_prefix(word)) || looks_random(word) || is_masked(word))
            at = hide(text, size, at, n);
        else
            at += n ? n : 1;
    }
}

void secrets_scrub(const struct config *c, struct str presented, char *text, size_t size)
{
    hide_known(text, size, presented);
    for (int i = 0; i < c->n_api_keys; i++)
        hide_known(text, size, str_of(c->api_keys[i]));
    for (int i = 0; i < c->n_models; i++)
        for (int u = 0; u < c->models[i].n_upstreams; u++)
            hide_known(text, size, str_of(c->models[i].upstreams[u].api_key));
    hide_likely(text, size);
}
