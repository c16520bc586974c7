/* Unpacks panels eight rows at a time: their bytes are taken apart as for AVX2, made unsigned, and transposed. What a
 * panel is good for, tile_vnni_any.h knows. */
#include "kernels/x86/avxvnni.h"

INLINE void store_rows(void *row_values, __m256i v)
{
    _mm256_store_si256(row_values, v);
}

/* Bytes of the weights as vpdpbusd takes them: those that are signed raised by 128. */
INLINE __m256i unsigned_bytes(__m256i v, bool is_signed)
{
    return is_signed ? _mm256_xor_si256(v, _mm256_set1_epi8(-128)) : v;
}

INLINE void unpack_32(struct kind_32 kind, const struct source *s, struct panel *p, struct ahead *ahead)
{
    int64_t at = s->at;
    for (int b = 0; b < s->blocks; b++, at += kind.bytes) {
        if (b % 2 == 0)
            look_ahead(ahead);
        for (int r = 0; r < PANEL_ROWS; r += 8) {
            __m256i v[8], header[4];
            UNROLL
            for (int i = 0; i < 8; i++)
                v[i] = unsigned_bytes(kind.load(s->rows[r + i] + at), kind.run == 0);
            transpose_rows(v, (uint8_t(*)[PANEL_ROWS][4])p->q[8 * b][r]);
            load_headers(s->rows + r, at, header);
            _mm256_store_ps(p->d[b] + r, kind.scale(header[0]));
            if (kind.has_min)
                _mm256_store_ps(p->m[b] + r, high_half(header[0]));
        }
    }
}

/* Scales and minima of the eight rows from r on, block b. */
INLINE void unpack_k_header(const uint8_t *const *rows, int64_t at, struct panel *p, int b, int r)
{
    struct k_headers header = load_k_headers(rows, at);
    _mm256_store_ps(p->d[b] + r, header.d);
    _mm256_store_ps(p->m[b] + r, header.m);
    UNROLL
    for (int i = 0; i < 8; i++)
        store_rows(p->scale[8 * b + i] + r,
                   _mm256_and_si256(_mm256_srli_epi32(header.scale[i / 4], i % 4 * 8), _mm256_set1_epi32(63)));
    UNROLL
    for (int i = 0; i < 4; i++)
        store_rows(p->pairs[4 * b + i] + r, min_words(header.min[i / 2], i % 2));
}

/* The same for sixteen scales, each in a lane of its own, and sixteen minima where the type has them. */
INLINE void unpack_sixteen_header(struct kind_256 kind, const uint8_t *const *rows, int64_t at, struct panel *p, int b,
                                  int r)
{
    struct sixteen_headers header = kind.headers(rows, at);
    _mm256_store_ps(p->d[b] + r, header.d);
    UNROLL
    for (int i = 0; i < 16; i++)
        store_rows(p->scale[16 * b + i] + r,
                   _mm256_srai_epi32(_mm256_slli_epi32(header.scale[i / 4], 24 - i % 4 * 8), 24));
    if (!kind.has_min)
        return;
    _mm256_store_ps(p->m[b] + r, header.m);
    UNROLL
    for (int i = 0; i < 8; i++)
        store_rows(p->pairs[8 * b + i] + r, byte_words(header.min[i / 2], i % 2));
}

INLINE __m256i load_packed(const uint8_t *q4_k, int sub)
{
    return _mm256_loadu_si256((const __m256i *)(q4_k + offsetof(struct block_q4_k, qs) + 32 * sub));
}

/* Packed nibbles stay so: 32 bytes are 64 elements. */
INLINE void unpack_256(struct kind_256 kind, bool is_packed, const struct source *s, struct panel *p,
                       struct ahead *ahead)
{
    const int vectors = is_packed ? 4 : 8;
    int64_t at = s->at;
    for (int b = 0; b < s->blocks; b++, at += kind.bytes)
        for (int r = 0; r < PANEL_ROWS; r += 8) {
            look_ahead(ahead);
            if (kind.headers)
                unpack_sixteen_header(kind, s->rows + r, at, p, b, r);
            else
                unpack_k_header(s->rows + r, at, p, b, r);
            look_ahead(ahead);
            UNROLL
            for (int sub = 0; sub < vectors; sub++) {
                __m256i v[8];
                UNROLL
                for (int i = 0; i < 8; i++)
                    v[i] = is_packed ? load_packed(s->rows[r + i] + at, sub)
                                     : unsigned_bytes(kind.load(s->rows[r + i] + at, sub), kind.run == 0);
                transpose_rows(v, (uint8_t(*)[PANEL_ROWS][4])p->q[64 * b + 8 * sub][r]);
            }
        }
}

void panel_unpack_avxvnni(enum tensor_type type, const struct source *s, struct panel *p, struct ahead *ahead)
{
    switch (type) {
    case TENSOR_Q4_0:
        unpack_32(KIND_Q4_0, s, p, ahead);
        break;
    case TENSOR_Q4_1:
        unpack_32(KIND_Q4_1, s, p, ahead);
        break;
    case TENSOR_Q5_0:
        unpack_32(KIND_Q5_0, s, p, ahead);
        break;
    case TENSOR_Q5_1:
        unpack_32(KIND_Q5_1, s, p, ahead);
        break;
    case TENSOR_Q8_0:
        unpack_32(KIND_Q8_0, s, p, ahead);
        break;
    case TENSOR_IQ4_NL:
        unpack_32(KIND_IQ4_NL, s, p, ahead);
        break;
    case TENSOR_MXFP4:
        unpack_32(KIND_MXFP4, s, p, ahead);
        break;
    case TENSOR_Q2_K:
        unpack_256(KIND_Q2_K, false, s, p, ahead);
        break;
    case TENSOR_Q3_K:
        unpack_256(KIND_Q3_K, false, s, p, ahead);
        break;
    case TENSOR_Q4_K:
        unpack_256(KIND_Q4_K, true, s, p, ahead);
        break;
    case TENSOR_Q5_K:
        unpack_256(KIND_Q5_K, false, s, p, ahead);
        break;
    case TENSOR_IQ4_XS:
        unpack_256(KIND_IQ4_XS, false, s, p, ahead);
        break;
    default:
        unpack_256(KIND_Q6_K, false, s, p, ahead);
        break;
    }
}
