/* render TEMPLATE.jinja < CASE.json: prints what the chat template makes of the context; exit 1 and the message
 * where it raises. So that a rendering can be repeated and compared, what a case leaves open is what the shared
 * vectors have: bos_token "<s>", eos_token "</s>", and a clock that stands at 26 July 2026 09:30 (or at RENDER_NOW_MS,
 * milliseconds since 1970). */
#include <stdio.h>
#include <stdlib.h>

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

#define VECTORS_NOW_MS 1785058200000

static bool put_default(json_t *context, const char *key, const char *value, struct err *err)
{
    return json_object_get(context, key) || json_object_set_new(context, key, json_string(value)) == 0 ||
           err_nomem(err, "the context");
}

static bool now_ms(int64_t *ret, struct err *err)
{
    const char *fixed = getenv("RENDER_NOW_MS");
    *ret = VECTORS_NOW_MS;
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
              put_default(context, "bos_token", "<s>", &err) && put_default(context, "eos_token", "</s>", &err) &&
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
