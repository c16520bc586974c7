/* Where strings meet the engine: models that are declared and loaded when somebody asks, and the engine thread that
 * serves all live generations of all models in turns.
 *
 * A declared model is a handle that lives until runtime_close. Its weights come and go: the loader thread maps them for
 * the first request, drops them when nobody asked for keep_alive_ms, or earlier, least recently used first, when
 * another model needs the memory. Invariants: what a generation uses stays; two models of one file share its map; all
 * who wait for a model share one load and its failure.
 * Threads: every call may come from any thread; the engine thread alone touches engines with sessions. */
#ifndef RUNG_RUNTIME_RUNTIME_H
#define RUNG_RUNTIME_RUNTIME_H

#include "base/err.h"
#include "base/filemap.h"
#include "base/str.h"
#include "engine/engine.h"

struct runtime;
struct local_model;

bool runtime_open(int threads, struct runtime **ret, struct err *err);   /* threads 0: one per CPU */
void runtime_close(struct runtime *rt);                                  /* cancels what runs, then frees the models */

#define RUNTIME_KEEP_FOREVER (-1)
#define RUNTIME_KEEP_ALIVE_MS (5 * 60 * 1000)      /* what people know from elsewhere */
#define RUNTIME_LOAD_TIMEOUT_MS (2 * 60 * 1000)
#define RUNTIME_MAX_WAITING 128

/* What is not set (0) keeps its default. Before the first load. */
struct runtime_limits {
    int64_t memory_bytes;     /* for weights, caches and scratch of loaded models; default: what the machine has
                               * available at the start, less a reserve */
    int64_t load_timeout_ms;  /* longest that a request waits for its model */
    int max_waiting;          /* requests that wait for models at once */
};
void runtime_limit(struct runtime *rt, const struct runtime_limits *limits);

/* What is known of prompts is written to files in `folder`, at most so many bytes, and read after a restart; without
 * this it lasts as long as its model is loaded. Before the first declaration. */
bool runtime_remember_on_disk(struct runtime *rt, const char *folder, int64_t max_bytes, struct err *err);

/* Where a model's bytes are. */
struct model_file {
    const char *path;
    struct str bytes;         /* not empty: the file's bytes, which live as long as the process; path is a name only */
};

struct local_model_options {
    int64_t context;          /* 0: the model's own, at most 8192 */
    bool kv_q8;               /* keys and values are kept in 8 bits, not 16 */
    int64_t kv_bytes;         /* budget for keys and values of all generations and remembered prompts. 0: two full
                               * contexts, or one where two would crowd out weights. Where it holds less than the
                               * context, and no context was given, that is what the model's context is */
    bool no_speculation;      /* no tokens are drafted ahead; see docs/serving.md */
    int64_t keep_alive_ms;    /* how long it stays loaded unasked; 0: not at all, RUNTIME_KEEP_FOREVER. For runtime_load
                               * it counts for nothing: that model stays */
    /* Asked by the loader before each load, on its thread: may this file be used? NULL: always. */
    bool (*check)(void *ctx, struct err *err);
    void *check_ctx;
};
/* The header is read and every tensor's shape checked now, so a broken file is told at once; nothing stays mapped. All
 * texts are copied. */
bool runtime_declare(struct runtime *rt, const char *name, const struct model_file *file,
                     const struct local_model_options *options, struct local_model **ret, struct err *err);
/* A LoRA adapter (see engine/adapter.h) as a model of its own name, beside base, whose parts and memory it shares: it
 * is loaded and dropped with it. Checked against the base's file now. Before the base's first load. */
bool runtime_declare_adapter(struct runtime *rt, const char *name, struct local_model *base, const char *path,
                             struct local_model **ret, struct err *err);
/* Loads a model now and keeps it until runtime_close. Takes the map (closed also on failure). */
bool runtime_load(struct runtime *rt, const char *name, struct filemap *map, const struct local_model_options *options,
                  struct local_model **ret, struct err *err);

enum pooling { POOLING_MEAN, POOLING_LAST, POOLING_OTHER /* none that this engine has */ };

struct local_model_info {            /* from the declaration on, unchanging */
    const char *name, *path;
    const char *display_name;        /* general.name, or "" */
    struct engine_info engine;
    int64_t context;
    bool has_template;
    bool thinks;                     /* answers have a reasoning section that Rung tells apart */
    bool tools;                      /* the template shows tools, and Rung knows how answers call them */
    bool fills_in;                   /* the vocabulary has tokens for a prompt with a suffix */
    enum pooling pooling;            /* what makes a vector of a text */
    bool calls_in_json;              /* and their arguments are JSON: a rule says of them what their schemas say */
};
const struct local_model_info *local_model_info(const struct local_model *m);

/* ---- loaded and not ---- */
struct load_wait {
    bool has_keep_alive;             /* in place of the model's own, until somebody says otherwise */
    int64_t keep_alive_ms;
    bool (*gone)(void *ctx);         /* has whoever waits gone away? asked now and then; NULL: never */
    void *gone_ctx;
};
/* Waits until the model is loaded and keeps it so until local_model_release. generation_start does it for its
 * generation. ERR_BUSY: it took longer than may be waited, or models in use hold the memory; ERR_NOMEM: it never fits
 * the budget; ERR_CANCELLED: gone; else what is wrong with the file. */
bool local_model_acquire(struct local_model *m, const struct load_wait *wait, struct err *err);
/* The same, but false at once where it is not loaded. */
bool local_model_try_acquire(struct local_model *m);
void local_model_release(struct local_model *m);
/* Asks the loader for it and does not wait. */
void local_model_preload(struct local_model *m);
/* Drops it now, or as soon as nobody uses it. */
void local_model_unload(struct local_model *m);

struct local_model_state {
    const struct local_model_info *info;
    int64_t bytes;                   /* that it takes, or would take, of the budget */
    int64_t left_ms;                 /* until it is dropped; RUNTIME_KEEP_FOREVER */
    int users;                       /* generations that use it */
    int running, waiting;            /* of them: with a session; in want of memory for one */
    int64_t kv_bytes, kv_held;       /* the budget for keys and values; what sessions and remembered prompts hold */
    bool kv_q8;
    int64_t preemptions;             /* since the start */
};
/* The models that are loaded now, adapters not apart from their bases, at most max of them, last declared first;
 * returns their number. */
int runtime_loaded(struct runtime *rt, struct local_model_state *ret, int max);

/* ---- of a loaded model: between acquire and release ---- */
/* Tokens of a text with this model's tokenizer, no template; -1 on failure. */
int64_t local_model_count_tokens(const struct local_model *m, struct str text);
struct str local_model_piece(const struct local_model *m, int32_t id);   /* the bytes of a token */

#endif
