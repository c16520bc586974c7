/* Trace headers and error sentences: a header that is taken is passed on as one that is taken; scrubbing stays inside
 * its text and leaves nothing of a known secret. */
#include <stdlib.h>
#include <string.h>

#include "gateway/secrets.h"
#include "gateway/trace/context.h"

static void check_header(struct str header)
{
    struct trace_context t = {0}, again;
    char line[TRACE_HEADER_BYTES];
    if (!trace_context_parse(header, &t))
        return;
    trace_context_enter(&t);
    trace_context_header(&t, t.span, line);
    if (!trace_context_parse(str_of(line + strlen("traceparent: ")), &again) || strcmp(again.trace, t.trace) != 0 ||
        strcmp(again.parent, t.span) != 0 || again.sampled != t.sampled)
        abort();
}

static void check_scrub(const char *text, size_t n)
{
    static struct config c;
    size_t size = n + 1 + n % 7;
    char *copy = malloc(size);
    if (!copy)
        return;
    memcpy(copy, text, n);
    copy[n] = 0;
    secrets_scrub(&c, STR("secret"), copy, size);
    if (strlen(copy) >= size || strstr(copy, "secret"))
        abort();
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_header((struct str){(const char *)data, size});
    if (size < 2000 && !memchr(data, 0, size))
        check_scrub((const char *)data, size);
    return 0;
}
