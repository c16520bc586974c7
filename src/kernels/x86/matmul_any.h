/* Float products of any size out of tiles, and the table's entries, the same for every instruction set: included
 * behind a file's own float_tile, act_prepare_q8_32, act_prepare_q8_256 and matmul_quantised. */
#ifndef RUNG_KERNELS_X86_MATMUL_ANY_H
#define RUNG_KERNELS_X86_MATMUL_ANY_H

INLINE void matmul_float(enum tensor_type type, const struct matmul *mm, int64_t begin, int64_t end)
{
    for (int64_t row = begin; row < end; row += FLOAT_ROWS) {
        int64_t token = 0;
        for (; token + FLOAT_TOKENS <= mm->tokens; token += FLOAT_TOKENS)
            float_tile(type, mm, row, end, token, FLOAT_TOKENS);
        for (; token < mm->tokens; token++)
            float_tile(type, mm, row, end, token, 1);
    }
}

static void matmul_f32(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    (void)scratch;
    matmul_float(TENSOR_F32, mm, begin, end);
}

static void matmul_f16(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    (void)scratch;
    matmul_float(TENSOR_F16, mm, begin, end);
}

static void matmul_bf16(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    (void)scratch;
    matmul_float(TENSOR_BF16, mm, begin, end);
}

INLINE void matmul_fill_any(struct matmul_kernels *m)
{
    m->act_prepare[ACT_Q8_32] = act_prepare_q8_32;
    m->act_prepare[ACT_Q8_256] = act_prepare_q8_256;
    for (int type = 0; type < TENSOR_TYPES; type++)
        if (m->matmul[type] && act_format_of((enum tensor_type)type) != ACT_F32)
            m->matmul[type] = matmul_quantised;
    m->matmul[TENSOR_F32] = matmul_f32;
    m->matmul[TENSOR_F16] = matmul_f16;
    m->matmul[TENSOR_BF16] = matmul_bf16;
}

#endif
