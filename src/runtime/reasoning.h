/* Which part of an answer a token belongs to. A thinking model writes its reasoning between two marker tokens at the
 * start of the answer; the markers themselves are text of neither part. */
#ifndef RUNG_RUNTIME_REASONING_H
#define RUNG_RUNTIME_REASONING_H

#include "base/str.h"

enum answer_part { PART_ANSWER, PART_REASONING, PART_MARKER };

struct reasoning {
    /* private */
    int32_t open_id, close_id;
    enum { REASONING_POSSIBLE, REASONING_INSIDE, REASONING_OVER } state;
    bool trim;   /* white space at the start of a part is dropped */
};

/* ids: the marker tokens, -1 when the model has none. inside: the prompt ends with the opening marker. */
void reasoning_open(struct reasoning *r, int32_t open_id, int32_t close_id, bool inside);
/* The part of the next token; piece is its bytes. */
enum answer_part reasoning_take(struct reasoning *r, int32_t id, struct str piece);
bool reasoning_inside(const struct reasoning *r);
/* The text of a token without the white space that stood between a marker and its part. */
struct str reasoning_trim(struct reasoning *r, struct str text);

#endif
