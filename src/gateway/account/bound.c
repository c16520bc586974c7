/* What a call costs at most, known before it is made, so that no budget is passed however many are on their way.
 *
 * A token of text stands for one byte at least, so the bytes of the received body are more than the prompt's tokens:
 * the names of its fields outnumber the marks that a template sets between messages. Beside them stand what a template
 * says by itself (a system prompt of the model's maker, instructions on tools) and images, whose tokens come from their
 * size: an image's bytes are not counted, but the most that an API is known to charge for one. Of a file or of sound
 * only the model's context says how much it can be. */
#include "data/json.h"
#include "gateway/account/account.h"
#include "store/money.h"

#define TEMPLATE_TOKENS 512               /* of a template's own words */
#define TOOLS_TOKENS 1024                 /* of its words about tools */
#define IMAGE_TOKENS 50000                /* of one image: the dearest API charges 48,169 */
#define DAY_MS INT64_C(86400000)
#define UNKNOWN_TOKENS 1000000            /* of a prompt with files, for a model whose context is not known */

/* Images in the messages, and the bytes they take in the body. */
static int64_t count_images(const struct request *req, int64_t *ret_bytes)
{
    const json_t *message, *part;
    size_t i, j;
    int64_t n = 0;
    *ret_bytes = 0;
    json_array_foreach(json_object_get(req->json, "messages"), i, message) {
        json_array_foreach(json_object_get(message, "content"), j, part) {
            const json_t *image = json_object_get(part, "image_url");
            if (!image)
                continue;
            n++;
            *ret_bytes += (int64_t)json_string_length(json_object_get(image, "url"));
        }
    }
    return n;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* The same of a body in Anthropic's own words, which may hold them where no other has a place for them. false: it holds
 * what only the context bounds. As deep as JSON is taken. */
static bool count_native(const json_t *value, int64_t *images, int64_t *bytes)
{
    struct str type = {json_string_value(json_object_get(value, "type")),
                       json_string_length(json_object_get(value, "type"))};
    const json_t *source = json_object_get(value, "source"), *member;
    const char *from = json_string_value(json_object_get(source, "type")), *key;
    bool ok = !str_is(type, "document") || !from || strcmp(from, "text") == 0 || strcmp(from, "content") == 0;
    size_t i;
    if (str_is(type, "image")) {
        ++*images;
        *bytes += (int64_t)json_string_length(json_object_get(source, "data"));
        return true;
    }
    json_array_foreach(value, i, member)
        ok = ok && count_native(member, images, bytes);
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
        ok = ok && count_native(member, images, bytes);
    return ok;
}

static bool count_anthropic(const struct request *req, int64_t *ret_images, int64_t *ret_bytes)
{
    json_t *body = NULL;
    int64_t images = 0, bytes = 0;
    bool ok = json_parse_object(req->anthropic, "it", &body, NULL) &&
              count_native(json_object_get(body, "messages"), &images, &bytes);
    json_decref(body);
    *ret_images = images;
    *ret_bytes = bytes;
    return ok;
}

static int64_t most_prompt_tokens(const struct request *req, int64_t context)
{
    bool native = req->needs & NEED_BIT(NEED_ANTHROPIC), known = true;
    int64_t size = (int64_t)req->body.n, bytes, images = count_images(req, &bytes);
    if (native) {
        size = (int64_t)req->anthropic.n; /* it goes out as it came, or nowhere */
        known = count_anthropic(req, &images, &bytes);
    }
    if (!known || req->needs & (NEED_BIT(NEED_FILES) | NEED_BIT(NEED_AUDIO)))
        return context ? context : UNKNOWN_TOKENS;
    int64_t words = TEMPLATE_TOKENS + (req->needs & NEED_BIT(NEED_TOOLS) ? TOOLS_TOKENS : 0);
    return words + size - bytes + images * IMAGE_TOKENS;
}

static int64_t most_cost(const struct price *p, int64_t prompt, int64_t answer)
{
    int64_t input = larger(larger(p->input, p->cached_input), larger(p->cached_write, p->cached_write_1h));
    return money_add(money_times(input, prompt), money_times(larger(p->output, p->reasoning), answer));
}

/* A call may end at tomorrow's price; a day's price that a later one has replaced holds no more. */
static bool may_hold(const struct price *p, const struct price_step *s, int64_t prompt_tokens)
{
    int64_t now_ms = account_price_now_ms(p);
    if (s->from_ms > now_ms + DAY_MS || prompt_tokens <= s->above_tokens)
        return false;
    for (int i = 0; i < p->n_steps; i++) {
        if (p->steps[i].from_ms > s->from_ms && p->steps[i].from_ms <= now_ms)
            return false;
    }
    return true;
}

static int64_t most_at(const struct price *p, int64_t prompt, int64_t answer)
{
    int64_t most = p->n_steps ? 0 : most_cost(p, prompt, answer);
    for (int i = 0; i < p->n_steps; i++) {
        if (may_hold(p, &p->steps[i], prompt))
            most = larger(most, most_cost(&p->steps[i].price, prompt, answer));
    }
    return most;
}

struct account_bound account_bound(const struct config *c, const struct config_model *m,
                                   const struct config_upstream *u, const struct request *req, bool limited)
{
    struct account_bound b = {.prompt_tokens = most_prompt_tokens(req, m->context), .max_tokens = req->max_tokens};
    if (!b.max_tokens && limited)
        b.max_tokens = c->max_tokens;
    int64_t answer = b.max_tokens ? b.max_tokens : c->max_tokens;
    b.tokens = b.prompt_tokens + answer;
    b.pico_usd = most_at(u ? &u->price : &m->price, b.prompt_tokens, answer);
    for (int i = 0; !u && i < m->n_upstreams; i++)
        b.pico_usd = larger(b.pico_usd, most_at(&m->upstreams[i].price, b.prompt_tokens, answer));
    return b;
}
