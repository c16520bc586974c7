/* render TEMPLATE.jinja < CASE.json: prints what the chat template makes of the context; exit 1 and the message
 * where it raises. The clock a template may ask for is the real one, or RENDER_NOW_MS (milliseconds since 1970), so
 * that a rendering can be repeated. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/filemap.h"
#include "data/json.h"
#include "text/template.h"

static bool read_stdin(struct buf *into, struct err *err)
{
    char chunk[65536];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, stdin)) > 0;)
        buf_add(into, chunk, n);
    if (ferror(stdin))
        return err_errno(err, ERR_IO, "standard input cannot be read");
    return buf_check(into, "standard input", err);
}

static bool now_ms(int64_t *ret, struct err *err)
{
    const char *fixed = getenv("RENDER_NOW_MS");
    *ret = clock_wall_ms();
    return !fixed || str_to_i64(str_of(fixed), ret) || err_set(err, ERR_INVALID, "RENDER_NOW_MS must be an integer");
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct buf input = BUF_INIT(JSON_MAX_BYTES), text = BUF_INIT(TEMPLATE_MAX_OUTPUT_BYTES);
    struct template *template = NULL;
    json_t *context = NULL;
    char *source = NULL, message[1024];
    size_t n;
    int64_t now;
    if (argc != 2) {
        fprintf(stderr, "usage: render TEMPLATE.jinja < CASE.json\n");
        return 2;
    }
    bool ok = now_ms(&now, &err) && file_read(argv[1], TEMPLATE_MAX_SOURCE_BYTES, &source, &n, &err) &&
              read_stdin(&input, &err) && json_parse_object(buf_view(&input), "standard input", &context, &err) &&
              template_compile((struct str){source, n}, &template, &err) &&
              template_render(template, context, now, &text, &err);
    if (ok)
        ok = fwrite(text.p ? text.p : "", 1, text.n, stdout) == text.n;
    else
        fprintf(stderr, "render: %s\n", err_format(&err, message, sizeof message));
    template_free(template);
    json_decref(context);
    free(source);
    buf_free(&input);
    buf_free(&text);
    return ok ? 0 : 1;
}
