/* The ledger: one row a request, committed before anything is sent and settled after, in one SQLite file or in a
 * PostgreSQL database that several nodes share.
 *
 * Invariants: what ledger_begin and ledger_attempt acknowledged survives a kill -9 (and a power cut with `power`);
 * so does a settled row once it is committed; a row is settled at most once; a row whose process died is marked
 * `possibly_billed` when an upstream call had been announced and `lost` when not; spent + reserved never passes a
 * budget, of the month or of a key, whichever threads, processes and nodes share the store. A row's money belongs to
 * the day and the month (UTC) in which it began. One thread owns the writing connection and commits everything queued
 * in one transaction. Every call here may come from any thread. No text of a prompt or an answer is stored.
 *
 * A file: several processes may write (one waits for the other) and any number may read. Beside it stand PATH-wal and
 * PATH-shm (SQLite's; the log grows to about 128 MiB while writers live and goes with the last of them) and PATH-owners
 * (empty; the locks by which writers know who lives).
 *
 * A database: while it is away, begin and attempt say ERR_BUSY, settled rows are kept and written when it is back; a
 * node that is not heard of for 20 s is dead. The clock is the server's. */
#ifndef RUNG_STORE_LEDGER_H
#define RUNG_STORE_LEDGER_H

#include "base/err.h"
#include "base/str.h"

#define LEDGER_MAX_ATTEMPTS 16
#define LEDGER_ID_BYTES 64
#define LEDGER_NAME_BYTES 128
#define LEDGER_NO_BUDGET INT64_MAX
#define KEY_NO_LIMIT INT64_MAX
#define KEY_ID_BYTES 32
#define LEDGER_QUEUE_MAX 4096 /* rows waiting for the disk; beyond it begin and attempt say ERR_BUSY and settle waits */

enum ledger_outcome {
    LEDGER_OPEN,             /* begun, not settled yet */
    LEDGER_OK,
    LEDGER_UNANSWERED,       /* fits no tier */
    LEDGER_ERROR,
    LEDGER_CANCELLED,        /* the client hung up */
    LEDGER_POSSIBLY_BILLED,  /* nobody knows whether the upstream charges */
    LEDGER_LOST,             /* its process died before anything was sent upstream */
    LEDGER_OUTCOMES,
};
extern const char *const ledger_outcome_names[LEDGER_OUTCOMES];

enum ledger_attempt_outcome {
    LEDGER_ATTEMPT_OK,
    LEDGER_ATTEMPT_LOW_CONFIDENCE,
    LEDGER_ATTEMPT_FAILED,
    LEDGER_ATTEMPT_TIMEOUT,
    LEDGER_ATTEMPT_CANCELLED,
    LEDGER_ATTEMPT_POSSIBLY_BILLED,
    LEDGER_ATTEMPT_ANNOUNCED,        /* by ledger_attempt, not settled yet; never in a settled row */
    LEDGER_ATTEMPT_OUTCOMES,
};
extern const char *const ledger_attempt_outcome_names[LEDGER_ATTEMPT_OUTCOMES];

struct ledger_tokens {
    int64_t prompt, cached;          /* cached: read from the upstream's cache; part of prompt */
    int64_t cache_write;             /* written into it; part of prompt too, and not of cached */
    int64_t completion, reasoning;   /* completion is what is visible; reasoning is NOT part of it */
};

struct ledger_attempt {
    char tier[LEDGER_NAME_BYTES], model[LEDGER_NAME_BYTES];
    char upstream[LEDGER_NAME_BYTES]; /* which of the tier's upstreams; may be empty */
    bool local;                      /* answered in this process or on an own machine */
    enum ledger_attempt_outcome outcome;
    struct ledger_tokens tokens;
    int64_t cost_pico_usd;           /* of a possibly billed one: what it would cost if it was */
    int64_t ttft_us, total_us;       /* -1: unknown */
    double confidence;               /* -1: none */
};

/* Zero it, then fill what is known; texts are cut at their size on a character boundary by ledger_text. */
struct ledger_row {
    char id[LEDGER_ID_BYTES];        /* unique; not empty */
    int64_t wall_ms;                 /* since 1970; 0: now */
    char key[KEY_ID_BYTES];          /* id of the key that asked; empty: none, or one without limits */
    char kind[32];
    char model_asked[LEDGER_NAME_BYTES];
    char privacy[16];                /* "any", "local" */
    uint64_t conversation;           /* str_hash of its id, never the id; 0: none */
    /* from here on: known when it settles */
    char tier_path[256];             /* "local>mid" */
    char tier[LEDGER_NAME_BYTES], model[LEDGER_NAME_BYTES];   /* who answered; empty: nobody */
    int tier_rank;                   /* its place among the configured tiers, 0 the cheapest: the order of the shares */
    bool local;                      /* who answered was local */
    char reason[192];
    int64_t hold_us, ttft_us, total_us;   /* as the client saw them; ttft -1: nothing was sent */
    double confidence;               /* of the answer given, -1: none */
    int64_t frontier_pico_usd;       /* "before": what the frontier tier would have cost */
    enum ledger_outcome outcome;     /* not LEDGER_OPEN when settled */
    int n_attempts;
    struct ledger_attempt attempts[LEDGER_MAX_ATTEMPTS];   /* last: a copy takes only those there are */
};
/* The row's own cost ("after") is not stated but summed: that of its attempts, those possibly billed apart. */
int64_t ledger_row_cost(const struct ledger_row *row);
int64_t ledger_row_uncertain(const struct ledger_row *row);
/* Copy s into a field of `size` bytes: ledger_text(row->reason, sizeof row->reason, s). */
void ledger_text(char *field, size_t size, struct str s);

/* What a key may use; KEY_NO_LIMIT where there is none. */
struct key_limits {
    int64_t requests_per_min, tokens_per_min;   /* sliding: this minute, and of the last one what is not yet over */
    int64_t budget_day_pico_usd, budget_month_pico_usd;
};

/* Money and tokens set aside before an upstream call. */
struct ledger_reservation {
    const char *id, *tier, *model;
    const char *upstream;            /* NULL: not said */
    const char *key;                 /* the row's; NULL or empty: none */
    int64_t pico_usd, tokens;        /* at most what the call can cost and use */
    int64_t budget_pico_usd;         /* of the month, over all keys; LEDGER_NO_BUDGET */
    const struct key_limits *limits; /* of the key; NULL: none */
};

/* Which limit said no, and what is left. Filled when a call says yes and when it says ERR_LIMIT. */
enum ledger_bound { BOUND_NONE, BOUND_REQUESTS, BOUND_TOKENS, BOUND_KEY_DAY, BOUND_KEY_MONTH, BOUND_MONTH };
struct ledger_verdict {
    enum ledger_bound bound;
    bool reserved;                        /* the reservation was made */
    int64_t retry_after_s;                /* of BOUND_REQUESTS and BOUND_TOKENS: when it may be tried again; else 0 */
    int64_t requests_left, tokens_left;   /* of the key's minute, after this call; KEY_NO_LIMIT where there is none */
    int64_t requests_reset_s, tokens_reset_s;   /* until all of it is free again, if nothing more is asked */
};

struct ledger;
struct ledger_options {
    bool power;                      /* of a file: a commit then also survives a power cut (synchronous=FULL) */
};

/* "$XDG_DATA_HOME/rung/ledger.db", else "~/.local/share/rung/ledger.db". */
bool ledger_default_path(char *buf, size_t size, struct err *err);
/* Whether it is the address of a database ("postgresql://user@host/database?..."), not a path. */
bool ledger_is_address(const char *where);
/* Whether that address is well-formed and holds no password. */
bool ledger_check_address(const char *address, struct err *err);
/* Opens or creates (parent folders too, for the owner's eyes only), migrates, and marks what dead processes left
 * open. `where` is a path or an address without a password (ERR_INVALID: PGPASSWORD or ~/.pgpass hold it). */
bool ledger_open(const char *where, const struct ledger_options *o, struct ledger **ret, struct err *err);
/* Commits what is queued, then closes. No other call may be running. NULL allowed. */
void ledger_close(struct ledger *l);

/* Returns when the open row is committed and, with limits (NULL: none), counted as one request of row->key; nothing of
 * the request may be sent before. ERR_LIMIT, with nothing written, when the key's minute is used up (*ret, NULL
 * allowed, says which and for how long). ERR_INVALID for an id that exists. With `first` (NULL: none) it is also
 * ledger_attempt's, in the same commit; where that would say ERR_LIMIT the row is begun all the same, ret->reserved is
 * false, and ledger_attempt has the sentence. */
bool ledger_begin(struct ledger *l, const struct ledger_row *row, const struct key_limits *limits,
                  const struct ledger_reservation *first, struct ledger_verdict *ret, struct err *err);
/* Announce an upstream call and set money and tokens aside for it, committed before it is made. ERR_LIMIT, with
 * nothing written, when spent + reserved + r->pico_usd would pass the budget of the month, of the key's day or of its
 * month, or the tokens those of its minute (*ret, NULL allowed, says which): then do not call. Reservations end when
 * the row settles. */
bool ledger_attempt(struct ledger *l, const struct ledger_reservation *r, struct ledger_verdict *ret, struct err *err);
/* Queue the settled row, a copy, which is committed within milliseconds; with wait return when it is. Settling an id
 * again changes nothing. A row not waited for that the disk refuses is kept and tried again. Attempts in *row replace
 * the announced ones. */
bool ledger_settle(struct ledger *l, const struct ledger_row *row, bool wait, struct err *err);
/* Returns when everything queued before the call is committed. */
bool ledger_flush(struct ledger *l, struct err *err);
/* Jobs that wait for the store. */
int ledger_backlog(struct ledger *l);
/* Whether the last commit was taken; false with its failure. From memory. */
bool ledger_writable(struct ledger *l, struct err *err);
/* Spent and reserved in this calendar month (UTC); what was possibly billed counts. From memory. */
int64_t ledger_spent(struct ledger *l);

#endif
