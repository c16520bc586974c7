/* Which type each tensor of a mixture gets. The rules are the field's (llama.cpp, llama-quant.cpp), so that a file
 * named Q4_K_M is what people know by that name. */
#ifndef RUNG_MODEL_QUANTIZE_MIXTURE_H
#define RUNG_MODEL_QUANTIZE_MIXTURE_H

#include "model/quantize.h"

struct mixture {
    enum quantize_mix mix;
    bool has_imatrix;
    bool tied;                /* no output.weight: the embeddings are the output too */
    int n_layers, n_experts;
    int queries_per_kv;       /* heads of queries that share one of keys and values; 0: unknown */
    int n_values;             /* tensors that count as attn_v */
    /* how many were seen, layers ascending */
    int i_value, i_down;
};

bool mixture_open(const struct gguf *from, const struct quantize_options *options, struct mixture *ret,
                  struct err *err);
/* False for what stays as it is: norms, biases, routers, vectors. */
bool mixture_quantises(const struct tensor *t);
/* Call once for each tensor that mixture_quantises, layers ascending. */
enum tensor_type mixture_type(struct mixture *m, const struct tensor *t);
/* `type`, or what takes its place where rows are no multiple of its block. */
enum tensor_type mixture_fallback(enum tensor_type type, int64_t row);

bool mixture_is_output(const struct mixture *m, const struct tensor *t);
bool mixture_is_embedding(const struct tensor *t);
/* Of "blk.7.attn_q.weight" 7, -1 where there is none. */
int mixture_layer(const char *name);

#endif
