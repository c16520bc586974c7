/* The global functions: range, namespace, dict, raise_exception, strftime_now. Nothing here reaches outside
 * the rendering, and the clock is the caller's. */
#include <locale.h>
#include <time.h>

#include "text/jinja/lib/lib.h"

#define STRFTIME_MAX_BYTES 1024

static bool global_range(struct render *r, const struct call *c, struct value *ret)
{
    int64_t start = 0, stop = 0, step = 1;
    if (!lib_int(r, c->v[0], "range's argument", value_given(c->v[1]) ? &start : &stop) ||
        !lib_int(r, c->v[1], "range's argument", &stop) || !lib_int(r, c->v[2], "range's step", &step))
        return false;
    if (step == 0)
        return jinja_fail(r, "the step of range cannot be zero");
    /* Unsigned, so that the distance between any two integers is exact. */
    uint64_t distance = step > 0 ? (uint64_t)stop - (uint64_t)start : (uint64_t)start - (uint64_t)stop;
    uint64_t stride = step > 0 ? (uint64_t)step : -(uint64_t)step;
    bool empty = step > 0 ? stop <= start : stop >= start;
    uint64_t n = empty ? 0 : (distance - 1) / stride + 1;
    if (n > RENDER_MAX_RANGE)
        return jinja_fail_limit(r, "a range has more than %d elements", RENDER_MAX_RANGE);
    struct list *l;
    if (!jinja_list(r, n, &l))
        return false;
    for (uint64_t i = 0; i < n; i++)
        l->v[i] = value_int((int64_t)((uint64_t)start + i * (uint64_t)step));
    *ret = value_iter(l, ITER_RANGE);
    return true;
}

/* dict(...) and namespace(...): a dict to start from, and keywords. */
static bool fill_dict(struct render *r, const struct call *c, struct dict **ret)
{
    struct dict *d;
    const struct args *args = c->raw;
    if (!jinja_dict(r, (size_t)args->n_keywords, &d))
        return false;
    if (args->n > 1 || (args->n == 1 && args->v[0].kind != VALUE_DICT))
        return jinja_fail(r, "dict and namespace take one dict and keywords");
    for (size_t i = 0; args->n == 1 && i < args->v[0].dict->n; i++)
        if (!jinja_dict_set(r, d, args->v[0].dict->p[i].key, args->v[0].dict->p[i].value))
            return false;
    for (int i = 0; i < args->n_keywords; i++)
        if (!jinja_dict_set(r, d, value_str(args->keywords[i].name), args->keywords[i].value))
            return false;
    *ret = d;
    return true;
}

static bool global_dict(struct render *r, const struct call *c, struct value *ret)
{
    struct dict *d;
    if (!fill_dict(r, c, &d))
        return false;
    *ret = value_dict(d);
    return true;
}

static bool global_namespace(struct render *r, const struct call *c, struct value *ret)
{
    struct dict *d;
    if (!fill_dict(r, c, &d))
        return false;
    *ret = (struct value){.kind = VALUE_NAMESPACE, .dict = d};
    return true;
}

static bool global_raise(struct render *r, const struct call *c, struct value *ret)
{
    struct str text;
    (void)ret;
    return jinja_to_text(r, c->v[0], &text) &&
           jinja_fail(r, "the template refuses: " STR_FMT, STR_ARG(utf8_clip(text, 360)));
}

static bool global_strftime_now(struct render *r, const struct call *c, struct value *ret)
{
    struct str format = STR("");
    char fmt[STRFTIME_MAX_BYTES / 8], text[STRFTIME_MAX_BYTES];
    if (!lib_str(r, c->v[0], "the format of strftime_now", &format))
        return false;
    if (format.n >= sizeof fmt || memchr(format.p, '\0', format.n))
        return jinja_fail_limit(r, "the format of strftime_now is longer than %zu bytes", sizeof fmt - 1);
    memcpy(fmt, format.p, format.n);
    fmt[format.n] = '\0';
    time_t seconds = (time_t)(r->now_wall_ms / 1000);
    struct tm tm;
    locale_t english = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!english || !gmtime_r(&seconds, &tm)) {
        if (english)
            freelocale(english);
        return jinja_fail(r, "the time cannot be told");
    }
    size_t n = strftime_l(text, sizeof text, fmt, &tm, english);
    freelocale(english);
    return jinja_text(r, (struct str){text, n}, ret);
}

static const struct builtin globals[] = {
    {"range", global_range, 1, {"start", "stop", "step"}, false},
    {"dict", global_dict, 0, {0}, true},
    {"namespace", global_namespace, 0, {0}, true},
    {"raise_exception", global_raise, 1, {"message"}, false},
    {"strftime_now", global_strftime_now, 1, {"format"}, false},
};

const struct builtin *jinja_global(struct str name)
{
    return lib_find(globals, LIB_COUNT(globals), name);
}
