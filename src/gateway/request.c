/* What a request asks for beyond an answer in words: noted by the readers of every dialect, asked by the planner. */
#include "gateway/request.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/rng.h"

void request_make_id(struct request *r, const char *prefix)
{
    unsigned long long ms = (unsigned long long)clock_wall_ms() & 0xffffffffffffu;
    unsigned long long chance = rng_entropy() & 0xffffffffffffu;
    snprintf(r->id, sizeof r->id, "%s%012llx%012llx", prefix, ms, chance);
}

void request_needs(struct request *r, enum need need, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    if (r->needs & NEED_BIT(need))
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *field = arena_strdup(r->arena, str_of(text));
    r->needs |= NEED_BIT(need);
    r->need_fields[need] = field ? field : "a field";
}

static uint64_t mix(uint64_t h, struct str s)
{
    h = (h ^ str_hash(s)) * 0x9E3779B97F4A7C15ull;
    h ^= h >> 32;
    return (h ^ s.n) * 0xD6E8FEB86659FD93ull;
}

uint64_t request_conversation(const struct request *r, uint64_t salt)
{
    if (r->conversation_id.n)
        return mix(salt, r->conversation_id);
    for (int i = 0; i < r->n_messages; i++) {
        salt = mix(mix(salt, r->messages[i].role), r->messages[i].content);
        if (str_is(r->messages[i].role, "user"))
            break;
    }
    return mix(salt, (struct str){(const char *)r->prompt_tokens, (size_t)r->n_prompt_tokens * sizeof(int32_t)});
}
