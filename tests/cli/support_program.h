/* The whole program under test: rung serve as a process of its own, the stand-in it pays, clients that bear its death,
 * and what the two say was billed. */
#ifndef RUNG_TESTS_CLI_SUPPORT_PROGRAM_H
#define RUNG_TESTS_CLI_SUPPORT_PROGRAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "../support_sql.h"
#include "base/buf.h"

/* A process that listens on the loopback; it does not outlive this one. */
struct program {
    pid_t pid;                     /* 0: none */
    _Atomic(uint16_t) port;
    char log[128];                 /* what it says; each start begins it anew */
};

/* "rung" or "tests/standin" of this build. One of 4 buffers. */
const char *program_path(const char *name);
/* Returns when it says where it listens; the test fails when it ends before. */
void program_start(struct program *p, const char *const argv[]);
/* Waits for its end: its exit status, or minus the signal that ended it. */
int program_stop(struct program *p, int signal);
/* Whether its log has these words. */
bool program_said(const struct program *p, const char *words);
/* Runs rung with these words behind it; its output, to free, and in *ret_status how it ended. */
char *program_run(int *ret_status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What `rung key` with these words prints, its one line; to free. */
char *program_key(const char *config, const char *words);

/* ---- what is asked ---- */
struct answer {
    int status;                    /* 0: nobody answered, or not to the end */
    int retry_after_s;             /* -1: none */
    struct buf body;
};
/* body NULL: a GET. Nothing here fails the test: servers may die. Give the answer back with buf_free(&a->body). */
void ask(uint16_t port, const char *key, const char *path, const char *body, struct answer *ret);
/* A client that goes away after so long; 0: never. */
void ask_for(uint16_t port, const char *key, const char *path, const char *body, long patience_ms, struct answer *ret);
int ask_status(uint16_t port, const char *key, const char *path, const char *body);

/* ---- load ---- */
/* Clients that ask one question after the other, in turn of each kind, of each server in turn. */
#define LOAD_CLIENTS 8
#define LOAD_SERVERS 2
struct load;
struct load_client {
    pthread_t thread;
    struct load *load;
    int number;
};
struct load {
    const struct program *servers[LOAD_SERVERS];
    int n_servers;
    const char *key;               /* NULL: none */
    int hang_up_ms;                /* 0: nobody hangs up; else two of three questions are given up within so long */
    bool alone;                    /* no questions of several answers: one that is refused cuts off the others */
    atomic_bool stop;
    atomic_int answered;           /* upstream calls behind whole answers */
    atomic_int refused;            /* answers that are none */
    atomic_int asked;
    struct load_client clients[LOAD_CLIENTS];
};
void load_start(struct load *load);
void load_stop(struct load *load);

/* ---- who billed what ---- */
/* Models for a configuration: one that chats, one whose answer alone costs, one that gives vectors, all of the
 * stand-in whose port is printf's one argument. */
#define PROGRAM_MODELS                                                                                                 \
    "models:\n  starter: {file: starter}\n"                                                                            \
    "  big: {base_url: 'http://127.0.0.1:%1$u/v1', retries: 0,"                                                        \
    " price_usd_per_mtok: {input: 3, cached_input: 1, output: 7, reasoning: 11}}\n"                                    \
    "  even: {base_url: 'http://127.0.0.1:%1$u/v1', retries: 0, price_usd_per_mtok: {input: 0, output: 4}}\n"          \
    "  vec: {base_url: 'http://127.0.0.1:%1$u/v1', retries: 0,"                                                        \
    " price_usd_per_mtok: {input: 3, output: 0}}\n"                                                                    \
    "tiers: [{name: local, model: starter}, {name: frontier, model: big}]\n"
struct bill {
    int64_t calls, tokens, pico_usd;
};
/* What the stand-in counted. */
struct bill bill_of_standin(const struct program *standin);
/* What the ledger holds as certain, and as possibly billed. How many tokens a call may have taken that was given up it
 * does not say. */
void bill_of_ledger(const char *where, struct bill *ret_sure, struct bill *ret_maybe);
/* sure <= counted <= sure + maybe, in calls, tokens and money, which it prints; nothing is open, no id is there twice, and
 * the counters of all and of keys are the sums of the rows. */
void bill_must_fit(const struct bill *counted, const char *where);

#endif
