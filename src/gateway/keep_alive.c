/* Durations as people write them, for `keep_alive`. */
#include "gateway/keep_alive.h"

#include <math.h>

#include "runtime/runtime.h"

static const struct {
    const char *name;
    int64_t ms;
} units[] = {{"ms", 1}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};   /* "ms" before "m" */

static bool refuse(struct str text, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "'keep_alive' must be a duration such as 5m, 1h30m or 45s (at most a year), 0 to unload at once, or "
                   "-1 for ever, not " STR_FMT, STR_ARG(utf8_clip(text, 40)));
}

static size_t digits_of(struct str s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    return n;
}

/* One "90s" off the front; 0 when there is none. */
static size_t take_part(struct str s, int64_t *ms)
{
    int64_t value;
    size_t n = digits_of(s);
    if (!str_to_i64((struct str){s.p, n}, &value) || value > KEEP_ALIVE_MAX_MS)
        return 0;
    struct str rest = {s.p + n, s.n - n};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (!str_starts(rest, str_of(units[i].name)))
            continue;
        *ms += value <= KEEP_ALIVE_MAX_MS / units[i].ms ? value * units[i].ms : KEEP_ALIVE_MAX_MS + 1;
        return *ms <= KEEP_ALIVE_MAX_MS ? n + strlen(units[i].name) : 0;
    }
    return 0;
}

static bool of_seconds(double seconds, int64_t *ret_ms)
{
    if (!(seconds * 1000 <= (double)KEEP_ALIVE_MAX_MS))
        return false;
    *ret_ms = seconds < 0 ? RUNTIME_KEEP_FOREVER : llround(seconds * 1000);
    return true;
}

bool keep_alive_parse(struct str text, int64_t *ret_ms, struct err *err)
{
    struct str rest = text;
    bool negative = text.n > 1 && text.p[0] == '-';
    int64_t ms = 0, seconds;
    if (str_to_i64(text, &seconds))
        return of_seconds((double)seconds, ret_ms) || refuse(text, err);
    if (negative)
        rest = (struct str){text.p + 1, text.n - 1};
    if (rest.n == 0)
        return refuse(text, err);
    while (rest.n > 0) {
        size_t n = take_part(rest, &ms);
        if (n == 0)
            return refuse(text, err);
        rest = (struct str){rest.p + n, rest.n - n};
    }
    *ret_ms = negative ? RUNTIME_KEEP_FOREVER : ms;
    return true;
}

bool keep_alive_of_json(const json_t *value, int64_t *ret_ms, struct err *err)
{
    if (json_is_string(value))
        return keep_alive_parse((struct str){json_string_value(value), json_string_length(value)}, ret_ms, err);
    if (json_is_number(value))
        return of_seconds(json_number_value(value), ret_ms) || refuse(STR("that number"), err);
    return refuse(str_of(json_type_name(value)), err);
}
