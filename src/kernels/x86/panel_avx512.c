/* Unpacks panels: sixteen rows' bytes are transposed as they are stored, four of each row a vector, and only then taken
 * apart, so that the shuffles are those of the packed weights. What a panel is good for, tile_avx512.c knows. */
#include "kernels/x86/avx512.h"

/* Where unpacked bytes go: column i holds elements 4 i to 4 i + 3 of sixteen rows; a panel's lie a whole row apart. */
typedef uint8_t column[PANEL_ROWS][4];

INLINE void put(column *to, int i, __m512i v)
{
    _mm512_store_si512(to[i], v);
}

INLINE void put_dwords(int32_t *to, __m512i v)
{
    _mm512_store_si512(to, v);
}

/* 32 or 64 bytes at `at` of sixteen rows: v[i] holds bytes 4 i to 4 i + 3 of each. Two rows a vector balance loads and
 * shuffles: four would need twice the loads, one a third more shuffles. */
INLINE void load_eight_columns(const uint8_t *const *rows, int64_t at, __m512i v[8])
{
    __m512i pairs[4], half[2][4];
    UNROLL
    for (int i = 0; i < 2; i++) {
        UNROLL
        for (int e = 0; e < 4; e++) {
            const uint8_t *const *row = rows + 8 * i + e;
            pairs[e] = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(row[0] + at)));
            pairs[e] = _mm512_inserti64x4(pairs[e], _mm256_loadu_si256((const __m256i *)(row[4] + at)), 1);
        }
        transpose_quarters(pairs, half[i]);
    }
    UNROLL
    for (int c = 0; c < 4; c++) {
        v[c] = _mm512_shuffle_i32x4(half[0][c], half[1][c], 0x88);
        v[4 + c] = _mm512_shuffle_i32x4(half[0][c], half[1][c], 0xdd);
    }
}

INLINE void load_columns(const uint8_t *const *rows, int64_t at, __m512i v[16])
{
    load_eight_columns(rows, at, v);
    load_eight_columns(rows, at + 32, v + 8);
}

INLINE __m512i low_nibbles(__m512i v)
{
    return _mm512_and_si512(v, _mm512_set1_epi8(15));
}

INLINE __m512i high_nibbles(__m512i v)
{
    return low_nibbles(_mm512_srli_epi16(v, 4));
}

/* ---- blocks of 32 ---- */

INLINE void columns_of_nibbles(struct kind_32 kind, const uint8_t *const *rows, int64_t at, column *to)
{
    __m512i v[4];
    load_headers(rows, at + kind.nibbles_at, v);
    UNROLL
    for (int i = 0; i < 4; i++) {
        put(to, i, kind.named(low_nibbles(v[i])));
        put(to, 4 + i, kind.named(high_nibbles(v[i])));
    }
}

/* Nibbles at `nibbles`, and a fifth bit from each row's mask: bit i of it belongs to element i. */
INLINE void columns_of_five_bits(const uint8_t *const *rows, int64_t nibbles, __m512i mask, column *to)
{
    const __m512i byte = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    __m512i v[4];
    load_headers(rows, nibbles, v);
    UNROLL
    for (int i = 0; i < 8; i++) {
        __m512i four = i < 4 ? low_nibbles(v[i]) : high_nibbles(v[i - 4]);
        __m512i eight = _mm512_shuffle_epi8(mask, _mm512_add_epi8(byte, _mm512_set1_epi8((char)(i / 2))));
        __mmask64 fifth = _mm512_test_epi8_mask(eight, _mm512_set1_epi32(i % 2 ? (int)0x80402010 : 0x08040201));
        put(to, i, _mm512_mask_add_epi8(four, fifth, four, _mm512_set1_epi8(16)));
    }
}

INLINE void columns_q5_0(struct kind_32 kind, const uint8_t *const *rows, int64_t at, column *to)
{
    __m512i v[4];
    (void)kind;
    load_headers(rows, at, v);
    columns_of_five_bits(rows, at + 6, _mm512_or_si512(_mm512_srli_epi32(v[0], 16), _mm512_slli_epi32(v[1], 16)), to);
}

INLINE void columns_q5_1(struct kind_32 kind, const uint8_t *const *rows, int64_t at, column *to)
{
    __m512i v[4];
    (void)kind;
    load_headers(rows, at, v);
    columns_of_five_bits(rows, at + 8, v[1], to);
}

INLINE void columns_q8_0(struct kind_32 kind, const uint8_t *const *rows, int64_t at, column *to)
{
    __m512i v[8];
    (void)kind;
    load_eight_columns(rows, at + 2, v);
    UNROLL
    for (int i = 0; i < 8; i++)
        put(to, i, _mm512_xor_si512(v[i], _mm512_set1_epi8(-128)));
}

typedef void columns_32(struct kind_32 kind, const uint8_t *const *rows, int64_t at, column *to);

INLINE void unpack_32(struct kind_32 kind, columns_32 *columns, const struct source *s, struct panel *p,
                      struct ahead *ahead)
{
    int64_t at = s->at;
    for (int b = 0; b < s->blocks; b++, at += kind.bytes) {
        if (b % 2 == 0)
            look_ahead(ahead);
        for (int r = 0; r < PANEL_ROWS; r += 16) {
            __m512i header[4];
            columns(kind, s->rows + r, at, (column *)p->q[8 * b][r]);
            load_headers(s->rows + r, at, header);
            _mm512_store_ps(p->d[b] + r, kind.scale(header[0]));
            if (kind.has_min)
                _mm512_store_ps(p->m[b] + r, high_half(header[0]));
        }
    }
}

/* ---- blocks of 256, a half at a time; columns 8 s to 8 s + 7 are the elements from 32 s on, unless packed ---- */

/* Packed as they are: columns 8 c to 8 c + 7 hold the nibbles of 64 elements from 64 c on. */
INLINE void columns_q4_k(const uint8_t *const *rows, int64_t at, int half, column *to)
{
    __m512i v[16];
    load_columns(rows, at + 16 + 64 * half, v);
    UNROLL
    for (int i = 0; i < 16; i++)
        put(to, 16 * half + i, v[i]);
}

/* Bit `bit` of each byte, and those above it, moved to bit `to`; what lies around them, the caller masks. */
INLINE __m512i move_bits(__m512i v, int bit, int to)
{
    return bit > to ? _mm512_srli_epi16(v, (unsigned)(bit - to)) : _mm512_slli_epi16(v, (unsigned)(to - bit));
}

/* a | (b & mask) */
INLINE __m512i or_masked(__m512i a, __m512i b, __m512i mask)
{
    return _mm512_ternarylogic_epi32(a, b, mask, 0xf8);
}

INLINE void columns_q5_k(const uint8_t *const *rows, int64_t at, int half, column *to)
{
    const __m512i fifth = _mm512_set1_epi8(16);
    __m512i v[16], high[8];
    load_columns(rows, at + 48 + 64 * half, v);
    load_eight_columns(rows, at + 16, high);
    UNROLL
    for (int i = 0; i < 16; i++) {
        int s = 4 * half + i / 8 * 2;
        put(to, 8 * s + i % 8, or_masked(low_nibbles(v[i]), move_bits(high[i % 8], s, 4), fifth));
        put(to, 8 * s + 8 + i % 8, or_masked(high_nibbles(v[i]), move_bits(high[i % 8], s + 1, 4), fifth));
    }
}

INLINE void columns_q6_k(const uint8_t *const *rows, int64_t at, int half, column *to)
{
    const __m512i above = _mm512_set1_epi8(48);
    __m512i v[16], high[8];
    load_columns(rows, at + 64 * half, v);
    load_eight_columns(rows, at + 128 + 32 * half, high);
    UNROLL
    for (int i = 0; i < 16; i++) {
        int s = i / 8, c = 32 * half + 8 * s + i % 8;
        put(to, c, or_masked(low_nibbles(v[i]), move_bits(high[i % 8], 2 * s, 4), above));
        put(to, c + 16, or_masked(high_nibbles(v[i]), move_bits(high[i % 8], 2 * s + 4, 4), above));
    }
}

/* Column i of half a block whose elements are two bits of 32 bytes. */
INLINE __m512i two_bits(const __m512i v[8], int i)
{
    return _mm512_and_si512(_mm512_srli_epi16(v[i % 8], (unsigned)(i / 8 * 2)), _mm512_set1_epi8(3));
}

INLINE void columns_q2_k(const uint8_t *const *rows, int64_t at, int half, column *to)
{
    __m512i v[8];
    load_eight_columns(rows, at + 16 + 32 * half, v);
    UNROLL
    for (int i = 0; i < 32; i++)
        put(to, 32 * half + i, two_bits(v, i));
}

INLINE void columns_q3_k(const uint8_t *const *rows, int64_t at, int half, column *to)
{
    const __m512i third = _mm512_set1_epi8(4);
    __m512i v[8], high[8];
    load_eight_columns(rows, at + 32 + 32 * half, v);
    load_eight_columns(rows, at, high);
    UNROLL
    for (int i = 0; i < 32; i++)
        put(to, 32 * half + i, or_masked(two_bits(v, i), move_bits(high[i % 8], 4 * half + i / 8, 2), third));
}

INLINE void columns_iq4_xs(const uint8_t *const *rows, int64_t at, int half, column *to)
{
    __m512i v[16];
    load_columns(rows, at + 8 + 64 * half, v);
    UNROLL
    for (int i = 0; i < 16; i++) {
        int c = 32 * half + i / 4 * 8 + i % 4;
        put(to, c, named_iq4(low_nibbles(v[i])));
        put(to, c + 4, named_iq4(high_nibbles(v[i])));
    }
}

/* Byte i of each dword, by a dot product: shifts are the shuffles' rivals. */
INLINE __m512i signed_byte(__m512i dwords, int i)
{
    return _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi32(1 << 8 * i), dwords);
}

/* Scales and minima of the sixteen rows from r on, block b. */
INLINE void unpack_k_header(const uint8_t *const *rows, int64_t at, struct panel *p, int b, int r)
{
    struct k_headers header = load_k_headers(rows, at);
    _mm512_store_ps(p->d[b] + r, header.d);
    _mm512_store_ps(p->m[b] + r, header.m);
    UNROLL
    for (int i = 0; i < 8; i++)
        put_dwords(p->scale[8 * b + i] + r, signed_byte(header.scale[i / 4], i % 4));
    UNROLL
    for (int i = 0; i < 4; i++)
        put_dwords(p->pairs[4 * b + i] + r, min_words(header.min[i / 2], i % 2));
}

/* The same for sixteen scales, each in a lane of its own, and sixteen minima where the type has them. */
INLINE void unpack_sixteen_header(struct kind_256 kind, const uint8_t *const *rows, int64_t at, struct panel *p, int b,
                                  int r)
{
    struct sixteen_headers header = kind.headers(rows, at);
    _mm512_store_ps(p->d[b] + r, header.d);
    UNROLL
    for (int i = 0; i < 16; i++)
        put_dwords(p->scale[16 * b + i] + r, signed_byte(header.scale[i / 4], i % 4));
    if (!kind.has_min)
        return;
    _mm512_store_ps(p->m[b] + r, header.m);
    UNROLL
    for (int i = 0; i < 8; i++)
        put_dwords(p->pairs[8 * b + i] + r, byte_words(header.min[i / 2], i % 2));
}

typedef void columns_256(const uint8_t *const *rows, int64_t at, int half, column *to);

INLINE void unpack_256(struct kind_256 kind, columns_256 *columns, const struct source *s, struct panel *p,
                       struct ahead *ahead)
{
    int64_t at = s->at;
    for (int b = 0; b < s->blocks; b++, at += kind.bytes)
        for (int r = 0; r < PANEL_ROWS; r += 16) {
            column *to = (column *)p->q[64 * b][r];
            look_ahead(ahead);
            if (kind.headers)
                unpack_sixteen_header(kind, s->rows + r, at, p, b, r);
            else
                unpack_k_header(s->rows + r, at, p, b, r);
            columns(s->rows + r, at, 0, to);
            look_ahead(ahead);
            columns(s->rows + r, at, 1, to);
        }
}

void panel_unpack_avx512(enum tensor_type type, const struct source *s, struct panel *p, struct ahead *ahead)
{
    switch (type) {
    case TENSOR_Q4_0:
        unpack_32(KIND_Q4_0, columns_of_nibbles, s, p, ahead);
        break;
    case TENSOR_Q4_1:
        unpack_32(KIND_Q4_1, columns_of_nibbles, s, p, ahead);
        break;
    case TENSOR_IQ4_NL:
        unpack_32(KIND_IQ4_NL, columns_of_nibbles, s, p, ahead);
        break;
    case TENSOR_MXFP4:
        unpack_32(KIND_MXFP4, columns_of_nibbles, s, p, ahead);
        break;
    case TENSOR_Q5_0:
        unpack_32(KIND_Q5_0, columns_q5_0, s, p, ahead);
        break;
    case TENSOR_Q5_1:
        unpack_32(KIND_Q5_1, columns_q5_1, s, p, ahead);
        break;
    case TENSOR_Q8_0:
        unpack_32(KIND_Q8_0, columns_q8_0, s, p, ahead);
        break;
    case TENSOR_Q2_K:
        unpack_256(KIND_Q2_K, columns_q2_k, s, p, ahead);
        break;
    case TENSOR_Q3_K:
        unpack_256(KIND_Q3_K, columns_q3_k, s, p, ahead);
        break;
    case TENSOR_Q4_K:
        unpack_256(KIND_Q4_K, columns_q4_k, s, p, ahead);
        break;
    case TENSOR_Q5_K:
        unpack_256(KIND_Q5_K, columns_q5_k, s, p, ahead);
        break;
    case TENSOR_IQ4_XS:
        unpack_256(KIND_IQ4_XS, columns_iq4_xs, s, p, ahead);
        break;
    default:
        unpack_256(KIND_Q6_K, columns_q6_k, s, p, ahead);
        break;
    }
}
