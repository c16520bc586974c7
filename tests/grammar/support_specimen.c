/* Random grammars and the slow matcher. Recursion (SPECIMEN_SELF) stands for the whole grammar and comes only behind a
 * letter, so the matcher always ends. */
#include "tests/grammar/support_specimen.h"

#include <stdlib.h>

static const char *const texts[] = {"a", "b", "ab", "", "aa", "ba"};
#define N_TEXTS 6
#define TERM_A_OR_AB 6    /* a|ab */
#define TERM_LOOP 7       /* a* */
#define TERM_NEVER 8      /* a but not a */
#define N_TERMS 9

static const char *const keys[] = {"a", "b", "aa"};
#define N_SINGLE_KEYS 3
#define KEY_LONG 3        /* b and one or more b */
#define KEY_FEW 4         /* ab or ba */

static unsigned draw(struct specimen_source *from, unsigned below)
{
    if (from->n == 0)
        return 0;
    from->n--;
    return *from->p++ % below;
}

/* ---- drawn ---- */

static struct specimen *draw_at(struct specimen_source *from, int depth);

static void draw_fields(struct specimen *s, struct specimen_source *from, int depth)
{
    s->n = 1 + (int)draw(from, 4);
    unsigned first = draw(from, 5);
    for (int i = 0; i < s->n; i++) {
        s->fields[i].key = (int)((first + (unsigned)i) % 5);
        s->fields[i].value = draw_at(from, depth + 1);
        s->fields[i].required = s->fields[i].key < N_SINGLE_KEYS && draw(from, 3) == 1;
    }
    unsigned n_needs = draw(from, 3);
    for (unsigned k = 0; k < n_needs; k++) {
        int field = (int)draw(from, (unsigned)s->n), needs = (int)draw(from, (unsigned)s->n);
        if (s->fields[field].key < N_SINGLE_KEYS && s->fields[needs].key < N_SINGLE_KEYS)
            s->needs[s->n_needs++] = (struct rule_need){field, needs};
    }
    s->any_order = draw(from, 2);
}

static struct specimen *draw_at(struct specimen_source *from, int depth)
{
    struct specimen *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->kind = depth > 3 ? SPECIMEN_TEXT : (enum specimen_kind)draw(from, 6);
    s->min = (int64_t)draw(from, 3);
    s->max = (int64_t)draw(from, 5) - 1;
    if (s->max >= 0 && s->max < s->min && draw(from, 4) > 0)
        s->max = s->min;
    switch (s->kind) {
    case SPECIMEN_TEXT:
    case SPECIMEN_SELF:
        s->text = (int)draw(from, N_TERMS);
        break;
    case SPECIMEN_SEQUENCE:
    case SPECIMEN_CHOICE:
    case SPECIMEN_ITEMS:
        s->n = 1 + (int)draw(from, 3);
        for (int i = 0; i < s->n; i++)
            s->kids[i] = draw_at(from, depth + 1);
        s->separated = draw(from, 2);
        s->rest = draw(from, 2);
        break;
    case SPECIMEN_MEMBERS:
        draw_fields(s, from, depth);
        break;
    }
    return s;
}

struct specimen *specimen_draw(struct specimen_source *from)
{
    return draw_at(from, 0);
}

void specimen_free(struct specimen *s)
{
    if (!s)
        return;
    for (int i = 0; i < 3; i++)
        specimen_free(s->kids[i]);
    for (int i = 0; i < 4; i++)
        specimen_free(s->fields[i].value);
    free(s);
}

/* ---- as rules ---- */

static uint32_t term_of(struct exprs *x, int text)
{
    uint32_t a = expr_literal(x, STR("a"));
    switch (text) {
    case TERM_A_OR_AB: return expr_or(x, a, expr_literal(x, STR("ab")));
    case TERM_LOOP: return expr_repeat(x, a, 0, EXPR_UNBOUNDED);
    case TERM_NEVER: return expr_and(x, expr_repeat(x, a, 1, 1), expr_not(x, expr_repeat(x, a, 1, 2)));
    default: return expr_literal(x, str_of(texts[text]));
    }
}

static uint32_t key_of(struct exprs *x, int key)
{
    if (key == KEY_LONG)
        return expr_repeat(x, expr_literal(x, STR("b")), 2, EXPR_UNBOUNDED);
    if (key == KEY_FEW)
        return expr_or(x, expr_literal(x, STR("ab")), expr_literal(x, STR("ba")));
    return expr_literal(x, str_of(keys[key]));
}

static uint32_t node_of(const struct specimen *s, struct rules *r, uint32_t self);

static uint32_t members_of(const struct specimen *s, struct rules *r, uint32_t self)
{
    struct exprs *x = rules_exprs(r);
    struct rule_field fields[4];
    for (int i = 0; i < s->n; i++)
        fields[i] = (struct rule_field){
            .key = key_of(x, s->fields[i].key),
            .value = node_of(s->fields[i].value, r, self),
            .required = s->fields[i].required,
            .many = s->fields[i].key >= N_SINGLE_KEYS,
        };
    const struct rule_object object = {
        .fields = fields, .n_fields = s->n, .needs = s->needs, .n_needs = s->n_needs, .min = s->min, .max = s->max,
        .any_order = s->any_order,
        .colon = rules_term(r, expr_literal(x, STR(":"))),
        .separator = rules_term(r, expr_literal(x, STR(","))),
    };
    return rules_members(r, &object);
}

static uint32_t node_of(const struct specimen *s, struct rules *r, uint32_t self)
{
    struct exprs *x = rules_exprs(r);
    uint32_t kids[3];
    if (s->kind == SPECIMEN_MEMBERS)
        return members_of(s, r, self);
    if (s->kind == SPECIMEN_TEXT)
        return rules_term(r, term_of(x, s->text));
    if (s->kind == SPECIMEN_SELF) {
        const uint32_t parts[] = {rules_term(r, expr_literal(x, STR("b"))), self};
        return rules_sequence(r, parts, 2);
    }
    for (int i = 0; i < s->n; i++)
        kids[i] = node_of(s->kids[i], r, self);
    if (s->kind == SPECIMEN_SEQUENCE)
        return rules_sequence(r, kids, s->n);
    if (s->kind == SPECIMEN_CHOICE)
        return rules_choice(r, kids, s->n);
    uint32_t separator = s->separated ? rules_term(r, expr_literal(x, STR(","))) : RULES_NONE;
    return rules_items(r, kids, s->n - s->rest, s->rest ? kids[s->n - 1] : RULES_NONE, separator, s->min, s->max);
}

bool specimen_rules(const struct specimen *s, struct rules **ret, struct err *err)
{
    struct rules *r = NULL;
    if (!rules_open(&r, err))
        return false;
    uint32_t self = rules_reference(r), start = node_of(s, r, self);
    rules_define(r, self, start);
    if (!rules_finish(r, start, err)) {
        rules_close(r);
        return false;
    }
    *ret = r;
    return true;
}

/* ---- matched slowly ---- */

/* What is left of the matcher's patience; it tries every way there is. */
static long patience;

/* Sets of places in the text, bit i for place i. */
static uint64_t ends(const struct specimen *s, const struct specimen *self, struct str text, size_t from);

static uint64_t literal_ends(const char *literal, struct str text, size_t from)
{
    size_t n = strlen(literal);
    return from + n <= text.n && memcmp(text.p + from, literal, n) == 0 ? (uint64_t)1 << (from + n) : 0;
}

static uint64_t run_ends(char letter, struct str text, size_t from, size_t least)
{
    uint64_t set = 0;
    for (size_t n = 0; from + n <= text.n; n++) {
        if (n >= least)
            set |= (uint64_t)1 << (from + n);
        if (from + n < text.n && text.p[from + n] != letter)
            break;
    }
    return set;
}

static uint64_t term_ends(int term, struct str text, size_t from)
{
    if (term == TERM_NEVER)
        return 0;
    if (term == TERM_LOOP)
        return run_ends('a', text, from, 0);
    if (term == TERM_A_OR_AB)
        return literal_ends("a", text, from) | literal_ends("ab", text, from);
    return literal_ends(texts[term], text, from);
}

static uint64_t key_ends(int key, struct str text, size_t from)
{
    if (key == KEY_LONG)
        return run_ends('b', text, from, 2);
    if (key == KEY_FEW)
        return literal_ends("ab", text, from) | literal_ends("ba", text, from);
    return literal_ends(keys[key], text, from);
}

static uint64_t after_all(uint64_t set, const struct specimen *s, const struct specimen *self, struct str text)
{
    uint64_t after = 0;
    for (size_t i = 0; i <= text.n; i++)
        if (set >> i & 1)
            after |= ends(s, self, text, i);
    return after;
}

static uint64_t after_letter(uint64_t set, char letter, struct str text)
{
    uint64_t after = 0;
    for (size_t i = 0; i < text.n; i++)
        if (set >> i & 1 && text.p[i] == letter)
            after |= (uint64_t)1 << (i + 1);
    return after;
}

/* More items than letters are only empty ones: a few rounds beyond the text's length see all there is to see. */
static uint64_t items_ends(const struct specimen *s, const struct specimen *self, struct str text, size_t from)
{
    uint64_t at = (uint64_t)1 << from, result = s->min == 0 ? at : 0;
    int n_prefix = s->n - s->rest;
    for (int64_t done = 0; done < (int64_t)text.n + 8 && (s->max < 0 || done < s->max); done++) {
        if (done >= n_prefix && !s->rest)
            break;
        if (s->separated && done > 0)
            at = after_letter(at, ',', text);
        at = after_all(at, s->kids[done < n_prefix ? done : s->n - 1], self, text);
        if (done + 1 >= s->min)
            result |= at;
    }
    return s->max >= 0 && s->max < s->min ? 0 : result;
}

struct member {
    int field;
    struct str key;
};

static bool members_hold(const struct specimen *s, const struct member *m, int n)
{
    bool have[4] = {false};
    if (n < s->min || (s->max >= 0 && n > s->max))
        return false;
    for (int i = 0; i < n; i++) {
        bool many = s->fields[m[i].field].key >= N_SINGLE_KEYS;
        bool many_before = i > 0 && s->fields[m[i - 1].field].key >= N_SINGLE_KEYS;
        if (!s->any_order && i > 0 && (many_before ? !many : !many && m[i].field <= m[i - 1].field))
            return false;
        for (int k = 0; k < i; k++)
            if (str_eq(m[i].key, m[k].key))
                return false;
        have[m[i].field] = true;
    }
    for (int i = 0; i < s->n; i++)
        if (s->fields[i].required && !have[i])
            return false;
    for (int i = 0; i < s->n_needs; i++)
        if (have[s->needs[i].field] && !have[s->needs[i].needs])
            return false;
    return true;
}

static uint64_t members_from(const struct specimen *s, const struct specimen *self, struct str text, size_t from,
                             struct member *m, int n)
{
    uint64_t result = members_hold(s, m, n) ? (uint64_t)1 << from : 0;
    uint64_t at = n == 0 ? (uint64_t)1 << from : after_letter((uint64_t)1 << from, ',', text);
    for (size_t i = 0; i <= text.n; i++)
        for (int f = 0; (at >> i & 1) && f < s->n; f++)
            for (uint64_t key = key_ends(s->fields[f].key, text, i), k = 0; k < text.n; k++) {
                if (!(key >> k & 1) || text.p[k] != ':')
                    continue;
                m[n] = (struct member){f, {text.p + i, k - i}};
                uint64_t value = ends(s->fields[f].value, self, text, k + 1);
                for (size_t v = 0; v <= text.n; v++)
                    if (value >> v & 1)
                        result |= members_from(s, self, text, v, m, n + 1);
            }
    return result;
}

static uint64_t ends(const struct specimen *s, const struct specimen *self, struct str text, size_t from)
{
    struct member members[SPECIMEN_MAX_TEXT];
    uint64_t set = (uint64_t)1 << from, any = 0;
    if (--patience < 0)
        return 0;
    switch (s->kind) {
    case SPECIMEN_TEXT: return term_ends(s->text, text, from);
    case SPECIMEN_SELF: return after_all(after_letter(set, 'b', text), self, self, text);
    case SPECIMEN_ITEMS: return items_ends(s, self, text, from);
    case SPECIMEN_MEMBERS: return members_from(s, self, text, from, members, 0);
    case SPECIMEN_SEQUENCE:
        for (int i = 0; i < s->n; i++)
            set = after_all(set, s->kids[i], self, text);
        return set;
    case SPECIMEN_CHOICE:
        for (int i = 0; i < s->n; i++)
            any |= ends(s->kids[i], self, text, from);
        return any;
    }
    return 0;
}

enum specimen_answer specimen_matches(const struct specimen *s, struct str text)
{
    patience = 100000;
    bool found = ends(s, s, text, 0) >> text.n & 1;
    return patience < 0 ? SPECIMEN_TOO_LONG_TO_TELL : found ? SPECIMEN_YES : SPECIMEN_NO;
}
