/* From types and tokens to instances, the same for every instruction set: included behind a file's own decode_32 and
 * decode_256, which are written once for all types of a kind and one to four tokens. */
#ifndef RUNG_KERNELS_X86_DECODE_ANY_H
#define RUNG_KERNELS_X86_DECODE_ANY_H

INLINE void decode_32_any(struct kind_32 kind, const struct matmul *mm, int64_t begin, int64_t end)
{
    switch (mm->tokens) {
    case 1:
        decode_32(kind, mm, begin, end, 1);
        break;
    case 2:
        decode_32(kind, mm, begin, end, 2);
        break;
    case 3:
        decode_32(kind, mm, begin, end, 3);
        break;
    default:
        decode_32(kind, mm, begin, end, 4);
        break;
    }
}

INLINE void decode_256_any(struct kind_256 kind, const struct matmul *mm, int64_t begin, int64_t end)
{
    switch (mm->tokens) {
    case 1:
        decode_256(kind, mm, begin, end, 1);
        break;
    case 2:
        decode_256(kind, mm, begin, end, 2);
        break;
    case 3:
        decode_256(kind, mm, begin, end, 3);
        break;
    default:
        decode_256(kind, mm, begin, end, 4);
        break;
    }
}

INLINE void decode_any(const struct matmul *mm, int64_t begin, int64_t end)
{
    switch (mm->type) {
    case TENSOR_Q4_0:
        decode_32_any(KIND_Q4_0, mm, begin, end);
        break;
    case TENSOR_Q4_1:
        decode_32_any(KIND_Q4_1, mm, begin, end);
        break;
    case TENSOR_Q5_0:
        decode_32_any(KIND_Q5_0, mm, begin, end);
        break;
    case TENSOR_Q5_1:
        decode_32_any(KIND_Q5_1, mm, begin, end);
        break;
    case TENSOR_Q8_0:
        decode_32_any(KIND_Q8_0, mm, begin, end);
        break;
    case TENSOR_IQ4_NL:
        decode_32_any(KIND_IQ4_NL, mm, begin, end);
        break;
    case TENSOR_MXFP4:
        decode_32_any(KIND_MXFP4, mm, begin, end);
        break;
    case TENSOR_Q2_K:
        decode_256_any(KIND_Q2_K, mm, begin, end);
        break;
    case TENSOR_Q3_K:
        decode_256_any(KIND_Q3_K, mm, begin, end);
        break;
    case TENSOR_Q4_K:
        decode_256_any(KIND_Q4_K, mm, begin, end);
        break;
    case TENSOR_Q5_K:
        decode_256_any(KIND_Q5_K, mm, begin, end);
        break;
    case TENSOR_IQ4_XS:
        decode_256_any(KIND_IQ4_XS, mm, begin, end);
        break;
    default:
        decode_256_any(KIND_Q6_K, mm, begin, end);
        break;
    }
}

#endif
