/* What the tests of model hosts share: the stand-in as a process, a file to serve, and a store to fetch into. */
#ifndef RUNG_TESTS_SUPPORT_REMOTE_H
#define RUNG_TESTS_SUPPORT_REMOTE_H

#include "../support.h"
#include "registry/remote/private.h"

/* A host with a random file that begins like a GGUF file. */
struct host {
    char dir[64], file[96], log[96], store[96];    /* under a folder of its own */
    char digest[DIGEST_HEX + 1];
    int64_t size;
    int pid, port;
};

void host_make(struct host *h, int64_t size);              /* the file and folders, no process yet */
/* Starts (or restarts with other faults) the stand-in; words end in NULL. The port stays. */
void host_start(struct host *h, const char *word, ...);
void host_stop(struct host *h);
void host_free(struct host *h);
/* Bytes of answers whose path holds `path`, and lines that hold `needle`, in the log since the last host_start. */
int64_t host_sent(const struct host *h, const char *path);
int host_count(const struct host *h, const char *needle);

/* A remote that gives up soon. */
struct remote *remote_impatient(void);
/* The weights of the host's model under its registry name. */
struct remote_layer weights_of(const struct host *h);
/* A layer by URL, with nothing known of it. */
struct remote_layer plain_file(const struct host *h);
void assert_fetched(const struct host *h);                 /* the final name has the file, and nothing else is there */
int files_in_store(const struct host *h);

#endif
