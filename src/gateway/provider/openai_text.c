/* What a server of one's own says to /completions: text that goes on with the prompt, and log-probabilities as four
 * lists side by side, which need not be of one length. */
#include <math.h>

#include "gateway/provider/openai.h"

/* The log-probability at i of a list, or of a member's value. */
static float logprob_at(const json_t *value)
{
    double v = json_is_number(value) ? json_number_value(value) : NAN;
    return (float)(v > 0 ? 0 : v < -100 ? -100 : v);
}

static void read_tops(const json_t *tops, struct token_record *record, struct str *pieces)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)tops, key, value)
    {
        int at = record->n_top;
        float logprob = logprob_at(value);
        if (at == RECORD_TOP || isnan(logprob))
            continue;
        record->n_top++;
        for (; at > 0 && record->top[at - 1].logprob < logprob; at--) {
            record->top[at] = record->top[at - 1];
            pieces[at] = pieces[at - 1];
        }
        record->top[at].id = -1;
        record->top[at].logprob = logprob;
        pieces[at] = str_of(key);
    }
}

static bool give_token(struct upstream_reader *r, const json_t *logprobs, size_t i)
{
    struct str pieces[RECORD_TOP];
    struct token_record record = {.id = -1, .admitted = 1};
    record.logprob = logprob_at(json_array_get(json_object_get(logprobs, "token_logprobs"), i));
    read_tops(json_array_get(json_object_get(logprobs, "top_logprobs"), i), &record, pieces);
    record.entropy = upstream_entropy(&record);
    struct release_piece piece = {
        .record = &record,
        .token = upstream_text(json_array_get(json_object_get(logprobs, "tokens"), i)),
        .top_pieces = record.n_top ? pieces : NULL,
        .echo = r->rel->req->echo || isnan(record.logprob),
    };
    return upstream_give(r, &piece);
}

bool openai_give_text(struct upstream_reader *r, const json_t *choice)
{
    const json_t *text = json_object_get(choice, "text"), *logprobs = json_object_get(choice, "logprobs");
    struct release_piece piece = {.text = upstream_text(text), .echo = r->rel->req->echo};
    if (!json_is_string(text))
        return err_set(r->err, ERR_IO, "its answer is no text completion: there is no choices[0].text");
    if (piece.text.n && !upstream_give(r, &piece))
        return false;
    for (size_t i = 0; i < json_array_size(json_object_get(logprobs, "tokens")); i++)
        if (!give_token(r, logprobs, i))
            return false;
    return true;
}
