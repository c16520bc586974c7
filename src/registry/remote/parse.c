/* Reads what model hosts write: ranges, challenges, links, and the list of a repository's files with the choice of one
 * among them. It asks nobody for anything. */
#include "registry/remote/parse.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/json.h"
#include "registry/remote/private.h"

#define MAX_NAMES_TOLD 12

/* ---- header fields ---- */

/* Takes [*text up to and without mark) off the text. */
static bool take_until(struct str *text, char mark, struct str *ret)
{
    const char *end = text->n ? memchr(text->p, mark, text->n) : NULL;
    if (!end)
        return false;
    *ret = (struct str){text->p, (size_t)(end - text->p)};
    *text = (struct str){end + 1, text->n - ret->n - 1};
    return true;
}

bool parse_content_range(struct str text, int64_t *ret_from, int64_t *ret_end, int64_t *ret_total)
{
    struct str range, from_text;
    int64_t from = -1, last = -1, total = -1;
    text = str_trim(text);
    if (text.n < 6 || !str_eq_nocase((struct str){text.p, 6}, STR("bytes ")))
        return false;
    text = str_trim((struct str){text.p + 6, text.n - 6});
    if (!take_until(&text, '/', &range))
        return false;
    if (!str_is(text, "*") && (!str_to_i64(text, &total) || total < 0))
        return false;
    if (!str_is(range, "*")) {
        if (!take_until(&range, '-', &from_text) || !str_to_i64(from_text, &from) || !str_to_i64(range, &last) ||
            from < 0 || last < from || last == INT64_MAX || (total >= 0 && last >= total))
            return false;
    }
    *ret_from = from;
    *ret_end = last + 1;
    *ret_total = total;
    return true;
}

/* name="value" or name=value, and the comma behind it. */
static bool take_parameter(struct str *text, struct str *ret_name, struct str *ret_value)
{
    *text = str_trim(*text);
    if (!take_until(text, '=', ret_name))
        return false;
    *ret_name = str_trim(*ret_name);
    *text = str_trim(*text);
    if (text->n > 0 && text->p[0] == '"') {
        struct str between;
        *text = (struct str){text->p + 1, text->n - 1};
        if (!take_until(text, '"', ret_value))
            return false;
        if (!take_until(text, ',', &between))
            *text = (struct str){"", 0};
    } else if (!take_until(text, ',', ret_value)) {
        *ret_value = str_trim(*text);
        *text = (struct str){"", 0};
    }
    return true;
}

bool parse_challenge(struct str text, struct challenge *ret)
{
    struct challenge c = {0};
    struct {
        struct str name;
        char *value;
    } parts[] = {{STR("realm"), c.realm}, {STR("service"), c.service}, {STR("scope"), c.scope}};
    struct str name, value;
    text = str_trim(text);
    if (text.n < 7 || !str_eq_nocase((struct str){text.p, 7}, STR("Bearer ")))
        return false;
    text = (struct str){text.p + 7, text.n - 7};
    while (take_parameter(&text, &name, &value)) {
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            if (!str_eq_nocase(name, parts[i].name))
                continue;
            if (value.n >= CHALLENGE_MAX_PART || memchr(value.p, '\0', value.n))
                return false;
            memcpy(parts[i].value, value.p, value.n);
            parts[i].value[value.n] = '\0';
        }
    }
    if (!str_starts(str_of(c.realm), STR("https://")) && !str_starts(str_of(c.realm), STR("http://")))
        return false;
    *ret = c;
    return true;
}

bool parse_link_next(struct str text, struct str *ret_url)
{
    struct str before, url, rest;
    while (take_until(&text, '<', &before) && take_until(&text, '>', &url)) {
        const char *next = memchr(text.p, '<', text.n);
        rest = (struct str){text.p, next ? (size_t)(next - text.p) : text.n};
        if (str_find(rest, STR("rel=\"next\"")) != SIZE_MAX || str_find(rest, STR("rel=next")) != SIZE_MAX) {
            *ret_url = url;
            return url.n > 0;
        }
    }
    return false;
}

/* ---- a repository's files ---- */

static bool ends_nocase(struct str s, struct str end)
{
    return s.n >= end.n && str_eq_nocase((struct str){s.p + s.n - end.n, end.n}, end);
}

/* The first place of needle in s at or after `at`, in any case; SIZE_MAX: none. */
static size_t find_nocase(struct str s, struct str needle, size_t at)
{
    for (size_t i = at; i + needle.n <= s.n; i++)
        if (str_eq_nocase((struct str){s.p + i, needle.n}, needle))
            return i;
    return SIZE_MAX;
}

static struct str base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return str_of(slash ? slash + 1 : path);
}

static bool path_is_plain(struct str path)
{
    if (path.n == 0 || path.n > 512 || path.p[0] == '/' || str_find(path, STR("..")) != SIZE_MAX)
        return false;
    for (size_t i = 0; i < path.n; i++)
        if ((unsigned char)path.p[i] < ' ' || path.p[i] == 0x7f)
            return false;
    return true;
}

static bool add_file(struct listing *l, struct str path, const json_t *entry, struct err *err)
{
    struct listed_file f = {.size = -1};
    struct str digest = {"", 0};
    const json_t *lfs = json_object_get(entry, "lfs");
    if (!json_get_i64(entry, "size", 0, REMOTE_MAX_FILE_BYTES, &f.size, err))
        return false;
    if (json_is_object(lfs)) {
        if (!json_get_i64(lfs, "size", 0, REMOTE_MAX_FILE_BYTES, &f.size, err) ||
            !json_get_str(lfs, "oid", &digest, err))
            return false;
        if (digest.n > 0 && !digest_parse(digest, f.digest))
            return err_set(err, ERR_CORRUPT, "the list of files gives '" STR_FMT "' a digest that is none",
                           STR_ARG(path));
    }
    if (l->n == LIST_MAX_FILES)
        return err_set(err, ERR_LIMIT, "the repository has more than %d GGUF files", LIST_MAX_FILES);
    if ((l->n & (l->n - 1)) == 0) { /* grows where n is a power of two, or 0 */
        void *more = realloc(l->files, sizeof l->files[0] * (l->n ? 2 * (size_t)l->n : 1));
        if (!more)
            return err_nomem(err, "the list of files");
        l->files = more;
    }
    f.path = str_dup(path);
    if (!f.path)
        return err_nomem(err, "the list of files");
    l->files[l->n++] = f;
    return true;
}

bool listing_add_page(struct listing *l, struct str json, struct err *err)
{
    json_t *root, *entry;
    size_t i;
    bool ok = true;
    if (!json_parse(json, "the list of files", &root, err))
        return false;
    if (!json_is_array(root))
        ok = err_set(err, ERR_CORRUPT, "the list of files is %s, not a list", json_type_name(root));
    json_array_foreach(root, i, entry) {
        struct str type = {"", 0}, path = {"", 0};
        if (!json_is_object(entry))
            ok = err_set(err, ERR_CORRUPT, "the list of files holds %s", json_type_name(entry));
        ok = ok && json_get_str(entry, "type", &type, err) && json_get_str(entry, "path", &path, err);
        if (!ok)
            break;
        if (str_is(type, "file") && ends_nocase(path, STR(".gguf")) && path_is_plain(path))
            ok = add_file(l, path, entry, err);
    }
    json_decref(root);
    return ok;
}

void listing_free(struct listing *l)
{
    for (int i = 0; i < l->n; i++)
        free(l->files[i].path);
    free(l->files);
    *l = (struct listing){0};
}

/* ---- the choice ---- */

/* How well a file answers to a quantisation: "Q4_K" is whole in x-Q4_K.gguf, and the start of one in x-Q4_K_M.gguf. */
enum match { MATCH_NONE, MATCH_START, MATCH_WHOLE, MATCH_NAME };

static bool is_separator(char c)
{
    return c == '-' || c == '.' || c == '_' || c == '/';
}

static enum match match_file(const char *path, struct str quant)
{
    struct str whole = str_of(path), base = base_name(path);
    enum match best = MATCH_NONE;
    if (str_eq_nocase(whole, quant) || str_eq_nocase(base, quant))
        return MATCH_NAME;
    for (size_t at = 0; quant.n > 0 && (at = find_nocase(base, quant, at)) != SIZE_MAX; at++) {
        char after = at + quant.n < base.n ? base.p[at + quant.n] : '\0';
        if ((at > 0 && !is_separator(base.p[at - 1])) || !is_separator(after))
            continue;
        enum match found = after == '_' ? MATCH_START : MATCH_WHOLE;
        if (found > best)
            best = found;
    }
    return best;
}

static bool is_projector(const char *path)
{
    return find_nocase(base_name(path), STR("mmproj"), 0) != SIZE_MAX;
}

/* x-00001-of-00003.gguf */
static bool is_split(const char *path)
{
    static const char shape[] = "-ddddd-of-ddddd.gguf";
    const size_t n = sizeof shape - 1;
    struct str base = base_name(path);
    if (base.n < n)
        return false;
    const char *p = base.p + base.n - n;
    for (size_t i = 0; i < n; i++)
        if (shape[i] == 'd' ? !isdigit((unsigned char)p[i]) : tolower((unsigned char)p[i]) != shape[i])
            return false;
    return true;
}

/* The names of files that match at least so well (MATCH_NONE: all), split ones or whole ones, shortened. */
static void tell_files(const struct listing *l, struct str quant, enum match least, char *out, size_t size)
{
    struct buf names = BUF_INIT(size - 1);
    int told = 0, left = 0;
    for (int i = 0; i < l->n; i++) {
        const char *path = l->files[i].path;
        if (is_projector(path) || match_file(path, quant) < least)
            continue;
        if (told < MAX_NAMES_TOLD && names.n + strlen(path) + 32 < size && ++told)
            buf_printf(&names, "%s%s", names.n ? ", " : "", path);
        else
            left++;
    }
    snprintf(out, size, "%s", told ? buf_view(&names).p : "no GGUF file");
    if (left)
        snprintf(out + strlen(out), size - strlen(out), " and %d more", left);
    buf_free(&names);
}

bool listing_choose(const struct listing *l, const char *quant, bool given, const char *where,
                    const struct listed_file **ret, struct err *err)
{
    struct str wanted = str_of(quant);
    const struct listed_file *found = NULL, *any = NULL;
    enum match best = MATCH_NONE;
    int count = 0, usable = 0, splits = 0;
    char names[300];
    for (int i = 0; i < l->n; i++) {
        const struct listed_file *f = &l->files[i];
        enum match match = is_projector(f->path) ? MATCH_NONE : match_file(f->path, wanted);
        if (!is_projector(f->path) && !is_split(f->path)) {
            usable++;
            any = f;
        }
        if (match == MATCH_NONE || match < best)
            continue;
        if (match > best)
            count = splits = 0;
        best = match;
        found = f;
        count++;
        splits += is_split(f->path);
    }
    if (count > 0 && splits == count)
        return err_set(err, ERR_UNSUPPORTED, "%.100s keeps %.40s in %d pieces, which Rung does not join; choose "
                       "another", where, quant, splits);
    if (count == 0 && !given && usable == 1) {
        found = any;
        count = 1;
    }
    tell_files(l, wanted, best, names, sizeof names);
    if (count == 0)
        return err_set(err, ERR_NOT_FOUND, "%.100s has no %.40s; it has %s", where, quant, names);
    if (count > 1)
        return err_set(err, ERR_INVALID, "%.100s has %d files that answer to %.40s; name one of them: %s", where,
                       count, quant, names);
    *ret = found;
    return true;
}
