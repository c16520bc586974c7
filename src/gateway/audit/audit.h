/* The audit log: who asked, which privacy class it was, who was asked for an answer, and why; never what was said.
 *
 * One JSON object a line, appended whole. Each line carries the SHA-256 of the line before it, so that a line that was
 * changed, taken out or put in shows (audit_verify); what was cut off the end shows only against a copy of the last
 * line. A request is noted before anything of it is sent, and is refused where it cannot be noted. One process writes a
 * file: a second one is refused it. Any thread. */
#ifndef RUNG_GATEWAY_AUDIT_AUDIT_H
#define RUNG_GATEWAY_AUDIT_AUDIT_H

#include "gateway/policy/route.h"

#define AUDIT_LINE_MAX 16384
#define AUDIT_DENIED_PER_S 10
#define AUDIT_HASH_BYTES 65               /* lower-case hex and NUL */

struct audit;

/* Opens or creates the file, for the owner's eyes only, and goes on behind its last line. sync: each line is on the
 * disk before the request goes on. ERR_BUSY: another process writes it. */
bool audit_open(const char *path, bool sync, struct audit **ret, struct err *err);
void audit_close(struct audit *a);        /* NULL allowed */
/* The file was moved away: begin a new one, whose first line carries the hash of the old one's last. */
bool audit_reopen(struct audit *a, struct err *err);

/* Each appends one line. false: it could not be written. a NULL: nothing is noted, true. */
bool audit_request(struct audit *a, const struct config *c, const struct request *req, const struct plan *plan,
                   struct err *err);
bool audit_answer(struct audit *a, const struct request *req, const struct reply *reply, struct err *err);
/* Somebody who was not let in; why: "key", "host", "origin". Of a flood of them some are noted and the others counted
 * in the next line, so that nobody fills the disk who may not even ask. */
bool audit_denied(struct audit *a, const char *endpoint, const char *why, struct err *err);

/* ---- chain.c ---- */
/* One line with these members, which begin with a comma or are empty. */
bool audit_append(struct audit *a, const char *event, struct str members, struct err *err);

/* Whether a denied caller is one too many in this second; how many were left out since the last that was noted. */
bool audit_flood(struct audit *a, int64_t *ret_left_out);

struct audit_check {
    int64_t lines;
    int64_t bad_line;                     /* 1-based, the first that does not fit; 0: all do */
    char last_hash[AUDIT_HASH_BYTES];     /* of the last line: keep a copy elsewhere, and a cut end shows too */
    char first_prev[AUDIT_HASH_BYTES];    /* the hash that the first line carries: zeros in a log's first file */
};
/* false only where the file cannot be read. */
bool audit_verify(const char *path, struct audit_check *ret, struct err *err);

#endif
