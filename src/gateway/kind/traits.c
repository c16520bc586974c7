/* The traits of a request, by rules: cues (cues_trait.c) in its instruction, and what its form says - numbers, names
 * and years in a question, tools given, turns taken, the language written. The kind is known already and rules traits
 * out: to summarize a proof takes no proving. */
#include "gateway/kind/traits.h"

#include "gateway/kind/cues.h"
#include "gateway/kind/language.h"

#define LEAST 5 /* of a trait's score */
#define LONG_CONTEXT_TOKENS 128000
#define LONG_MESSAGE_BYTES 500
#define LOOK_BYTES 800
#define INTERACTIVE_TURNS 6
#define LARGE_CODE_BYTES 40000

const char *const trait_names[TRAIT_COUNT + 1] = {"reasoning",  "language",    "large_codebase", "world_knowledge",
                                                  "multi_tool", "interactive", "long_context",   NULL};

bool trait_from_name(struct str name, enum trait *ret)
{
    for (int t = 0; t < TRAIT_COUNT; t++) {
        if (str_is(name, trait_names[t])) {
            *ret = (enum trait)t;
            return true;
        }
    }
    return false;
}

/* What a question's first bytes count up to. */
struct counts {
    int numbers; /* runs of digits */
    int years;   /* numbers from 1000 to 2099 */
    int names;   /* capitalised words inside a sentence */
};

static bool is_upper(unsigned char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_year(const char *word, size_t n)
{
    for (size_t i = 0; i < 4; i++) {
        if (i >= n || !is_digit(word[i]))
            return false;
    }
    return (word[0] == '1' || (word[0] == '2' && word[1] == '0')) && (n == 4 || !is_digit(word[4]));
}

static struct counts count(struct str text)
{
    struct counts c = {0};
    bool inside = false; /* a sentence, past its first word */
    text = utf8_clip(text, LOOK_BYTES);
    for (size_t i = 0; i < text.n;) {
        size_t start = i;
        while (i < text.n && !strchr(" \n\t\r\"(/", text.p[i]))
            i++;
        if (i == start) {
            inside = inside && text.p[i] != '\n' && text.p[i] != '"';
            i++;
            continue;
        }
        const char *w = text.p + start;
        size_t n = i - start;
        c.numbers += is_digit(w[0]);
        c.years += is_year(w, n);
        c.names += inside && n > 1 && (is_upper((unsigned char)w[0]) || (unsigned char)w[0] == 0xC3) && w[1] != '\'';
        inside = !strchr(".?!:", w[n - 1]);
    }
    return c;
}

/* A fact of the long tail shows by its details: several names, a year, two questions in one. */
static int detail_score(const struct counts *c, size_t bytes, bool other_language)
{
    int names = other_language ? c->names / 2 : c->names; /* German writes all nouns so */
    return (names >= 2) + (names >= 3) + (names >= 4) + (c->years ? 2 : 0) + (bytes >= 60) + (bytes >= 90);
}

static bool is_narrow(enum task_kind kind)
{
    return kind == KIND_CLASSIFY || kind == KIND_EXTRACT || kind == KIND_ROUTE || kind == KIND_SUMMARIZE ||
           kind == KIND_REWRITE || kind == KIND_COMPLETE;
}

static bool writes_other_language(const struct sample *s)
{
    struct str head = utf8_clip(s->user, LOOK_BYTES);
    return language_is_other(head, s->said.first, s->said.rest, s->said.matter);
}

/* The matter of a narrow task asks for nothing. */
static void add_cues(const struct sample *s, enum task_kind kind, struct cue_tally *t)
{
    cue_add(CUES_TRAIT, s->said.first, 1, t);
    cue_add(CUES_TRAIT, s->said.rest, 1, t);
    if (is_narrow(kind))
        return;
    cue_add(CUES_TRAIT, s->said.tail, 1, t);
    cue_add(CUES_TRAIT, s->said.matter, 1, t);
}

/* What the kind rules out. */
static void apply_kind(const struct sample *s, enum task_kind kind, struct cue_tally *t)
{
    if (is_narrow(kind))
        t->score[TRAIT_REASONING] = t->score[TRAIT_INTERACTIVE] = 0;
    if (kind == KIND_ROUTE || kind == KIND_CLASSIFY)
        t->score[TRAIT_LANGUAGE] = t->score[TRAIT_MULTI_TOOL] = 0;
    if (kind == KIND_CODE)
        t->score[TRAIT_LANGUAGE] = 0; /* "translate this Python to Rust" */
    else
        t->score[TRAIT_LARGE_CODEBASE] = 0;
    /* With the text at hand, or a task on it, the world need not be known. */
    if ((kind != KIND_QA && kind != KIND_UNKNOWN) || s->said.has_matter || s->user.n > LONG_MESSAGE_BYTES ||
        t->score[TRAIT_REASONING] >= LEAST)
        t->score[TRAIT_WORLD_KNOWLEDGE] = 0;
}

/* What the request's form says of it, besides words. */
static void add_form(const struct sample *s, const struct request *r, enum task_kind kind, int64_t approx_tokens,
                     int *score)
{
    if (kind == KIND_CODE && s->user.n > LARGE_CODE_BYTES)
        score[TRAIT_LARGE_CODEBASE] += LEAST;
    if (r->n_tools >= 2)
        score[TRAIT_MULTI_TOOL] += LEAST;
    if (s->user_turns >= INTERACTIVE_TURNS)
        score[TRAIT_INTERACTIVE] += LEAST;
    if (approx_tokens > LONG_CONTEXT_TOKENS)
        score[TRAIT_LONG_CONTEXT] += LEAST;
}

/* A system prompt says how to speak and what to work on, but its words ask for no facts and no proofs. */
static void add_system(const struct sample *s, enum task_kind kind, int *score)
{
    struct cue_tally t = {0};
    cue_add(CUES_TRAIT, s->system.first, 1, &t);
    cue_add(CUES_TRAIT, s->system.rest, 1, &t);
    score[TRAIT_INTERACTIVE] += t.score[TRAIT_INTERACTIVE];
    score[TRAIT_LARGE_CODEBASE] += t.score[TRAIT_LARGE_CODEBASE];
    score[TRAIT_MULTI_TOOL] += t.score[TRAIT_MULTI_TOOL];
    score[TRAIT_LANGUAGE] += kind == KIND_CODE ? 0 : t.score[TRAIT_LANGUAGE];
}

unsigned traits_decide(const struct sample *s, const struct request *r, enum task_kind kind, int64_t approx_tokens)
{
    struct cue_tally t = {0};
    struct counts c = count(s->user);
    bool other_language = writes_other_language(s);
    unsigned traits = 0;
    add_cues(s, kind, &t);
    if (c.numbers >= 3 && t.score[TRAIT_REASONING] > 0)
        t.score[TRAIT_REASONING] += 3;
    if (t.score[TRAIT_WORLD_KNOWLEDGE] > 0 || c.names >= 3)
        t.score[TRAIT_WORLD_KNOWLEDGE] += detail_score(&c, s->user.n, other_language);
    apply_kind(s, kind, &t);
    add_system(s, kind, t.score);
    add_form(s, r, kind, approx_tokens, t.score);
    t.score[TRAIT_LANGUAGE] += other_language ? LEAST : 0;
    for (int i = 0; i < TRAIT_COUNT; i++)
        traits |= t.score[i] >= LEAST ? TRAIT_BIT(i) : 0;
    return traits;
}
