/* Random walks: tokens drawn by chance from masks until the answer ends, and the whole parsed and validated. A walk
 * that has become long takes what closes strings, objects and arrays first, so that most find an end. */
#include "tools/maskbench/maskbench.h"

#include <stdio.h>

#include "base/rng.h"
#include "data/json.h"

#define WALK_FREE_TOKENS 40    /* then it closes what is open */
#define WALK_MAX_TOKENS 2000   /* then it is given up */

static bool is_admitted(const struct bench *b, int32_t id)
{
    return id >= 0 && (b->mask[id / 64] >> id % 64 & 1) != 0;
}

/* The chance-th of the tokens that the mask admits; -1 where there is none. */
static int32_t draw(const struct bench *b, uint64_t chance)
{
    size_t words = VOCABULARY_WORDS(tokenizer_count(b->tokenizer));
    uint64_t n = 0;
    for (size_t i = 0; i < words; i++)
        n += (uint64_t)__builtin_popcountll(b->mask[i]);
    uint64_t left = n > 0 ? chance % n : 0;
    for (size_t i = 0; n > 0 && i < words; i++) {
        uint64_t word = b->mask[i], here = (uint64_t)__builtin_popcountll(word);
        if (left >= here) {
            left -= here;
            continue;
        }
        for (; left > 0; left--)
            word &= word - 1;
        return (int32_t)(i * 64) + __builtin_ctzll(word);
    }
    return -1;
}

/* Whether a JSON text stops inside a string. */
static bool is_quoted(struct str text)
{
    bool quoted = false;
    for (size_t i = 0; i < text.n; i++) {
        if (quoted && text.p[i] == '\\')
            i++;
        else
            quoted ^= text.p[i] == '"';
    }
    return quoted;
}

static int32_t closer(const struct bench *b, struct str text)
{
    static const char *const outside[] = {"}", "]"};
    int32_t quote = tokenizer_find(b->tokenizer, STR("\""));
    if (is_quoted(text))
        return is_admitted(b, quote) ? quote : -1;
    for (int i = 0; i < 2; i++) {
        int32_t id = tokenizer_find(b->tokenizer, str_of(outside[i]));
        if (is_admitted(b, id))
            return id;
    }
    return is_admitted(b, quote) ? quote : -1;
}

/* Appends what the walk wrote to *text; false with *err past a ceiling, or where the mask has nothing to admit. */
static bool walk(struct bench *b, struct constraint *c, uint32_t number, struct buf *text, bool *ret_ended,
                 struct err *err)
{
    struct matcher *m;
    bool ok = matcher_open(c, &m, err), ended = false;
    if (!ok)
        return false;
    for (uint64_t i = 0; ok && !ended && i < WALK_MAX_TOKENS; i++) {
        uint64_t chance = rng_u64(1, number, i);
        bool closing = i >= WALK_FREE_TOKENS;
        ended = matcher_may_end(m) && (closing || chance % 8 == 0 || matcher_must_end(m));
        if (ended || !(ok = matcher_mask(m, b->mask, err)))
            break;
        int32_t id = closing ? closer(b, buf_view(text)) : -1;
        id = id < 0 ? draw(b, chance >> 8) : id;
        if (id < 0) {
            ok = err_set(err, ERR_INTERNAL, "the mask admits nothing behind '%.*s'", 80, text->n > 0 ? text->p : "");
        } else if (tokenizer_is_end(b->tokenizer, id)) {
            ended = true;
        } else {
            ok = matcher_take(m, id, err);
            buf_str(text, tokenizer_piece(b->tokenizer, id));
        }
    }
    matcher_close(m);
    *ret_ended = ended;
    return ok && buf_check(text, "a walk", err);
}

void run_walks(struct bench *b, struct constraint *c, const struct schema *schema, struct outcome *o)
{
    struct buf text = BUF_INIT(MAX_FILE_BYTES);
    for (int i = 0; i < b->walks; i++) {
        struct err why = ERR_INIT;
        json_t *value = NULL;
        bool ended = false;
        buf_clear(&text);
        bool ok = walk(b, c, (uint32_t)i, &text, &ended, &why);
        o->n_walks++;
        if (ok && !ended) {
            o->walks_open++;
            continue;
        }
        ok = ok && json_parse(buf_view(&text), "walk", &value, &why) && schema_validate(schema, value, &why);
        json_decref(value);
        if (ok)
            continue;
        if (schema_needs_validation(schema) && why.code != ERR_INTERNAL) {
            o->walks_left++;
            continue;
        }
        o->walks_wrong++;
        if (!o->why[0])
            snprintf(o->why, sizeof o->why, "walk %d: %.140s: %.160s", i, why.msg, text.n > 0 ? text.p : "");
    }
    buf_free(&text);
}
