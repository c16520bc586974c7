/* What Unicode says of characters, by utf8proc: their general categories and their other cases. Both are gathered
 * into short lists when first asked for; utf8proc knows one character at a time. */
#include <pthread.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "grammar/regex/syntax.h"

#define RUNS_MAX 8192    /* of characters with one category; Unicode 15 has 3,300 */
#define PAIRS_MAX 16384

struct run {
    uint32_t first, last;
    uint8_t category;
};

static pthread_once_t runs_once = PTHREAD_ONCE_INIT, pairs_once = PTHREAD_ONCE_INIT;
static struct run *runs;
static int n_runs;
static struct case_pair *pairs;
static int n_pairs;

static void gather_runs(void)
{
    runs = malloc(RUNS_MAX * sizeof *runs);
    for (uint32_t cp = 0; cp <= LAST_CODE_POINT && runs; cp++) {
        uint8_t category = (uint8_t)utf8proc_category((utf8proc_int32_t)cp);
        if (n_runs > 0 && runs[n_runs - 1].category == category)
            runs[n_runs - 1].last = cp;
        else if (n_runs < RUNS_MAX)
            runs[n_runs++] = (struct run){cp, cp, category};
    }
}

static void add_pair(uint32_t a, uint32_t b)
{
    if (a == b || n_pairs + 2 > PAIRS_MAX)
        return;
    pairs[n_pairs++] = (struct case_pair){a, b};
    pairs[n_pairs++] = (struct case_pair){b, a};
}

static int by_from(const void *a, const void *b)
{
    const struct case_pair *p = a, *q = b;
    if (p->from != q->from)
        return p->from < q->from ? -1 : 1;
    return (p->to > q->to) - (p->to < q->to);
}

static void gather_pairs(void)
{
    pairs = malloc(PAIRS_MAX * sizeof *pairs);
    for (uint32_t cp = 0; cp <= LAST_CODE_POINT && pairs; cp++) {
        add_pair(cp, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp));
        add_pair(cp, (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp));
    }
    if (pairs)
        qsort(pairs, (size_t)n_pairs, sizeof *pairs, by_from);
}

const struct case_pair *unicode_cases(int *ret_n)
{
    pthread_once(&pairs_once, gather_pairs);
    *ret_n = n_pairs;
    return pairs;
}

/* ---- properties ---- */

#define C(name) (1u << UTF8PROC_CATEGORY_##name)
#define LETTER (C(LU) | C(LL) | C(LT) | C(LM) | C(LO))
#define PUNCTUATION (C(PC) | C(PD) | C(PS) | C(PE) | C(PI) | C(PF) | C(PO))

static const struct {
    const char *code, *name;
    uint32_t categories;
} categories[] = {
    {"L", "Letter", LETTER},
    {"LC", "Cased_Letter", C(LU) | C(LL) | C(LT)},
    {"L&", "Cased_Letter", C(LU) | C(LL) | C(LT)},
    {"Lu", "Uppercase_Letter", C(LU)},
    {"Ll", "Lowercase_Letter", C(LL)},
    {"Lt", "Titlecase_Letter", C(LT)},
    {"Lm", "Modifier_Letter", C(LM)},
    {"Lo", "Other_Letter", C(LO)},
    {"M", "Mark", C(MN) | C(MC) | C(ME)},
    {"Mn", "Nonspacing_Mark", C(MN)},
    {"Mc", "Spacing_Mark", C(MC)},
    {"Me", "Enclosing_Mark", C(ME)},
    {"N", "Number", C(ND) | C(NL) | C(NO)},
    {"Nd", "Decimal_Number", C(ND)},
    {"Nl", "Letter_Number", C(NL)},
    {"No", "Other_Number", C(NO)},
    {"P", "Punctuation", PUNCTUATION},
    {"Pc", "Connector_Punctuation", C(PC)},
    {"Pd", "Dash_Punctuation", C(PD)},
    {"Ps", "Open_Punctuation", C(PS)},
    {"Pe", "Close_Punctuation", C(PE)},
    {"Pi", "Initial_Punctuation", C(PI)},
    {"Pf", "Final_Punctuation", C(PF)},
    {"Po", "Other_Punctuation", C(PO)},
    {"S", "Symbol", C(SM) | C(SC) | C(SK) | C(SO)},
    {"Sm", "Math_Symbol", C(SM)},
    {"Sc", "Currency_Symbol", C(SC)},
    {"Sk", "Modifier_Symbol", C(SK)},
    {"So", "Other_Symbol", C(SO)},
    {"Z", "Separator", C(ZS) | C(ZL) | C(ZP)},
    {"Zs", "Space_Separator", C(ZS)},
    {"Zl", "Line_Separator", C(ZL)},
    {"Zp", "Paragraph_Separator", C(ZP)},
    {"C", "Other", C(CC) | C(CF) | C(CS) | C(CO) | C(CN)},
    {"Cc", "Control", C(CC)},
    {"Cf", "Format", C(CF)},
    {"Cs", "Surrogate", C(CS)},
    {"Co", "Private_Use", C(CO)},
    {"Cn", "Unassigned", C(CN)},
    {NULL, "Assigned", ~C(CN)},
    {NULL, "Any", ~0u},
};

static bool add_categories(struct arena *arena, uint32_t wanted, struct ranges *r, struct err *err)
{
    pthread_once(&runs_once, gather_runs);
    if (!runs)
        return err_nomem(err, "the categories of characters");
    for (int i = 0; i < n_runs; i++)
        if (wanted >> runs[i].category & 1 && !ranges_add(arena, r, runs[i].first, runs[i].last, err))
            return false;
    return true;
}

static bool add_script(struct arena *arena, const struct script *script, struct ranges *r, struct err *err)
{
    for (int i = 0; i < script->n; i++)
        if (!ranges_add(arena, r, script->ranges[i].first, script->ranges[i].last, err))
            return false;
    return true;
}

/* Takes one of the two prefixes off. */
static bool strip(struct str *name, const char *longer, const char *shorter)
{
    const char *prefixes[] = {longer, shorter};
    for (int i = 0; i < 2; i++) {
        struct str prefix = str_of(prefixes[i]);
        if (str_starts(*name, prefix)) {
            *name = (struct str){name->p + prefix.n, name->n - prefix.n};
            return true;
        }
    }
    return false;
}

bool unicode_property(struct arena *arena, struct str name, struct ranges *r, bool *ret_known, struct err *err)
{
    bool only_script = strip(&name, "Script=", "sc=");
    *ret_known = true;
    if (!only_script) {
        strip(&name, "General_Category=", "gc=");
        for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
            if (str_is(name, categories[i].name) || (categories[i].code && str_is(name, categories[i].code)))
                return add_categories(arena, categories[i].categories, r, err);
        if (str_is(name, "ASCII"))
            return ranges_add(arena, r, 0, 0x7F, err);
    }
    for (int i = 0; i < n_unicode_scripts; i++)
        if (str_is(name, unicode_scripts[i].name) || str_is(name, unicode_scripts[i].code))
            return add_script(arena, &unicode_scripts[i], r, err);
    *ret_known = false;
    return true;
}
