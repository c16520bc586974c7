/* The rules that need a line or two: any JSON, a regular expression, one of a list of choices. */
#include <stdlib.h>

#include "grammar/frontends.h"
#include "grammar/regex.h"

/* Finishes with the start, or closes what was begun; *ret is set where it returns true. */
static bool finish(struct rules *r, uint32_t start, struct rules **ret, struct err *err)
{
    if (!rules_check(r, err) || !rules_finish(r, start, err)) {
        rules_close(r);
        return false;
    }
    *ret = r;
    return true;
}

bool rule_any_json(bool object_only, struct rules **ret, struct err *err)
{
    struct rules *r;
    if (!rules_open(&r, err))
        return false;
    uint32_t start = object_only ? rules_json_object(r, JSON_SPACE_SOME) : rules_json_value(r, JSON_SPACE_SOME);
    return finish(r, start, ret, err);
}

bool rule_regex(struct str pattern, struct rules **ret, struct err *err)
{
    struct rules *r;
    uint32_t term;
    if (!rules_open(&r, err))
        return false;
    if (!regex_compile(rules_exprs(r), pattern, REGEX_TEXT, true, &term, err)) {
        rules_close(r);
        return false;
    }
    return finish(r, rules_term(r, term), ret, err);
}

/* ---- choices ---- */

struct choice {
    struct str text;
    int place;     /* in the list */
};

static int choice_order(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    size_t n = x->text.n < y->text.n ? x->text.n : y->text.n;
    int order = memcmp(x->text.p, y->text.p, n);
    if (order == 0)
        order = (x->text.n > y->text.n) - (x->text.n < y->text.n);
    return order != 0 ? order : x->place - y->place;
}

static bool check_choices(const struct str *choices, int n, struct err *err)
{
    size_t bytes = 0;
    if (n < 1)
        return err_set(err, ERR_INVALID, "the list of choices is empty; give at least one");
    if (n > CHOICES_MAX)
        return err_set(err, ERR_LIMIT, "there are %d choices; at most %d are allowed", n, CHOICES_MAX);
    for (int i = 0; i < n; i++) {
        bytes += choices[i].n;
        if (choices[i].n == 0)
            return err_set(err, ERR_INVALID, "choice %d is empty; each must have at least one character", i + 1);
        if (!utf8_valid(choices[i]))
            return err_set(err, ERR_INVALID, "choice %d is not valid UTF-8", i + 1);
        if (bytes > CHOICES_MAX_BYTES)
            return err_set(err, ERR_LIMIT, "the choices are longer than %u bytes together", CHOICES_MAX_BYTES);
    }
    return true;
}

static bool check_distinct(const struct choice *sorted, int n, struct err *err)
{
    for (int i = 1; i < n; i++)
        if (str_eq(sorted[i - 1].text, sorted[i].text))
            return err_set(err, ERR_INVALID, "choices %d and %d are the same; name each once",
                           sorted[i - 1].place + 1, sorted[i].place + 1);
    return true;
}

/* Bytes that all of the sorted texts have in common from `at` on: what the first and the last have. */
static size_t common_bytes(const struct choice *sorted, int n, size_t at)
{
    struct str a = sorted[0].text, b = sorted[n - 1].text;
    size_t end = at;
    while (end < a.n && end < b.n && a.p[end] == b.p[end])
        end++;
    return end - at;
}

/* The texts from byte `at` on, beginnings written once, so that a step costs what there is to choose from. The depth
 * is bounded because each level has a text that ends or parts there. */
static uint32_t trie_term(struct exprs *x, const struct choice *sorted, int n, size_t at)
{
    size_t common = common_bytes(sorted, n, at);
    uint32_t head = expr_literal(x, (struct str){sorted[0].text.p + at, common}), tail = EXPR_NONE;
    at += common;
    int i = 0;
    if (sorted[0].text.n == at) {
        tail = EXPR_EMPTY;
        i++;
    }
    while (i < n) {
        int end = i + 1;
        while (end < n && sorted[end].text.p[at] == sorted[i].text.p[at])
            end++;
        tail = expr_or(x, tail, trie_term(x, sorted + i, end - i, at));
        i = end;
    }
    return expr_concat(x, head, tail);
}

bool rule_choices(const struct str *choices, int n, struct rules **ret, struct err *err)
{
    struct rules *r;
    if (!check_choices(choices, n, err))
        return false;
    struct choice *sorted = malloc((size_t)n * sizeof *sorted);
    if (!sorted)
        return err_nomem(err, "the choices");
    for (int i = 0; i < n; i++)
        sorted[i] = (struct choice){choices[i], i};
    qsort(sorted, (size_t)n, sizeof *sorted, choice_order);
    bool ok = check_distinct(sorted, n, err) && rules_open(&r, err) &&
              finish(r, rules_term(r, trie_term(rules_exprs(r), sorted, n, 0)), ret, err);
    free(sorted);
    return ok;
}
