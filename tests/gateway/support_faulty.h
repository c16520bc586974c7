/* An upstream that misbehaves on the wire, below what an HTTP server would let through: raw bytes, then silence, an end, a reset or
 * more of the same for ever. One thread a connection. */
#ifndef RUNG_TESTS_GATEWAY_SUPPORT_FAULTY_H
#define RUNG_TESTS_GATEWAY_SUPPORT_FAULTY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum faulty_how {
    FAULTY_SAY,                    /* the request is read, `say` is said, then as `then` says */
    FAULTY_REFUSE,                 /* nobody listens */
    FAULTY_NO_ACCEPT,              /* the queue of connections is full */
    FAULTY_BLURT,                  /* `say` at once, whatever is asked: no TLS server */
};
enum faulty_then {
    THEN_CLOSE,
    THEN_RESET,
    THEN_HANG,                     /* until the other side ends */
    THEN_REPEAT,                   /* `more` for ever, as fast as it goes */
    THEN_DRIP,                     /* `more` for ever, a byte every 20 ms */
};

struct faulty {
    uint16_t port;
    enum faulty_how how;
    enum faulty_then then;
    const char *say, *more;
    /* private */
    int fd, fillers[8];
    pthread_t thread;
    atomic_int visits;
    atomic_bool stop;
};

void faulty_open(struct faulty *f, enum faulty_how how, enum faulty_then then, const char *say, const char *more);
void faulty_close(struct faulty *f);

#endif
