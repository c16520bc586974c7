/* Cues: phrases that speak for a kind or a trait, each with a weight. Data for kind.c; documented in
 * docs/configuration.md. */
#ifndef RUNG_GATEWAY_POLICY_CUES_H
#define RUNG_GATEWAY_POLICY_CUES_H

#include "gateway/request.h"

/* Text a cue is looked for in: lower case, every run of other characters than letters, digits and ' one space,
 * padded with spaces. So " phrase " matches whole words. A leading ^ asks for the start of the text; a trailing *
 * leaves the last word open. */
struct cue {
    const char *phrase;
    unsigned char what;      /* enum task_kind or enum trait */
    unsigned char weight;
};

extern const struct cue kind_cues[], trait_cues[];     /* end with a NULL phrase */

/* Fold text into that form; at most size - 1 bytes, NUL-terminated. Bytes beyond ASCII stay as they are. */
void cue_fold(struct str text, char *out, size_t size);
bool cue_found(const char *folded, const char *phrase);

#endif
