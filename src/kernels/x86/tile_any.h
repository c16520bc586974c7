/* The walk over panels, the same for every instruction set: included behind a file's own panel, run_cut_32,
 * run_cut_256 and store_panel. */
#ifndef RUNG_KERNELS_X86_TILE_ANY_H
#define RUNG_KERNELS_X86_TILE_ANY_H

/* One cut against `tokens` tokens from `token` on. */
static void run_cut(const struct cut *cut, struct panel *p, int64_t token, int tokens)
{
    switch (cut->mm->type) {
    case TENSOR_Q4_0:
        run_cut_32(KIND_Q4_0, cut, p, token, tokens);
        break;
    case TENSOR_Q4_1:
        run_cut_32(KIND_Q4_1, cut, p, token, tokens);
        break;
    case TENSOR_Q5_0:
        run_cut_32(KIND_Q5_0, cut, p, token, tokens);
        break;
    case TENSOR_Q5_1:
        run_cut_32(KIND_Q5_1, cut, p, token, tokens);
        break;
    case TENSOR_Q8_0:
        run_cut_32(KIND_Q8_0, cut, p, token, tokens);
        break;
    case TENSOR_IQ4_NL:
        run_cut_32(KIND_IQ4_NL, cut, p, token, tokens);
        break;
    case TENSOR_MXFP4:
        run_cut_32(KIND_MXFP4, cut, p, token, tokens);
        break;
    case TENSOR_Q2_K:
        run_cut_256(KIND_Q2_K, cut, p, token, tokens);
        break;
    case TENSOR_Q3_K:
        run_cut_256(KIND_Q3_K, cut, p, token, tokens);
        break;
    case TENSOR_Q4_K:
        run_cut_256(KIND_Q4_K, cut, p, token, tokens);
        break;
    case TENSOR_Q5_K:
        run_cut_256(KIND_Q5_K, cut, p, token, tokens);
        break;
    case TENSOR_IQ4_XS:
        run_cut_256(KIND_IQ4_XS, cut, p, token, tokens);
        break;
    default:
        run_cut_256(KIND_Q6_K, cut, p, token, tokens);
        break;
    }
}

INLINE void tile_any(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    struct panel *p = scratch;
    for (int64_t token = 0; token < mm->tokens; token += PANEL_TOKENS) {
        int tokens = mm->tokens - token < PANEL_TOKENS ? (int)(mm->tokens - token) : PANEL_TOKENS;
        for (int64_t row = begin; row < end; row += ROWS) {
            memset(p->y, 0, (size_t)tokens * sizeof p->y[0]);
            struct cut cut = {mm, row, end, 0, 0};
            for (; cut.k < mm->k; cut.k = cut.k_end) {
                cut.k_end = mm->k - cut.k < PANEL_K ? mm->k : cut.k + PANEL_K;
                run_cut(&cut, p, token, tokens);
            }
            store_panel(&cut, p, token, tokens);
        }
    }
}

#endif
