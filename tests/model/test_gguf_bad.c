/* Files that lie: each is wrong in one place, and the reader must name that field and that byte. */
#include "../support.h"

#include "model/gguf.h"
#include "support_gguf.h"

#define ONE ((const int64_t[]){1})

static void raw(struct gguf_image *im, const char *p, size_t n)
{
    buf_add(&im->b, p, n);
}

/* Something after the wrong field, so that only it can be what is refused. */
static void pad(struct gguf_image *im)
{
    char *p = buf_grow(&im->b, 64);
    assert_non_null(p);
    memset(p, 0, 64);
}

static void build_empty_magic(struct gguf_image *im)
{
    raw(im, "GGU", 3);
}

static void build_foreign_magic(struct gguf_image *im)
{
    raw(im, "RIFF\0\0\0\0", 8);
}

static void build_byte_swapped_magic(struct gguf_image *im)
{
    raw(im, "FUGG\0\0\0\3", 8);
}

static void build_old_ggml_magic(struct gguf_image *im)
{
    raw(im, "tjgg\3\0\0\0", 8);
}

static void build_zip_magic(struct gguf_image *im)
{
    raw(im, "PK\3\4....", 8);
}

static void build_git_lfs_pointer(struct gguf_image *im)
{
    raw(im, "version https://git-lfs", 23);
}

static void build_safetensors(struct gguf_image *im)
{
    raw(im, "\100\0\0\0\0\0\0\0{\"a\":1}", 15);
}

static void build_version_1(struct gguf_image *im)
{
    raw(im, "GGUF", 4), image_mark(im);
    image_u32(im, 1), image_u64(im, 0), image_u64(im, 0);
}

static void build_version_4(struct gguf_image *im)
{
    raw(im, "GGUF", 4), image_mark(im);
    image_u32(im, 4), image_u64(im, 0), image_u64(im, 0);
}

static void build_big_endian(struct gguf_image *im)
{
    raw(im, "GGUF", 4), image_mark(im);
    image_u32(im, __builtin_bswap32(3)), image_u64(im, 0), image_u64(im, 0);
}

static void build_too_many_tensors(struct gguf_image *im)
{
    raw(im, "GGUF", 4), image_u32(im, 3), image_mark(im);
    image_u64(im, GGUF_MAX_TENSORS + 1), image_u64(im, 0);
}

static void build_tensor_count_of_all_ones(struct gguf_image *im)
{
    raw(im, "GGUF", 4), image_u32(im, 3), image_mark(im);
    image_u64(im, UINT64_MAX), image_u64(im, 0);
}

static void build_more_tensors_than_bytes(struct gguf_image *im)
{
    raw(im, "GGUF", 4), image_u32(im, 3), image_mark(im);
    image_u64(im, 50000), image_u64(im, 0);
}

static void build_too_many_keys(struct gguf_image *im)
{
    raw(im, "GGUF", 4), image_u32(im, 3), image_u64(im, 0), image_mark(im);
    image_u64(im, GGUF_MAX_KEYS + 1);
}

static void build_more_keys_than_bytes(struct gguf_image *im)
{
    raw(im, "GGUF", 4), image_u32(im, 3), image_u64(im, 0), image_mark(im);
    image_u64(im, 3);
    image_u64(im, 0);
}

static void build_key_with_empty_name(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_mark(im);
    image_key(im, "", GGUF_U8);
    pad(im);
}

static void build_key_name_over_the_limit(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_mark(im);
    image_u64(im, GGUF_MAX_KEY_BYTES + 1);
    pad(im);
}

static void build_key_name_length_that_wraps(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_mark(im);
    image_u64(im, UINT64_MAX - 7);
    pad(im);
}

static void build_key_name_past_the_end(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_u64(im, 500), image_mark(im);
    pad(im);
}

static void build_key_name_not_utf8(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_mark(im);
    image_key(im, "a\xff\xfe", GGUF_U8);
    pad(im);
}

static void build_key_name_with_overlong_utf8(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_mark(im);
    image_key(im, "a\xc0\xaf", GGUF_U8);
    pad(im);
}

static void build_key_name_with_nul(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_mark(im);
    image_u64(im, 3), raw(im, "a\0b", 3), image_u32(im, GGUF_U8);
    pad(im);
}

static void build_key_name_with_escape(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_mark(im);
    image_key(im, "a\33[2J", GGUF_U8);
    pad(im);
}

static void build_unknown_value_type(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_str(im, "k"), image_mark(im);
    image_u32(im, 13);
    pad(im);
}

static void build_absurd_value_type(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_str(im, "k"), image_mark(im);
    image_u32(im, 0xffffffff);
    pad(im);
}

static void build_bool_that_is_neither(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "k", GGUF_BOOL), image_mark(im);
    image_u8(im, 2);
    pad(im);
}

static void build_string_over_the_limit(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "k", GGUF_STRING), image_mark(im);
    image_u64(im, GGUF_MAX_STRING_BYTES + 1);
    pad(im);
}

static void build_string_past_the_end(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "k", GGUF_STRING), image_u64(im, 65), image_mark(im);
    pad(im);
}

static void build_array_of_unknown_type(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "k", GGUF_ARRAY), image_mark(im);
    image_u32(im, 99), image_u64(im, 1);
    pad(im);
}

static void build_array_of_arrays(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "k", GGUF_ARRAY), image_mark(im);
    image_u32(im, GGUF_ARRAY), image_u64(im, 1);
    pad(im);
}

static void build_array_over_the_limit(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "k", GGUF_ARRAY), image_u32(im, GGUF_U8), image_mark(im);
    image_u64(im, GGUF_MAX_ARRAY + 1);
    pad(im);
}

static void build_array_whose_size_wraps(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "k", GGUF_ARRAY), image_u32(im, GGUF_U64), image_mark(im);
    image_u64(im, (1ull << 61) + 1);
    pad(im);
}

static void build_array_past_the_end(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "k", GGUF_ARRAY), image_u32(im, GGUF_F32), image_mark(im);
    image_u64(im, 17);
    pad(im);
}

static void build_string_array_past_the_end(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "k", GGUF_ARRAY), image_u32(im, GGUF_STRING), image_mark(im);
    image_u64(im, 9);
    pad(im);
}

static void build_array_string_past_the_end(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "k", GGUF_ARRAY), image_u32(im, GGUF_STRING), image_u64(im, 2);
    image_str(im, "ok"), image_u64(im, 1000), image_mark(im);
    pad(im);
}

static void build_array_bool_that_is_neither(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "k", GGUF_ARRAY), image_u32(im, GGUF_BOOL), image_u64(im, 3);
    image_u8(im, 1), image_u8(im, 0), image_mark(im), image_u8(im, 255);
    pad(im);
}

static void build_duplicate_key(struct gguf_image *im)
{
    image_header(im, 3, 0, 2);
    image_key(im, "k", GGUF_U8), image_u8(im, 0), image_mark(im);
    image_key(im, "k", GGUF_U8), image_u8(im, 0);
}

static void build_alignment_0(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "general.alignment", GGUF_U32), image_mark(im);
    image_u32(im, 0);
    pad(im);
}

static void build_alignment_below_8(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "general.alignment", GGUF_U32), image_mark(im);
    image_u32(im, 4);
    pad(im);
}

static void build_alignment_no_power_of_two(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "general.alignment", GGUF_U32), image_mark(im);
    image_u32(im, 48);
    pad(im);
}

static void build_alignment_over_the_limit(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "general.alignment", GGUF_U32), image_mark(im);
    image_u32(im, 131072);
    pad(im);
}

static void build_alignment_of_another_type(struct gguf_image *im)
{
    image_header(im, 3, 0, 1);
    image_key(im, "general.alignment", GGUF_U64), image_mark(im);
    image_u64(im, 32);
    pad(im);
}

static void build_tensor_with_empty_name(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_mark(im);
    image_tensor(im, "", TENSOR_F32, 1, ONE, 0);
    pad(im);
}

static void build_tensor_name_over_the_limit(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_mark(im);
    image_u64(im, GGUF_MAX_NAME_BYTES + 1);
    pad(im);
}

static void build_tensor_name_not_utf8(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_mark(im);
    image_tensor(im, "\x80", TENSOR_F32, 1, ONE, 0);
    pad(im);
}

static void build_tensor_without_dimensions(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_mark(im);
    image_u32(im, 0), image_u32(im, TENSOR_F32), image_u64(im, 0);
    pad(im);
}

static void build_tensor_with_5_dimensions(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_mark(im);
    image_u32(im, 5);
    pad(im);
}

static void build_tensor_with_a_zero_dimension(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_u32(im, 2), image_u64(im, 32), image_mark(im);
    image_u64(im, 0), image_u32(im, TENSOR_F32), image_u64(im, 0);
    pad(im);
}

static void build_tensor_with_a_negative_dimension(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_u32(im, 1), image_mark(im);
    image_u64(im, UINT64_MAX), image_u32(im, TENSOR_F32), image_u64(im, 0);
    pad(im);
}

static void build_tensor_whose_elements_wrap(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_u32(im, 3), image_u64(im, 1ull << 32), image_u64(im, 1ull << 30), image_mark(im);
    image_u64(im, 4), image_u32(im, TENSOR_F32), image_u64(im, 0);
    pad(im);
}

static void build_tensor_whose_bytes_wrap(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_mark(im);
    image_u32(im, 2), image_u64(im, 1ull << 62), image_u64(im, 1), image_u32(im, TENSOR_F32), image_u64(im, 0);
    pad(im);
}

static void build_tensor_of_a_type_not_run(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_u32(im, 1), image_u64(im, 256), image_mark(im);
    image_u32(im, 17), image_u64(im, 0);
    pad(im);
}

static void build_tensor_of_a_type_nobody_defined(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_u32(im, 1), image_u64(im, 32), image_mark(im);
    image_u32(im, 63), image_u64(im, 0);
    pad(im);
}

static void build_tensor_type_of_all_ones(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_u32(im, 1), image_u64(im, 32), image_mark(im);
    image_u32(im, 0xffffffff), image_u64(im, 0);
    pad(im);
}

static void build_tensor_row_that_is_no_multiple_of_its_block(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_mark(im);
    image_u32(im, 1), image_u64(im, 255), image_u32(im, TENSOR_Q6_K), image_u64(im, 0);
    pad(im);
}

static void build_tensor_offset_off_the_alignment(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_u32(im, 1), image_u64(im, 1), image_u32(im, TENSOR_F32), image_mark(im);
    image_u64(im, 8);
    pad(im);
}

static void build_tensor_offset_that_wraps(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_u32(im, 1), image_u64(im, 64), image_u32(im, TENSOR_F32), image_mark(im);
    image_u64(im, UINT64_MAX - 31);
    pad(im);
}

static void build_tensor_past_the_end(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_u32(im, 1), image_u64(im, 12), image_u32(im, TENSOR_F32), image_mark(im);
    image_u64(im, 32), image_data(im, 32, 0);
    pad(im);
}

static void build_tensor_far_past_the_end(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_u32(im, 1), image_u64(im, 1), image_u32(im, TENSOR_F32), image_mark(im);
    image_u64(im, 1ull << 62);
    pad(im);
}

static void build_tensor_data_missing(struct gguf_image *im)
{
    image_header(im, 3, 1, 0);
    image_str(im, "t"), image_u32(im, 1), image_u64(im, 1), image_u32(im, TENSOR_F32), image_mark(im);
    image_u64(im, 0);
}

static void build_duplicate_tensor(struct gguf_image *im)
{
    image_header(im, 3, 2, 0);
    image_tensor(im, "t", TENSOR_F32, 1, ONE, 0), image_mark(im);
    image_tensor(im, "t", TENSOR_F32, 1, ONE, 32), pad(im);
}

static void build_tensors_at_the_same_place(struct gguf_image *im)
{
    image_header(im, 3, 2, 0);
    image_tensor(im, "a", TENSOR_F32, 1, ONE, 0);
    image_str(im, "b"), image_u32(im, 1), image_u64(im, 1), image_u32(im, TENSOR_F32), image_mark(im);
    image_u64(im, 0), image_data(im, 32, 64);
}

static void build_tensors_that_overlap_by_a_block(struct gguf_image *im)
{
    image_header(im, 3, 2, 0);
    image_str(im, "late"), image_u32(im, 1), image_u64(im, 1), image_u32(im, TENSOR_F32), image_mark(im);
    image_u64(im, 32), image_tensor(im, "early", TENSOR_F32, 1, (const int64_t[]){9}, 0), image_data(im, 32, 64);
}

static const struct bad {
    const char *name;
    void (*build)(struct gguf_image *im);
    enum err_code code;
    const char *message; /* a part of it */
} bad_files[] = {
    {"empty_magic", build_empty_magic, ERR_INVALID, "header: its magic is not 'GGUF': this is no GGUF file"},
    {"foreign_magic", build_foreign_magic, ERR_INVALID, "header: its magic is not 'GGUF'"},
    {"byte_swapped_magic", build_byte_swapped_magic, ERR_UNSUPPORTED, "byte-swapped GGUF"},
    {"old_ggml_magic", build_old_ggml_magic, ERR_UNSUPPORTED, "old GGML file"},
    {"zip_magic", build_zip_magic, ERR_UNSUPPORTED, "zip archive"},
    {"git_lfs_pointer", build_git_lfs_pointer, ERR_UNSUPPORTED, "Git LFS pointer"},
    {"safetensors", build_safetensors, ERR_UNSUPPORTED, "safetensors"},
    {"version_1", build_version_1, ERR_UNSUPPORTED, "header: its version is 1; Rung reads 2 and 3"},
    {"version_4", build_version_4, ERR_UNSUPPORTED, "header: its version is 4"},
    {"big_endian", build_big_endian, ERR_UNSUPPORTED, "header: its version 3 is byte-swapped: the file is big-endian"},
    {"too_many_tensors", build_too_many_tensors, ERR_LIMIT,
     "header: its tensor count 65537 is over the limit of 65536"},
    {"tensor_count_of_all_ones", build_tensor_count_of_all_ones, ERR_LIMIT, "tensor count 18446744073709551615"},
    {"more_tensors_than_bytes", build_more_tensors_than_bytes, ERR_CORRUPT,
     "header: its tensor count 50000 does not fit into the 8 bytes left"},
    {"too_many_keys", build_too_many_keys, ERR_LIMIT, "header: its metadata key count 65537 is over the limit"},
    {"more_keys_than_bytes", build_more_keys_than_bytes, ERR_CORRUPT,
     "header: its metadata key count 3 does not fit into the 8 bytes left"},
    {"key_with_empty_name", build_key_with_empty_name, ERR_CORRUPT, "metadata key 0: its name is empty"},
    {"key_name_over_the_limit", build_key_name_over_the_limit, ERR_LIMIT,
     "metadata key 0: its name is 1025 bytes long, over the limit of 1024"},
    {"key_name_length_that_wraps", build_key_name_length_that_wraps, ERR_LIMIT,
     "metadata key 0: its name is 18446744073709551608 bytes long"},
    {"key_name_past_the_end", build_key_name_past_the_end, ERR_CORRUPT,
     "metadata key 0: its name takes 500 bytes but the file ends after 64"},
    {"key_name_not_utf8", build_key_name_not_utf8, ERR_CORRUPT, "metadata key 0: its name is not UTF-8"},
    {"key_name_with_overlong_utf8", build_key_name_with_overlong_utf8, ERR_CORRUPT, "its name is not UTF-8"},
    {"key_name_with_nul", build_key_name_with_nul, ERR_CORRUPT, "its name holds the control character 0x00"},
    {"key_name_with_escape", build_key_name_with_escape, ERR_CORRUPT, "its name holds the control character 0x1b"},
    {"unknown_value_type", build_unknown_value_type, ERR_CORRUPT,
     "metadata key 'k': its value type 13 is none that GGUF defines (0 to 12)"},
    {"absurd_value_type", build_absurd_value_type, ERR_CORRUPT, "its value type 4294967295"},
    {"bool_that_is_neither", build_bool_that_is_neither, ERR_CORRUPT,
     "metadata key 'k': its bool value is 2, neither 0 nor 1"},
    {"string_over_the_limit", build_string_over_the_limit, ERR_LIMIT,
     "metadata key 'k': its value is 16777217 bytes long, over the limit"},
    {"string_past_the_end", build_string_past_the_end, ERR_CORRUPT,
     "metadata key 'k': its value takes 65 bytes but the file ends after 64"},
    {"array_of_unknown_type", build_array_of_unknown_type, ERR_CORRUPT,
     "metadata key 'k': its element type 99 is none that GGUF defines"},
    {"array_of_arrays", build_array_of_arrays, ERR_UNSUPPORTED,
     "metadata key 'k': its element type is array; Rung reads no arrays of arrays"},
    {"array_over_the_limit", build_array_over_the_limit, ERR_LIMIT,
     "metadata key 'k': its element count 16777217 is over the limit"},
    {"array_whose_size_wraps", build_array_whose_size_wraps, ERR_LIMIT,
     "its element count 2305843009213693953 is over the limit"},
    {"array_past_the_end", build_array_past_the_end, ERR_CORRUPT,
     "metadata key 'k': its element count 17 does not fit into the 64 bytes left"},
    {"string_array_past_the_end", build_string_array_past_the_end, ERR_CORRUPT,
     "its element count 9 does not fit into the 64 bytes left"},
    {"array_string_past_the_end", build_array_string_past_the_end, ERR_CORRUPT,
     "metadata key 'k', element 1: its string takes 1000 bytes but the file ends after 64"},
    {"array_bool_that_is_neither", build_array_bool_that_is_neither, ERR_CORRUPT,
     "metadata key 'k', element 2: its bool value is 255"},
    {"duplicate_key", build_duplicate_key, ERR_CORRUPT, "metadata key 'k': it stands twice, as metadata keys 0 and 1"},
    {"alignment_0", build_alignment_0, ERR_CORRUPT,
     "metadata key 'general.alignment': its value 0 is no power of two from 8 to 65536"},
    {"alignment_below_8", build_alignment_below_8, ERR_CORRUPT,
     "metadata key 'general.alignment': its value 4 is no power of two from 8 to 65536"},
    {"alignment_no_power_of_two", build_alignment_no_power_of_two, ERR_CORRUPT,
     "metadata key 'general.alignment': its value 48 is no power of two from 8 to 65536"},
    {"alignment_over_the_limit", build_alignment_over_the_limit, ERR_CORRUPT,
     "metadata key 'general.alignment': its value 131072 is no power of two from 8 to 65536"},
    {"alignment_of_another_type", build_alignment_of_another_type, ERR_CORRUPT,
     "metadata key 'general.alignment': its value type is u64, not u32"},
    {"tensor_with_empty_name", build_tensor_with_empty_name, ERR_CORRUPT, "tensor 0: its name is empty"},
    {"tensor_name_over_the_limit", build_tensor_name_over_the_limit, ERR_LIMIT,
     "tensor 0: its name is 257 bytes long, over the limit of 256"},
    {"tensor_name_not_utf8", build_tensor_name_not_utf8, ERR_CORRUPT, "tensor 0: its name is not UTF-8"},
    {"tensor_without_dimensions", build_tensor_without_dimensions, ERR_CORRUPT,
     "tensor 't': its dimension count is 0, not 1 to 4"},
    {"tensor_with_5_dimensions", build_tensor_with_5_dimensions, ERR_CORRUPT,
     "tensor 't': its dimension count is 5, not 1 to 4"},
    {"tensor_with_a_zero_dimension", build_tensor_with_a_zero_dimension, ERR_CORRUPT,
     "tensor 't': its dimension 1 is 0"},
    {"tensor_with_a_negative_dimension", build_tensor_with_a_negative_dimension, ERR_CORRUPT,
     "tensor 't': its dimension 0 of 18446744073709551615 makes it larger than any file"},
    {"tensor_whose_elements_wrap", build_tensor_whose_elements_wrap, ERR_CORRUPT,
     "tensor 't': its dimension 2 of 4 makes it larger than any file"},
    {"tensor_whose_bytes_wrap", build_tensor_whose_bytes_wrap, ERR_CORRUPT,
     "tensor 't': its dimensions make it larger than any file"},
    {"tensor_of_a_type_not_run", build_tensor_of_a_type_not_run, ERR_UNSUPPORTED,
     "tensor 't': its type is IQ2_XS, which Rung does not run; it runs F32, F16, Q4_0, Q4_1"},
    {"tensor_of_a_type_nobody_defined", build_tensor_of_a_type_nobody_defined, ERR_CORRUPT,
     "tensor 't': its type 63 is none that GGUF defines; Rung runs F32"},
    {"tensor_type_of_all_ones", build_tensor_type_of_all_ones, ERR_CORRUPT,
     "its type 4294967295 is none that GGUF defines"},
    {"tensor_row_that_is_no_multiple_of_its_block", build_tensor_row_that_is_no_multiple_of_its_block, ERR_CORRUPT,
     "tensor 't': its dimension 0 of 255 is no multiple of 256, the block of Q6_K"},
    {"tensor_offset_off_the_alignment", build_tensor_offset_off_the_alignment, ERR_CORRUPT,
     "tensor 't': its offset 8 is no multiple of the alignment 32"},
    {"tensor_offset_that_wraps", build_tensor_offset_that_wraps, ERR_CORRUPT,
     "tensor 't': its offset 18446744073709551584 and size of 256 bytes pass any file"},
    {"tensor_past_the_end", build_tensor_past_the_end, ERR_CORRUPT,
     "tensor 't': its offset 32 and size of 48 bytes pass the end of the file, which holds 64 bytes of tensors"},
    {"tensor_far_past_the_end", build_tensor_far_past_the_end, ERR_CORRUPT, "pass the end of the file"},
    {"tensor_data_missing", build_tensor_data_missing, ERR_CORRUPT, "which holds 0 bytes of tensors"},
    {"duplicate_tensor", build_duplicate_tensor, ERR_CORRUPT, "tensor 't': it stands twice, as tensors 0 and 1"},
    {"tensors_at_the_same_place", build_tensors_at_the_same_place, ERR_CORRUPT,
     "tensor 'b': its offset 0 lies inside tensor 'a'"},
    {"tensors_that_overlap_by_a_block", build_tensors_that_overlap_by_a_block, ERR_CORRUPT,
     "tensor 'late': its offset 32 lies inside tensor 'early'"},
};
#define BAD_FILES (sizeof bad_files / sizeof bad_files[0])

static void test_gguf_names_the_wrong_field_and_its_byte(void **state)
{
    (void)state;
    assert_true(BAD_FILES >= 40);
    for (size_t i = 0; i < BAD_FILES; i++) {
        const struct bad *bad = &bad_files[i];
        struct gguf_image im = IMAGE_INIT;
        struct err err = ERR_INIT;
        struct gguf *g = NULL;
        bad->build(&im);
        if (image_open(&im, &g, &err))
            fail_msg("%s opened", bad->name);
        if (err.code != bad->code || !strstr(err.msg, bad->message) || err.offset != (int64_t)im.mark)
            fail_msg("%s: code %d, byte %lld (expected %d, %zu): %s", bad->name, err.code, (long long)err.offset,
                     bad->code, im.mark, err.msg);
        assert_string_equal(err.file, "test.gguf");
        image_free(&im);
    }
}

/* A small file with one of everything that has a length. */
static void build_whole(struct gguf_image *im)
{
    image_header(im, 3, 2, 3);
    image_key(im, "general.alignment", GGUF_U32), image_u32(im, 16);
    image_key(im, "s", GGUF_STRING), image_str(im, "text");
    image_key(im, "a", GGUF_ARRAY), image_u32(im, GGUF_STRING), image_u64(im, 2), image_str(im, "x"),
        image_str(im, "yz");
    image_tensor(im, "t", TENSOR_F32, 2, (const int64_t[]){2, 2}, 0);
    image_tensor(im, "u", TENSOR_F16, 1, (const int64_t[]){4}, 16);
    image_data(im, 16, 24);
}

static void test_gguf_rejects_a_file_cut_at_any_byte(void **state)
{
    (void)state;
    struct gguf_image im = IMAGE_INIT;
    struct err err = ERR_INIT;
    struct gguf *g = NULL;
    build_whole(&im);
    assert_ok(image_open(&im, &g, &err), err);
    gguf_close(g);
    for (size_t n = im.b.n - 1; n > 0; n--) {
        char *cut = malloc(n); /* exact, so that the sanitizer sees one byte too far */
        struct filemap *map;
        assert_non_null(cut);
        memcpy(cut, im.b.p, n);
        assert_ok(filemap_memory("cut.gguf", cut, n, &map, &err), err);
        if (gguf_open_map(map, &g, &err))
            fail_msg("a file cut to %zu bytes opened", n);
        assert_true(err.offset >= 0 && err.offset <= (int64_t)n && err.msg[0]);
        free(cut);
    }
    image_free(&im);
}

static void test_gguf_survives_any_single_wrong_byte(void **state)
{
    (void)state;
    struct gguf_image im = IMAGE_INIT;
    build_whole(&im);
    static const unsigned char flips[] = {0x01, 0x80, 0xff};
    for (size_t at = 0; at < im.b.n * sizeof flips; at++) {
        struct err err = ERR_INIT;
        struct gguf *g = NULL;
        im.b.p[at / sizeof flips] ^= (char)flips[at % sizeof flips];
        if (image_open(&im, &g, &err))
            gguf_close(g);
        else
            assert_true(err.code == ERR_INVALID || err.code == ERR_CORRUPT || err.code == ERR_LIMIT ||
                        err.code == ERR_UNSUPPORTED);
        im.b.p[at / sizeof flips] ^= (char)flips[at % sizeof flips];
    }
    image_free(&im);
}

static void test_gguf_names_a_file_that_is_not_there(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct gguf *g = NULL;
    assert_false(gguf_open("/tmp/no-such-model.gguf", &g, &err));
    char text[900];
    assert_non_null(strstr(err_format(&err, text, sizeof text), "/tmp/no-such-model.gguf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf_names_the_wrong_field_and_its_byte),
        cmocka_unit_test(test_gguf_rejects_a_file_cut_at_any_byte),
        cmocka_unit_test(test_gguf_survives_any_single_wrong_byte),
        cmocka_unit_test(test_gguf_names_a_file_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
