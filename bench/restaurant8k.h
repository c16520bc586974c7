/* The test set of Restaurant-8k as the starter model sees it: what a user says, and the compact JSON that it was
 * trained to give, slots in their fixed order, values as written. Shared by the benches that ask it. */
#ifndef RUNG_BENCH_RESTAURANT8K_H
#define RUNG_BENCH_RESTAURANT8K_H

#include "base/buf.h"
#include "data/json.h"

#define RESTAURANT8K_SYSTEM "Extract the booking details as JSON."
#define RESTAURANT8K_FILE "restaurant8k/test.json"

/* Offsets count characters. */
static inline struct str restaurant8k_span(struct str text, int64_t begin, int64_t end)
{
    size_t at = 0, from = 0;
    for (int64_t i = 0; i < end && at < text.n; i++) {
        int len;
        if (i == begin)
            from = at;
        utf8_decode(text, at, &len);
        at += (size_t)len;
    }
    return (struct str){text.p + from, at - from};
}

static inline void restaurant8k_slots(const json_t *labels, struct str text, struct buf *out)
{
    static const char *const slots[] = {"date", "time", "people", "first_name", "last_name"};
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    for (size_t k = 0; k < 5; k++) {
        for (size_t i = 0; i < json_array_size(labels); i++) {
            const json_t *label = json_array_get(labels, i), *at = json_object_get(label, "valueSpan");
            if (strcmp(json_string_value(json_object_get(label, "slot")), slots[k]) != 0)
                continue;
            json_put_str(&w, slots[k], restaurant8k_span(text, json_integer_value(json_object_get(at, "startIndex")),
                                                         json_integer_value(json_object_get(at, "endIndex"))));
            break;
        }
    }
    json_close_object(&w);
}

/* What the user says, behind the slots that were asked for, and the right answer; both are appended. */
static inline void restaurant8k_case(const json_t *example, struct buf *user, struct buf *gold)
{
    const json_t *asked = json_object_get(json_object_get(example, "context"), "requestedSlots");
    struct str text = str_of(json_string_value(json_object_get(json_object_get(example, "userInput"), "text")));
    for (size_t a = 0; a < json_array_size(asked); a++)
        buf_printf(user, "%s%s", a ? "," : "asked: ", json_string_value(json_array_get(asked, a)));
    if (json_array_size(asked))
        buf_char(user, '\n');
    buf_str(user, text);
    restaurant8k_slots(json_object_get(example, "labels"), text, gold);
}

#endif
