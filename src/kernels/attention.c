/* What every level of attention agrees on: how a page is laid out, and which tokens and kv head a unit of work is. */
#include "kernels/attention_unit.h"

void kv_parts(enum tensor_type kv_type, int head_dim, bool values, struct kv_part ret[KV_PARTS])
{
    size_t element = kv_type == TENSOR_F16 ? 2 : 4;
    ret[0] = values ? (struct kv_part){1, (size_t)head_dim * element} : (struct kv_part){head_dim, element};
    ret[1] = (struct kv_part){0, 0};
    if (kv_type == TENSOR_Q8_0) {
        ret[0] = values ? (struct kv_part){1, (size_t)head_dim} : (struct kv_part){head_dim / 4, 4};
        ret[1] = (struct kv_part){head_dim / KV_BLOCK, sizeof(float)};
    }
}

bool kv_type_fits(enum tensor_type kv_type, int head_dim)
{
    return kv_type == TENSOR_F16 || kv_type == TENSOR_F32 || (kv_type == TENSOR_Q8_0 && head_dim % KV_BLOCK == 0);
}

size_t kv_head_bytes(enum tensor_type kv_type, int head_dim)
{
    struct kv_part parts[KV_PARTS];
    kv_parts(kv_type, head_dim, false, parts);
    return KV_PAGE *
           ((size_t)parts[0].runs * parts[0].position_bytes + (size_t)parts[1].runs * parts[1].position_bytes);
}

int attention_unit_tokens(int n_head, int n_kv_head, int head_dim)
{
    int tokens = attention_most_rows(head_dim) / (n_head / n_kv_head);
    return tokens < 1 ? 1 : tokens > KV_PAGE ? KV_PAGE : tokens;
}

int64_t attention_units(int n_head, int n_kv_head, int head_dim, int tokens)
{
    int each = attention_unit_tokens(n_head, n_kv_head, head_dim);
    return (int64_t)n_kv_head * ((tokens + each - 1) / each);
}

/* The later a token, the more it sees: the first run of tokens stands beside the last, the second beside the last but
 * one. */
struct attention_unit attention_unit_at(const struct attention *a, int64_t unit)
{
    int each = attention_unit_tokens(a->n_head, a->n_kv_head, a->head_dim);
    int64_t runs = (a->tokens + each - 1) / each, i = unit % runs;
    int64_t run = i % 2 ? runs - 1 - i / 2 : i / 2;
    int64_t token = run * each;
    return (struct attention_unit){
        .kv_head = (int)(unit / runs),
        .token = (int)token,
        .tokens = a->tokens - token < each ? (int)(a->tokens - token) : each,
    };
}
