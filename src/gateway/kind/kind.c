/* The kind of a request, by rules: weighted cues (cues_narrow.c, cues_broad.c, cues_language.c) in the places where
 * people put instructions, and a few marks of form. A system prompt that states a task decides alone, since the user's
 * text is then matter; else the first sentence counts most, then the sentences after it, and the matter only when these
 * say nothing. */
#include "gateway/kind/kind.h"

#include "gateway/kind/cues.h"
#include "gateway/kind/sample.h"
#include "gateway/kind/traits.h"

/* What a cue's weight is multiplied with, by place. */
#define FACTOR_FIRST 4
#define FACTOR_REST 3
#define FACTOR_TAIL 2
#define FACTOR_MATTER 1
/* Scores: from SURE on, later places are not asked; below LEAST the kind is unknown. */
#define SURE 16
#define SYSTEM_SURE 20
#define LEAST 4
#define MANY_TURNS 6

const char *const kind_names[KIND_COUNT + 1] = {"classify", "extract", "summarize", "route",      "rewrite",
                                                "qa",       "code",    "complete",  "open_ended", "unknown"};

bool kind_from_name(struct str name, enum task_kind *ret)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        if (str_is(name, kind_names[k])) {
            *ret = (enum task_kind)k;
            return true;
        }
    }
    return false;
}

static int best_score(const struct cue_tally *t, enum task_kind *ret)
{
    *ret = KIND_UNKNOWN;
    int best = LEAST - 1;
    for (int k = 0; k < KIND_COUNT; k++) {
        if (t->score[k] > best) {
            best = t->score[k];
            *ret = (enum task_kind)k;
        }
    }
    return *ret == KIND_UNKNOWN ? 0 : best;
}

static void add_form(struct cue_tally *t, enum task_kind kind, int score, const char *why)
{
    t->score[kind] += score;
    if (score > t->strongest[kind]) {
        t->strongest[kind] = score;
        t->by[kind] = why;
    }
}

/* "formal or informal?" before a text asks for one of two labels. */
static bool offers_choice(const struct instruction *in)
{
    static const char *const or_words[] = {
        " or ", " oder ", " ou ", " czy ", " или ", "还是", "それとも", NULL,
    };
    for (int i = 0; or_words[i]; i++) {
        if (strstr(in->first, or_words[i]) || strstr(in->rest, or_words[i]))
            return true;
    }
    return false;
}

static void add_marks_of_form(const struct sample *s, const struct request *r, struct cue_tally *t)
{
    int open = sample_ends_open(s);
    if (sample_looks_like_code(s))
        add_form(t, KIND_CODE, t->score[KIND_CODE] ? 52 : 20, "looks like code");
    if (sample_names_an_error(s))
        add_form(t, KIND_CODE, 16, "names a program's error");
    if (str_find(s->head, STR("___")) != SIZE_MAX || str_find(s->head, STR("[MASK]")) != SIZE_MAX)
        add_form(t, KIND_COMPLETE, 28, "a blank to fill in");
    if (str_find(s->head, STR("<fim")) != SIZE_MAX)
        add_form(t, KIND_COMPLETE, 80, "fill-in-the-middle marks");
    if (s->said.asks)
        add_form(t, KIND_QA, 8, "a question mark");
    else if (s->said.has_matter && str_ends(s->user, STR("?")))
        add_form(t, KIND_QA, 6, "a question at the end");
    if (s->said.has_matter && offers_choice(&s->said))
        add_form(t, KIND_CLASSIFY, s->said.asks ? 20 : 8, "a choice asked of a text");
    if (r->n_tools >= 2)
        add_form(t, KIND_OPEN_ENDED, 12, "several tools");
    if (s->user_turns >= MANY_TURNS)
        add_form(t, KIND_OPEN_ENDED, 16, "a long conversation");
    if (open == 2)
        add_form(t, KIND_COMPLETE, 20, "ends in the middle of a sentence");
}

static enum task_kind decide_kind(const struct sample *s, const struct request *r, const char **ret_why)
{
    struct cue_tally t = {0};
    enum task_kind kind;
    cue_add(CUES_KIND, s->system.first, FACTOR_FIRST, &t);
    cue_add(CUES_KIND, s->system.rest, FACTOR_FIRST, &t);
    cue_add(CUES_KIND, s->system.matter, FACTOR_MATTER, &t);
    if (best_score(&t, &kind) < SYSTEM_SURE) {
        cue_add(CUES_KIND, s->said.first, FACTOR_FIRST, &t);
        cue_add(CUES_KIND, s->said.rest, FACTOR_REST, &t);
        add_marks_of_form(s, r, &t);
        if (best_score(&t, &kind) < SURE)
            cue_add(CUES_KIND, s->said.tail, FACTOR_TAIL, &t);
        if (best_score(&t, &kind) < SURE)
            cue_add(CUES_KIND, s->said.matter, FACTOR_MATTER, &t);
        best_score(&t, &kind);
    }
    if (kind == KIND_UNKNOWN && sample_ends_open(s)) {
        *ret_why = "ends in the middle of a sentence";
        return KIND_COMPLETE;
    }
    *ret_why = kind == KIND_UNKNOWN ? "no rule speaks" : t.by[kind];
    return kind;
}

/* Whatever the words say, an answer that is one of a list is a label. */
static bool is_label(const struct request *r, enum task_kind kind)
{
    return r->form && r->form->texts && kind != KIND_ROUTE;
}

void kind_analyse(const struct request *r, int64_t approx_tokens, struct analysis *ret)
{
    struct sample s;
    sample_take(r, &s);
    if (r->kind_given) {
        ret->kind = r->kind;
        ret->why = "metadata.kind";
    } else {
        ret->kind = decide_kind(&s, r, &ret->why);
        if (is_label(r, ret->kind)) {
            ret->kind = KIND_CLASSIFY;
            ret->why = "the answer is one of a list";
        }
    }
    ret->traits = traits_decide(&s, r, ret->kind, approx_tokens);
}

int64_t kind_estimate_tokens(const struct request *r)
{
    int64_t quarters = 4 * r->n_prompt_tokens; /* of a token */
    for (int i = 0; i < r->n_messages; i++) {
        struct str text = r->messages[i].content;
        int64_t wide = 0, bytes = (int64_t)text.n;
        for (size_t b = 0; b < text.n; b++) {
            if ((unsigned char)text.p[b] >= 0xE3 &&
                (unsigned char)text.p[b] <= 0xED) /* leads CJK, kana, Hangul: 3 bytes */
                wide++;
        }
        quarters += (bytes - 3 * wide) + wide * 8 / 3 + 16; /* 16: the template around a message */
    }
    return (quarters + 3) / 4;
}
