/* Cues: phrases that speak for a kind or a trait, each with a weight, and how they are found in a text. The tables are
 * data for kind.c and traits.c; docs/configuration.md explains them. */
#ifndef RUNG_GATEWAY_KIND_CUES_H
#define RUNG_GATEWAY_KIND_CUES_H

#include "gateway/request.h"

/* A cue matches whole words of folded text (instruction.h). A leading ^ asks for the start of a sentence, where polite
 * openings ("could you please") do not count; a trailing *, behind three bytes or more, leaves the last word open.
 * Phrases in Han, kana and Hangul match anywhere: these scripts do not part their words. */
struct cue {
    const char *phrase;
    unsigned char what; /* enum task_kind or enum trait */
    unsigned char weight;
};

extern const struct cue narrow_cues[], broad_cues[]; /* kinds, in English; each table ends with a NULL phrase */
extern const struct cue language_cues[]; /* kinds in other languages */
extern const struct cue trait_cues[];
extern const struct cue word_cues[];     /* what: enum cue_word */

enum cue_set {
    CUES_KIND,
    CUES_TRAIT,
    CUES_WORD,
    CUES_SETS,
};

enum cue_word {
    WORD_ENGLISH,
    WORD_OTHER,
};

#define CUE_CLASSES KIND_COUNT /* the most that a set has */
#define CUE_MAX 4096 /* cues of one set */

/* What was found so far. A cue counts once, in the first text given that holds it. Start with zeros. */
struct cue_tally {
    int score[CUE_CLASSES], strongest[CUE_CLASSES];
    const char *by[CUE_CLASSES]; /* the phrase that counted most */
    uint64_t seen[(CUE_MAX + 63) / 64];
};

/* Add the weights of all cues found in folded, times factor. */
void cue_add(enum cue_set set, const char *folded, int factor, struct cue_tally *t);

#endif
