/* The reasoning section: only at the start of an answer, only once, told by its marker tokens. Text that merely
 * looks like a marker is text. */
#include "runtime/reasoning.h"

void reasoning_open(struct reasoning *r, int32_t open_id, int32_t close_id, bool inside)
{
    bool can = open_id >= 0 && close_id >= 0;
    *r = (struct reasoning){.open_id = open_id, .close_id = close_id, .state = REASONING_OVER};
    if (can)
        r->state = inside ? REASONING_INSIDE : REASONING_POSSIBLE;
    r->trim = can && inside;
}

enum answer_part reasoning_take(struct reasoning *r, int32_t id, struct str piece)
{
    if (r->state == REASONING_INSIDE) {
        if (id != r->close_id)
            return PART_REASONING;
        r->state = REASONING_OVER;
        r->trim = true;
        return PART_MARKER;
    }
    if (r->state == REASONING_POSSIBLE) {
        if (id == r->open_id) {
            r->state = REASONING_INSIDE;
            r->trim = true;
            return PART_MARKER;
        }
        if (str_trim(piece).n > 0)
            r->state = REASONING_OVER;
    }
    return PART_ANSWER;
}

bool reasoning_inside(const struct reasoning *r)
{
    return r->state == REASONING_INSIDE;
}

struct str reasoning_trim(struct reasoning *r, struct str text)
{
    while (r->trim && text.n > 0) {
        if (*text.p != '\n' && *text.p != ' ' && *text.p != '\r' && *text.p != '\t') {
            r->trim = false;
            break;
        }
        text = (struct str){text.p + 1, text.n - 1};
    }
    return text;
}
