/* Server-sent events (WHATWG HTML, "Server-sent events"): a push parser for what arrives, and a writer. */
#ifndef RUNG_NET_SSE_H
#define RUNG_NET_SSE_H

#include "base/buf.h"
#include "base/err.h"

#define SSE_MAX_EVENT_BYTES (16u << 20)

struct sse_parser {
    /* private */
    struct buf line, data, event;
    bool skip_lf, started;
};

void sse_parser_init(struct sse_parser *p);
void sse_parser_free(struct sse_parser *p);
/* Feed bytes cut anywhere; `on_event` is called for each whole event with its type ("" for none) and data. false from
 * it, or an event over the limit, ends the parse with false. */
bool sse_feed(struct sse_parser *p, struct str bytes, bool (*on_event)(void *ctx, struct str type, struct str data),
              void *ctx, struct err *err);
/* "data: ...\n\n"; line ends inside data start further data lines. type NULL: none. */
void sse_write(struct buf *out, const char *type, struct str data);

#endif
