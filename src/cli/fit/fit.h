/* Will a model run here: what `rung fit` counts with, and the rooms it is made of. Sizes are bytes; GB is 1e9, as
 * model hosts and memory shops count. One thread. */
#ifndef RUNG_CLI_FIT_FIT_H
#define RUNG_CLI_FIT_FIT_H

#include "base/machine.h"
#include "data/json.h"
#include "engine/fit.h"
#include "model/quantize.h"

#define FIT_DEFAULT_CONTEXT 8192
/* Of the bandwidth that a plain read loop gets, decoding turns this much into weights read (docs/speed.md). */
#define FIT_DECODE_SHARE 0.85
/* Below this an answer comes slower than most people read. */
#define FIT_READING_TOKENS_PER_S 8.0

/* A well-known small model: its shape, and what models like it are good and weak at. */
struct fit_known {
    const char *name;              /* "qwen3:4b": what rung pull takes */
    struct engine_needs needs;     /* at Q4_K_M, or the type the model is published in */
    const char *type;              /* "Q4_K_M" */
    const char *good, *weak;
};
/* Cheapest first; *ret_n of them. */
const struct fit_known *fit_known_models(int *ret_n);
/* The one nearest in size to so many parameters. */
const struct fit_known *fit_nearest(double parameters);
/* Needs of a model of so many parameters, shaped like the nearest known one, at 4 bits. */
struct engine_needs fit_needs_of_size(double parameters);
/* A quantisation, and its bits a weight in whole files of 1B to 14B, as mixtures come out. */
struct fit_type {
    enum quantize_mix mix;
    double bits;
};
const struct fit_type *fit_types(int *ret_n);

/* Bytes a second of a plain read loop over memory, all processors; a fraction of a second. 0 when memory for it cannot
 * be had. */
double fit_measure_bandwidth(int threads);

/* How much context is counted with, and how its keys and values are kept. */
struct fit_context {
    int64_t tokens;
    enum tensor_type kv_type;      /* TENSOR_F16 or TENSOR_Q8_0 */
};
/* Memory at that context, all in. */
int64_t fit_total(const struct engine_needs *n, struct fit_context c);
/* Tokens a second that the bandwidth allows, the cache still empty. */
double fit_tokens_per_s(const struct engine_needs *n, double bandwidth);

/* The header of a model by name: starter, a file, the store, or a host far away, which is said on stderr. */
bool fit_open_header(const char *name, struct gguf **ret, struct err *err);

/* What is asked about, and what the machine has. */
struct fit_report {
    const char *name;              /* as typed */
    const char *display;           /* "Qwen3 4B", or "" */
    const char *type;              /* "Q4_K_M" */
    const struct gguf *file;       /* NULL: estimated from a number of parameters */
    struct engine_needs needs;
    struct fit_context context;
    struct machine machine;
    double bandwidth;
};
bool fit_fits(const struct fit_report *r);
/* Members of an open object. */
void fit_put_needs(struct json_writer *w, const struct engine_needs *n, struct fit_context c, double bandwidth);
void fit_put_machine(struct json_writer *w, const struct machine *m, double bandwidth);
void fit_print(const struct fit_report *r);
void fit_print_json(const struct fit_report *r);
/* Without a model: this machine and some usual ones. */
void fit_print_table(const struct machine *m, double bandwidth, struct fit_context c);
void fit_print_table_json(const struct machine *m, double bandwidth, struct fit_context c);

#endif
