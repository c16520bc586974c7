/* What of a text is instruction and what is the matter it is about. People put the instruction into the first
 * sentences, and the matter after a colon, a blank line, in quotation marks, a list or a code block. */
#ifndef RUNG_GATEWAY_KIND_INSTRUCTION_H
#define RUNG_GATEWAY_KIND_INSTRUCTION_H

#include "base/str.h"

#define INSTRUCTION_HEAD_BYTES 800 /* looked at from the start of a text */
#define INSTRUCTION_TAIL_BYTES 300 /* and from its end */
#define FOLDED_BYTES 1024

/* All texts are folded: lower case, every run of other characters than letters, digits and inner apostrophes one space,
 * the end of a sentence or line the word |, a space at both ends; NUL-terminated. */
struct instruction {
    char first[FOLDED_BYTES];  /* the first sentence */
    char rest[FOLDED_BYTES];   /* the sentences after it */
    char matter[FOLDED_BYTES]; /* what the instruction is about */
    char tail[FOLDED_BYTES];   /* the last paragraph of a text of several, else empty */
    bool asks;                 /* a question mark in the instruction */
    bool has_matter;
};

/* lines_instruct: a system prompt, where each new line may hold a rule; in a user's text lists are matter. Looks at
 * bounded parts of the text. */
void instruction_split(struct str text, bool lines_instruct, struct instruction *ret);

#endif
