/* The prompt at the head of its own answer (`echo`): its text in one piece, then its tokens with what the model thought
 * of each, which add no text. */
#include "gateway/answer/answer.h"
#include "runtime/tokens.h"

static bool put_text(const struct request *req, const struct local_model *m, struct buf *out, struct err *err)
{
    if (req->prompt_tokens)
        return local_model_decode(m, req->prompt_tokens, req->n_prompt_tokens, out, err);
    buf_str(out, req->messages[0].content);
    return true;
}

static enum release_verdict give_tokens(struct release *rel, const struct local_model *m,
                                        const struct generation *gen, struct err *err)
{
    int64_t n;
    const struct token_record *records = generation_prompt_records(gen, &n);
    enum release_verdict verdict = RELEASE_ON;
    for (int64_t i = 0; i < n && verdict == RELEASE_ON; i++) {
        struct str tops[RECORD_TOP];
        for (int k = 0; k < records[i].n_top; k++)
            tops[k] = local_model_piece(m, records[i].top[k].id);
        struct release_piece piece = {.record = &records[i],
                                      .token = local_model_piece(m, records[i].id),
                                      .top_pieces = records[i].n_top ? tops : NULL,
                                      .echo = true};
        verdict = release_add(rel, &piece, err);
    }
    return verdict;
}

enum release_verdict echo_give(struct release *rel, const struct local_model *m, const struct generation *gen,
                               struct err *err)
{
    struct buf text = BUF_INIT(ANSWER_MAX_BYTES);
    enum release_verdict verdict = RELEASE_GONE;
    if (put_text(rel->req, m, &text, err) && buf_check(&text, "the prompt", err))
        verdict = release_add(rel, &(struct release_piece){.text = buf_view(&text), .echo = true}, err);
    buf_free(&text);
    return verdict == RELEASE_ON && rel->req->logprobs ? give_tokens(rel, m, gen, err) : verdict;
}
