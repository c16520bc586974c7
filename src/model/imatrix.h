/* Importance matrices: how much each input of each weight matrix mattered while a model read some text, as the field's
 * tools (llama.cpp tools/imatrix) write them: the old binary file (.dat) and GGUF with general.type "imatrix"
 * (NAME.in_sum2, NAME.counts).
 *
 * Invariants after imatrix_open: every value is finite and at least 0; an entry has at least one value. Read-only,
 * any thread. */
#ifndef RUNG_MODEL_IMATRIX_H
#define RUNG_MODEL_IMATRIX_H

#include "base/err.h"
#include "base/str.h"

#define IMATRIX_MAX_BYTES (1u << 30)
#define IMATRIX_MAX_ENTRIES 65536
#define IMATRIX_MAX_NAME_BYTES 256
#define IMATRIX_MAX_DATASET_BYTES 4096

struct imatrix;

struct imatrix_entry {
    const char *name;        /* of the weight: "blk.0.attn_q.weight" */
    int64_t n;               /* values: inputs of the matrix, times its experts */
    const float *values;     /* [n] mean squares */
};

bool imatrix_open(const char *path, struct imatrix **ret, struct err *err);
/* The same from bytes; name stands in errors. */
bool imatrix_parse(struct str bytes, const char *name, struct imatrix **ret, struct err *err);
void imatrix_close(struct imatrix *m);
int64_t imatrix_count(const struct imatrix *m);
const struct imatrix_entry *imatrix_at(const struct imatrix *m, int64_t i);
const struct imatrix_entry *imatrix_find(const struct imatrix *m, const char *name);   /* NULL when absent */
const char *imatrix_path(const struct imatrix *m);
struct str imatrix_dataset(const struct imatrix *m);   /* "" when the file does not say */
int64_t imatrix_chunks(const struct imatrix *m);       /* 0 when the file does not say */

#endif
