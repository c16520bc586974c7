/* Typed getters over the YAML tree: each wrong value becomes a sentence with file, line and column. Which fields
 * exist and what they mean is for the floors above. */
#include "data/yaml.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"

#define KEY_LENGTH_MAX 64    /* longer keys are not compared for likeness */
#define KEY_LIKENESS_MAX 3   /* edits between a key and the one that was meant */
#define KEYS_SHOWN_MAX 400   /* bytes of the list in a message */

static bool is_null(const struct yaml_node *n)
{
    return n->kind == YAML_SCALAR && !n->quoted &&
           (n->text.n == 0 || str_is(n->text, "~") || str_eq_nocase(n->text, STR("null")));
}

const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
    if (!mapping || mapping->kind != YAML_MAPPING)
        return NULL;
    for (int i = 0; i < mapping->n; i++)
        if (str_is(mapping->keys[i]->text, key))
            return is_null(mapping->items[i]) ? NULL : mapping->items[i];
    return NULL;
}

bool yaml_fail(const struct yaml_node *node, const char *name, struct err *err, const char *fmt, ...)
{
    char msg[sizeof ((struct err *)0)->msg];
    va_list args;
    va_start(args, fmt);
    vsnprintf(msg, sizeof msg, fmt, args);
    va_end(args);
    return err_at_line(err, ERR_INVALID, name, node->line, node->col, "%s", msg);
}

/* What stands there, for "must be ..., not ...". */
static const char *shown(const struct yaml_node *n, char *buf, size_t size)
{
    struct str text = utf8_clip(n->text, 60);
    if (n->kind == YAML_SEQUENCE)
        return "a list";
    if (n->kind == YAML_MAPPING)
        return "a mapping";
    if (is_null(n))
        return "empty";
    snprintf(buf, size, "'" STR_FMT "%s'", STR_ARG(text), text.n < n->text.n ? "..." : "");
    return buf;
}

static bool wrong(const struct yaml_node *n, const char *name, const char *what, const char *wanted, struct err *err)
{
    char buf[96];
    return yaml_fail(n, name, err, "%s must be %s, not %s%s", what, wanted, shown(n, buf, sizeof buf),
                     n->kind == YAML_SCALAR && n->quoted ? " in quotes" : "");
}

bool yaml_to_str(const struct yaml_node *n, const char *name, const char *what, struct str *ret, struct err *err)
{
    if (n->kind != YAML_SCALAR || is_null(n))
        return wrong(n, name, what, "a text", err);
    *ret = n->text;
    return true;
}

bool yaml_to_i64(const struct yaml_node *n, const char *name, const char *what, int64_t min, int64_t max, int64_t *ret,
                 struct err *err)
{
    int64_t v;
    if (n->kind != YAML_SCALAR || n->quoted || !str_to_i64(n->text, &v))
        return wrong(n, name, what, "a whole number", err);
    if (v < min || v > max)
        return yaml_fail(n, name, err, "%s must be between %" PRId64 " and %" PRId64 ", not %" PRId64, what, min, max,
                         v);
    *ret = v;
    return true;
}

bool yaml_to_f64(const struct yaml_node *n, const char *name, const char *what, double min, double max, double *ret,
                 struct err *err)
{
    double v;
    if (n->kind != YAML_SCALAR || n->quoted || !str_to_f64(n->text, &v))
        return wrong(n, name, what, "a number", err);
    if (!(v >= min && v <= max))
        return yaml_fail(n, name, err, "%s must be between %g and %g, not %g", what, min, max, v);
    *ret = v;
    return true;
}

bool yaml_to_bool(const struct yaml_node *n, const char *name, const char *what, bool *ret, struct err *err)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (unsigned i = 0; n->kind == YAML_SCALAR && !n->quoted && i < sizeof words / sizeof *words; i++)
        if (str_eq_nocase(n->text, str_of(words[i]))) {
            *ret = i % 2 == 1;
            return true;
        }
    return wrong(n, name, what, "true or false", err);
}

/* Levenshtein's distance, one row at a time. */
static int distance(struct str a, struct str b)
{
    int row[KEY_LENGTH_MAX + 1];
    for (size_t j = 0; j <= b.n; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= a.n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= b.n; j++) {
            int change = diagonal + (a.p[i - 1] != b.p[j - 1]);
            int skip = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < skip ? change : skip;
        }
    }
    return row[b.n];
}

static const char *nearest(struct str key, const char *const *allowed)
{
    const char *best = NULL;
    int best_distance = KEY_LIKENESS_MAX + 1;
    for (; *allowed; allowed++) {
        struct str name = str_of(*allowed);
        if (key.n > KEY_LENGTH_MAX || name.n > KEY_LENGTH_MAX)
            continue;
        int d = distance(key, name);
        if (d < best_distance && (size_t)d < name.n) {
            best = *allowed;
            best_distance = d;
        }
    }
    return best;
}

static bool unknown_key(const struct yaml_node *key, const char *name, const char *const *allowed, struct err *err)
{
    struct buf list = BUF_INIT(KEYS_SHOWN_MAX);
    for (const char *const *a = allowed; *a; a++)
        buf_printf(&list, "%s%s", a == allowed ? "" : ", ", *a);
    const char *near = nearest(key->text, allowed);
    char hint[KEY_LENGTH_MAX + 32] = "";
    if (near)
        snprintf(hint, sizeof hint, ", did you mean '%s'?", near);
    struct str text = utf8_clip(key->text, KEY_LENGTH_MAX);
    struct str known = buf_view(&list);
    yaml_fail(key, name, err, "unknown key '" STR_FMT "'%s Known keys: " STR_FMT "%s", STR_ARG(text), near ? hint : ".",
              STR_ARG(known), buf_ok(&list) ? "" : ", ...");
    buf_free(&list);
    return false;
}

bool yaml_only_keys(const struct yaml_node *mapping, const char *name, const char *const *allowed, struct err *err)
{
    if (mapping->kind != YAML_MAPPING)
        return yaml_fail(mapping, name, err, "a mapping (key: value) belongs here");
    for (int i = 0; i < mapping->n; i++) {
        bool known = false;
        for (const char *const *a = allowed; *a && !known; a++)
            known = str_is(mapping->keys[i]->text, *a);
        if (!known)
            return unknown_key(mapping->keys[i], name, allowed, err);
    }
    return true;
}
