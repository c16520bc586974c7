/* Inside the runtime: what a loaded model and a live generation are, and which thread may touch which part. */
#ifndef RUNG_RUNTIME_PRIVATE_H
#define RUNG_RUNTIME_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "runtime/generate.h"
#include "runtime/reasoning.h"
#include "runtime/stop.h"
#include "text/template.h"
#include "text/tokenizer.h"

#define RUNTIME_MAX_LIVE ENGINE_MAX_STEP_ITEMS   /* generations at once, over all models */
#define RUNTIME_DEFAULT_CONTEXT 8192
/* Prompt tokens of a step in which answers are being written: what one of them waits at most for a newcomer. */
#define RUNTIME_MIXED_PROMPT_TOKENS 128

/* Immutable once loaded, but for the engine, which is the engine thread's. */
struct local_model {
    struct local_model *next;
    struct runtime *rt;
    struct gguf *g;
    struct tokenizer *tokenizer;
    struct template *template;   /* NULL: the file has none */
    struct engine *engine;
    char *name, *display_name;
    struct local_model_info info;
    int32_t think_open, think_close;   /* marker tokens, -1 when the vocabulary has none */
};

/* One engine turn of one model; filled anew each time. */
struct turn {
    struct generation *generations[ENGINE_MAX_STEP_ITEMS];
    struct step_item items[ENGINE_MAX_STEP_ITEMS];
    struct want wants[ENGINE_MAX_STEP_ITEMS];
    struct token_record records[ENGINE_MAX_STEP_ITEMS];
    int n;
    int64_t n_tokens;
};

struct runtime {
    struct pool *pool;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;               /* something came in, or stop */
    /* under lock */
    struct local_model *models;
    struct generation *incoming[RUNTIME_MAX_LIVE];
    int n_incoming, n_taken;           /* n_taken: slots in use, by incoming and live ones */
    bool stop;
    /* the engine thread's; in order of arrival */
    struct generation *live[RUNTIME_MAX_LIVE];
    int n_live;
    struct turn turn;
};

/* A token's event waiting for the owner; its text is the next n_text bytes of the queue's text. */
struct queued_event {
    struct str piece;
    size_t n_text;
    bool reasoning, end;
    struct token_record record;
};

struct generation {
    struct local_model *model;
    atomic_bool cancelled;

    /* Between the threads, under lock. The owner and the engine thread hold a reference each. */
    pthread_mutex_t lock;
    pthread_cond_t ready;
    struct queued_event *events;
    int64_t n_events, next_event, cap_events;
    struct buf text;
    size_t text_at;                    /* bytes of text that were handed out */
    struct gen_event last;             /* GEN_DONE once `ended`; its text is what the queue's text still holds */
    bool ended;
    int refs;

    bool (*gone)(void *ctx);           /* asked under lock, and not once cancelled */
    void *gone_ctx;

    /* The owner's. */
    struct buf shown;                  /* the text of the event in the owner's hands */
    bool done;
    int64_t n_prompt;
    int64_t start_us;

    /* The engine thread's, from admission on. */
    struct session *session;
    struct token_ids ids;              /* prompt, then what was sampled */
    int64_t n_fed;                     /* of ids, into the session */
    int64_t max_tokens;
    struct sampler sampler;
    struct logit_bias *bias;
    struct detokenizer detokenizer;
    struct reasoning reasoning;
    struct stop_filter stop;
    struct buf decoded, fresh;         /* text of the token at hand: all of it, and what of it is certain */
    struct generation_usage usage;
    int64_t first_step_us;
};

/* ---- prompt.c ---- */
/* The prompt's tokens appended to *ids; *ret_reasoning: the template opened the reasoning section. */
bool prompt_build(const struct local_model *m, const struct generation_request *req, struct token_ids *ids,
                  bool *ret_reasoning, struct err *err);

/* ---- generation.c: the engine thread's side ---- */
/* Takes a sampled token; false when it is the last, with the reason (and *err for FINISH_ERROR). */
bool generation_take(struct generation *g, const struct token_record *record, enum finish_reason *ret_reason,
                     struct err *err);
/* Gives the last event and lets go of g; err is for FINISH_ERROR. */
void generation_finish(struct generation *g, enum finish_reason reason, const struct err *err);

/* ---- scheduler.c ---- */
void *scheduler_run(void *runtime);
/* ERR_BUSY when too many generations are live. */
bool scheduler_submit(struct runtime *rt, struct generation *g, struct err *err);

#endif
