/* Quantising: a model's tensors written again in smaller element types.
 *
 * A mixture (Q4_K_M) says which tensor gets which type, as the field's tools decide it; the search for scales minimises
 * the squared error of each block, weighted by an importance matrix where there is one. Rows are independent: the
 * result does not depend on the number of threads. */
#ifndef RUNG_MODEL_QUANTIZE_H
#define RUNG_MODEL_QUANTIZE_H

#include "model/gguf.h"
#include "model/imatrix.h"

#define QUANTIZE_MAX_RULES 32

/* ---- one row ---- */
bool quantize_can(enum tensor_type type);
/* The first of k values that `type` cannot hold (NaN, infinite, too large for the half floats that hold or scale it);
 * -1 when there is none. */
int64_t quantize_check_row(enum tensor_type type, const float *x, int64_t k);
/* k floats that quantize_check_row passed (a multiple of the type's block) to a row of `type`. importance: [k], at
 * least 0, or NULL. */
void quantize_row(enum tensor_type type, const float *x, const float *importance, void *row, int64_t k);

/* ---- mixtures ---- */
enum quantize_mix {
    MIX_F32, MIX_F16, MIX_BF16, MIX_Q8_0, MIX_Q6_K, MIX_Q5_K_M, MIX_Q5_K_S, MIX_Q5_1, MIX_Q5_0, MIX_Q4_K_M, MIX_Q4_K_S,
    MIX_Q4_1, MIX_Q4_0, MIX_IQ4_NL, MIX_IQ4_XS, MIX_MXFP4, MIX_Q3_K_L, MIX_Q3_K_M, MIX_Q3_K_S, MIX_Q2_K,
    QUANTIZE_MIXES
};
struct quantize_mix_info {
    const char *name;
    enum tensor_type type;   /* of most tensors */
    uint32_t file_type;      /* general.file_type */
    const char *about;       /* "4.9 bits a weight; the usual choice" */
};
const struct quantize_mix_info *quantize_mix_info(enum quantize_mix mix);
/* By name in any case; Q4_K is Q4_K_M and so on. Error: what there is. */
bool quantize_mix_find(const char *name, enum quantize_mix *ret, struct err *err);
/* An element type by name in any case. */
bool quantize_type_find(const char *name, enum tensor_type *ret, struct err *err);

/* ---- a file ---- */
struct quantize_rule {
    const char *pattern;           /* extended regular expression, found anywhere in a tensor's name */
    enum tensor_type type;
};
struct quantize_options {
    enum quantize_mix mix;
    const struct imatrix *imatrix; /* or NULL */
    /* These come before the mixture. TENSOR_TYPES: not given. output_type is also that of embeddings that serve as the
     * output, unless token_embedding_type is given. */
    enum tensor_type output_type, token_embedding_type;
    struct quantize_rule rules[QUANTIZE_MAX_RULES];   /* the first that fits decides */
    int n_rules;
};
#define QUANTIZE_OPTIONS(m) \
    ((struct quantize_options){.mix = (m), .output_type = TENSOR_TYPES, .token_embedding_type = TENSOR_TYPES})

struct quantize_item {
    const struct tensor *from;
    enum tensor_type type;
    size_t bytes;
    bool fallback;                 /* a row is no multiple of the wanted type's block */
    const struct imatrix_entry *importance;   /* ne[0] values, or so many for each expert; or NULL */
};
struct quantize_plan {
    const struct gguf *from;
    enum quantize_mix mix;
    const struct imatrix *imatrix;
    struct quantize_item *items;   /* in the order of the file */
    int64_t n_items;
    int64_t parameters, bytes_before, bytes_after;
    int64_t n_fallback;            /* items with fallback */
    int64_t n_requantised;         /* items made from a type that was quantised already */
    int64_t n_without_importance;  /* quantised items that the imatrix does not name; 0 without one */
};
/* What each tensor becomes. `from` and the imatrix must outlive the plan. */
bool quantize_plan_make(const struct gguf *from, const struct quantize_options *options, struct quantize_plan *ret,
                        struct err *err);
void quantize_plan_free(struct quantize_plan *plan);

/* So many items and bytes of the source are done; called on the caller's thread. False ends the work: ERR_CANCELLED. */
typedef bool quantize_step_fn(void *ctx, int64_t items, int64_t bytes);
/* Writes the planned file: `path` appears only when it is whole. Room on the disk is checked first, and that it is not
 * the source. A value that a type cannot hold is ERR_INVALID and names tensor and index. */
bool quantize_write(const struct quantize_plan *plan, const char *path, int threads, quantize_step_fn *step, void *ctx,
                    struct err *err);

#endif
