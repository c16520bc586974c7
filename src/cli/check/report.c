/* What rung check shows: a line for each keyword and sums for people, or one JSON object. */
#include <stdio.h>

#include "cli/check/check.h"
#include "data/json.h"

#define JSON_BYTES (16u << 20)

static const char *const treatments[] = {
    [SCHEMA_ENFORCED] = "while decoding",
    [SCHEMA_VALIDATED_AFTER] = "on the finished answer",
    [SCHEMA_IGNORED] = "ignored",
    [SCHEMA_REFUSED] = "refused",
};
static const char *const names[] = {
    [SCHEMA_ENFORCED] = "enforced",
    [SCHEMA_VALIDATED_AFTER] = "validated_after",
    [SCHEMA_IGNORED] = "ignored",
    [SCHEMA_REFUSED] = "refused",
};

/* ---- for people ---- */

/* A schema is somebody else's text, and what it names shall not look like a line of this report. */
static void print_safe(struct str text)
{
    struct buf safe = BUF_INIT(4096);
    cli_make_safe(text, &safe);
    for (size_t i = 0; i < safe.n; i++)
        safe.p[i] = safe.p[i] == '\n' || safe.p[i] == '\t' ? ' ' : safe.p[i];
    printf(STR_FMT, STR_ARG(buf_view(&safe)));
    buf_free(&safe);
}

/* Columns as wide as what stands in them, up to a bound. */
static int width_of(const struct check_result *r, size_t offset, int least, int most)
{
    int width = least;
    for (int i = 0; i < r->n_notes; i++) {
        int n = (int)strlen((const char *)&r->notes[i] + offset);
        width = n > width ? n : width;
    }
    return width < most ? width : most;
}

static void print_notes(const struct check_result *r)
{
    int keyword = width_of(r, offsetof(struct schema_note, keyword), 8, 24);
    int path = width_of(r, offsetof(struct schema_note, path), 6, 48);
    if (r->n_notes > 0)
        printf("%-*s  %-*s  HOW\n", keyword, "KEYWORD", path, "WHERE");
    for (int i = 0; i < r->n_notes; i++) {
        const struct schema_note *note = &r->notes[i];
        struct buf line = BUF_INIT(4096);
        buf_printf(&line, "%-*s  %-*s  %s%s%s", keyword, note->keyword, path, *note->path ? note->path : "/",
                   treatments[note->treatment], *note->why ? ": " : "", note->why);
        print_safe(buf_view(&line));
        putchar('\n');
        buf_free(&line);
    }
    if (r->n_left_out > 0)
        printf("... and %d more\n", r->n_left_out);
    if (r->n_notes > 0)
        putchar('\n');
}

/* How many keywords each treatment has, of those that have any. */
static void print_counts(const struct check_result *r)
{
    const char *separator = ": ";
    if (r->n_left_out > 0)
        printf(", the first %d keywords", r->n_notes);
    for (int t = SCHEMA_ENFORCED; t <= SCHEMA_REFUSED; t++) {
        int n = 0;
        for (int i = 0; i < r->n_notes; i++)
            n += (int)r->notes[i].treatment == t;
        if (n > 0)
            printf("%s%d %s", separator, n, treatments[t]);
        separator = n > 0 ? ", " : separator;
    }
}

static void print_sums(const struct check_result *r)
{
    if (!r->usable && r->n_notes == 0)
        return;
    printf("%s%s", r->what, r->from ? ", " : "");
    if (r->from)
        print_safe(str_of(r->from));
    print_counts(r);
    putchar('\n');
    if (r->usable && r->validated)
        printf("An answer that fails the check at its end counts as a failure: it is tried again, then climbs.\n");
    else if (r->usable)
        printf("Every whole answer is valid.\n");
    if (r->usable)
        printf("compiled in %.2f ms\n", r->compile_ms);
}

static void print_model(const struct check_model *m)
{
    printf("beside the %lld tokens of %s: compiled in %.2f ms, %lld of them may begin an answer\n",
           (long long)m->n_tokens, m->name, m->compile_ms, (long long)m->n_first);
    if (m->n_first == 0)
        printf("Its vocabulary cannot write such an answer.\n");
    else if (m->missing_bytes > 0)
        printf("Its vocabulary lacks single tokens for %d bytes of text: answers with rare characters cannot be "
               "written.\n", m->missing_bytes);
    else
        printf("Its vocabulary has every byte: whatever the rule allows it can write.\n");
}

void check_print(const struct check_result *r)
{
    print_notes(r);
    print_sums(r);
    if (r->usable && r->model.name)
        print_model(&r->model);
}

/* ---- for programs ---- */

static void put_notes(struct json_writer *w, const struct check_result *r)
{
    json_key(w, "keywords");
    json_open_array(w);
    for (int i = 0; i < r->n_notes; i++) {
        json_open_object(w);
        json_put_cstr(w, "keyword", r->notes[i].keyword);
        json_put_cstr(w, "path", r->notes[i].path);
        json_put_cstr(w, "treatment", names[r->notes[i].treatment]);
        json_put_cstr(w, "why", *r->notes[i].why ? r->notes[i].why : NULL);
        json_close_object(w);
    }
    json_close_array(w);
    json_put_i64(w, "keywords_left_out", r->n_left_out);
}

static void put_model(struct json_writer *w, const struct check_model *m)
{
    json_key(w, "model");
    json_open_object(w);
    json_put_cstr(w, "name", m->name);
    json_put_i64(w, "tokens", m->n_tokens);
    json_put_i64(w, "first_tokens", m->n_first);
    json_put_i64(w, "missing_bytes", m->missing_bytes);
    json_put_f64(w, "compile_ms", m->compile_ms);
    json_close_object(w);
}

bool check_print_json(const struct check_result *r, struct err *err)
{
    struct buf out = BUF_INIT(JSON_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    char why[900];
    json_open_object(&w);
    json_put_cstr(&w, "rule", r->what);
    json_put_cstr(&w, "file", r->from);
    json_put_bool(&w, "usable", r->usable);
    json_put_cstr(&w, "refused", r->usable ? NULL : err_format(&r->refused, why, sizeof why));
    json_put_bool(&w, "validated_after", r->validated);
    if (r->usable)
        json_put_f64(&w, "compile_ms", r->compile_ms);
    put_notes(&w, r);
    if (r->usable && r->model.name)
        put_model(&w, &r->model);
    json_close_object(&w);
    bool ok = buf_check(&out, "the report", err);
    if (ok)
        printf(STR_FMT "\n", STR_ARG(buf_view(&out)));
    buf_free(&out);
    return ok;
}
