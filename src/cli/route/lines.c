/* Reading a file of requests line by line, from a file or a pipe, however long the file is. */
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/route/route.h"
#include "data/json.h"

#define MAX_LINE_FIELDS 64
#define READ_BYTES (1u << 16)

/* One pass over a regular file, so that progress knows its end. */
static int64_t count_lines(FILE *f)
{
    char *block = malloc(READ_BYTES);
    int64_t n = 0;
    bool blank = true;
    if (!block)
        return -1;
    for (size_t got; (got = fread(block, 1, READ_BYTES, f)) > 0;) {
        for (size_t i = 0; i < got; i++) {
            if (block[i] == '\n') {
                n += !blank;
                blank = true;
            } else if (block[i] != ' ' && block[i] != '\t' && block[i] != '\r') {
                blank = false;
            }
        }
    }
    free(block);
    rewind(f);
    return n + !blank;
}

bool route_lines_open(const char *path, struct route_lines *ret, struct err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    struct stat st;
    struct route_lines l = {
        .file = is_stdin ? stdin : fopen(path, "re"), .name = is_stdin ? "standard input" : path, .total = -1};
    if (!l.file)
        return err_errno(err, ERR_NOT_FOUND, "cannot open %s", path);
    if (!is_stdin && fstat(fileno(l.file), &st) == 0 && S_ISDIR(st.st_mode)) {
        fclose(l.file);
        return err_set(err, ERR_INVALID, "%s is a directory; name a file with a request a line", path);
    }
    if (!is_stdin && S_ISREG(st.st_mode))
        l.total = count_lines(l.file);
    *ret = l;
    return true;
}

void route_lines_close(struct route_lines *l)
{
    if (l->file && l->file != stdin)
        fclose(l->file);
    l->file = NULL;
}

bool route_lines_next(struct route_lines *l, struct buf *line, struct err *err)
{
    for (;;) {
        int ch = EOF;
        buf_clear(line);
        while ((ch = getc_unlocked(l->file)) != EOF && ch != '\n')
            buf_char(line, (char)ch);
        if (ch == EOF && line->n == 0 && buf_ok(line)) {
            if (ferror(l->file))
                return err_errno(err, ERR_IO, "cannot read %s", l->name);
            return false;
        }
        l->number++;
        if (!buf_ok(line))
            return err_at_line(err, ERR_LIMIT, l->name, (int)l->number, 0, "the line is longer than %u bytes",
                               ROUTE_MAX_LINE);
        if (str_trim(buf_view(line)).n)
            return true;
    }
}

bool route_parse_line(struct str line, struct arena *arena, struct request *ret, struct err *err)
{
    struct json_member members[MAX_LINE_FIELDS];
    json_t *object = NULL;
    struct str custom_id = STR(""), body = line;
    int n = 0;
    if (!json_parse_object(line, "the line", &object, err))
        return false;
    bool batch = json_is_object(json_object_get(object, "body"));
    bool ok = !batch || json_get_str(object, "custom_id", &custom_id, err);
    if (ok && custom_id.n) {
        custom_id = arena_str(arena, custom_id);
        ok = custom_id.p || err_nomem(err, "the line");
    }
    json_decref(object);
    if (!ok)
        return false;
    if (batch && !json_members(line, members, MAX_LINE_FIELDS, &n))
        return err_set(err, ERR_LIMIT, "the line has more than %d fields", MAX_LINE_FIELDS);
    for (int i = 0; i < n; i++) {
        if (str_is(members[i].key, "body"))
            body = members[i].value;
    }
    if (!openai_parse_chat(body, arena, ret, err))
        return false;
    if (custom_id.n)
        ret->label = custom_id;
    ret->stream = false;                  /* the answer goes into a file: nobody reads along */
    return true;
}
