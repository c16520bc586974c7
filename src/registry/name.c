/* Reads the names of models, of whatever source, into one checked shape, and shows them again. Whether there is such a
 * model is the store's and the hosts' to say. */
#include "registry/name.h"

#include <ctype.h>
#include <stdio.h>

#include "registry/digest.h"

#define HUGGING_FACE "hf.co"
#define PIN "@sha256:"
#define EXAMPLES "; names look like qwen3:4b, hf.co/ORG/REPO:QUANT, a URL or the path of a .gguf file"
#define MAX_PARTS 8

bool digest_parse(struct str hex, char ret[DIGEST_HEX + 1])
{
    if (hex.n != DIGEST_HEX)
        return false;
    for (size_t i = 0; i < hex.n; i++) {
        if (!isxdigit((unsigned char)hex.p[i]))
            return false;
    }
    for (size_t i = 0; i < hex.n; i++)
        ret[i] = (char)tolower((unsigned char)hex.p[i]);
    ret[DIGEST_HEX] = '\0';
    return true;
}

bool model_part_is_valid(struct str part)
{
    if (part.n == 0 || part.n > MODEL_NAME_MAX_PART || part.p[0] == '.' || part.p[0] == '-')
        return false;
    for (size_t i = 0; i < part.n; i++) {
        if (!isalnum((unsigned char)part.p[i]) && !strchr("._-", part.p[i]))
            return false;
    }
    return true;
}

static struct str from(struct str s, size_t at) { return (struct str){s.p + at, s.n - at}; }
static struct str until(struct str s, size_t at) { return (struct str){s.p, at}; }

/* The last c of s, or SIZE_MAX. */
static size_t find_last(struct str s, char c)
{
    for (size_t i = s.n; i > 0; i--) {
        if (s.p[i - 1] == c)
            return i - 1;
    }
    return SIZE_MAX;
}

static void put(char *part, struct str s) { snprintf(part, MODEL_NAME_MAX_PART + 1, STR_FMT, STR_ARG(s)); }

static bool host_is_valid(struct str host)
{
    int64_t port;
    size_t colon = find_last(host, ':');
    if (host.n > MODEL_NAME_MAX_PART)
        return false;
    if (colon == SIZE_MAX)
        return model_part_is_valid(host);
    return model_part_is_valid(until(host, colon)) && isdigit((unsigned char)host.p[host.n - 1]) &&
           str_to_i64(from(host, colon + 1), &port) && port > 0 && port < 65536;
}

bool model_host_is_loopback(struct str host)
{
    size_t colon = find_last(host, ':');
    struct str name = colon == SIZE_MAX ? host : until(host, colon);
    if (str_eq_nocase(name, STR("localhost")))
        return true;
    int dots = 0;
    for (size_t i = 0; i < name.n; i++) {
        if (!isdigit((unsigned char)name.p[i]) && name.p[i] != '.')
            return false;
        dots += name.p[i] == '.';
    }
    return dots == 3 && str_starts(name, STR("127."));
}

static bool is_hugging_face(struct str host)
{
    return str_eq_nocase(host, STR(HUGGING_FACE)) || str_eq_nocase(host, STR("huggingface.co")) ||
           str_eq_nocase(host, STR("www.huggingface.co"));
}

static int split(struct str s, struct str parts[MAX_PARTS])
{
    int n = 0;
    for (;;) {
        const char *slash = memchr(s.p, '/', s.n);
        if (n == MAX_PARTS)
            return MAX_PARTS + 1;
        parts[n++] = slash ? until(s, (size_t)(slash - s.p)) : s;
        if (!slash)
            return n;
        s = from(s, (size_t)(slash - s.p) + 1);
    }
}

/* MODEL[:TAG] into n. */
static bool take_model(struct str s, struct model_name *n)
{
    size_t colon = find_last(s, ':');
    bool tagged = colon != SIZE_MAX;
    struct str model = tagged ? until(s, colon) : s, tag = tagged ? from(s, colon + 1) : STR("");
    if (!model_part_is_valid(model) || (tagged && !model_part_is_valid(tag)))
        return false;
    put(n->model, model);
    if (tagged)
        put(n->tag, tag);
    n->tag_given = tagged;
    return true;
}

/* The field writes types in capitals; a file name stays as it is. */
static void end_hugging_face(struct model_name *n)
{
    n->source = SOURCE_HUGGING_FACE;
    snprintf(n->host, sizeof n->host, HUGGING_FACE);
    if (!n->tag_given)
        snprintf(n->tag, sizeof n->tag, MODEL_NAME_QUANT);
    if (str_ends(str_of(n->tag), STR(".gguf")))
        return;
    for (char *c = n->tag; *c; c++)
        *c = (char)toupper((unsigned char)*c);
}

/* ORG/REPO[:QUANT], ORG/REPO/blob/main/FILE, ORG/REPO/resolve/main/FILE. */
static bool take_hugging_face(const struct str *parts, int count, struct model_name *n)
{
    bool page = count == 5 && (str_is(parts[2], "blob") || str_is(parts[2], "resolve")) && str_is(parts[3], "main");
    if ((count != 2 && !page) || !model_part_is_valid(parts[0]) || !take_model(parts[1], n))
        return false;
    if (page) {
        size_t query = str_find(parts[4], STR("?"));
        struct str file = query == SIZE_MAX ? parts[4] : until(parts[4], query);
        if (n->tag_given || !model_part_is_valid(file) || !str_ends(file, STR(".gguf")))
            return false;
        put(n->tag, file);
        n->tag_given = true;
    }
    put(n->space, parts[0]);
    end_hugging_face(n);
    return true;
}

/* [[HOST/]NS/]MODEL[:TAG] */
static bool take_registry(const struct str *parts, int count, struct model_name *n)
{
    if (count < 1 || count > 3)
        return false;
    bool host_first = count == 3 || (count == 2 && memchr(parts[0].p, ':', parts[0].n));
    struct str host = host_first ? parts[0] : STR(MODEL_NAME_HOST);
    struct str space = count == 3 ? parts[1] : count == 2 && !host_first ? parts[0] : STR(MODEL_NAME_SPACE);
    if (!host_is_valid(host) || !model_part_is_valid(space) || !take_model(parts[count - 1], n))
        return false;
    n->source = SOURCE_OLLAMA;
    n->plain_http = model_host_is_loopback(host);
    put(n->host, host);
    put(n->space, space);
    if (!n->tag_given)
        snprintf(n->tag, sizeof n->tag, MODEL_NAME_TAG);
    return true;
}

static bool url_ends_in_gguf(struct str rest)
{
    size_t end = str_find(rest, STR("?")), hash = str_find(rest, STR("#"));
    end = hash < end ? hash : end;
    return str_ends(end == SIZE_MAX ? rest : until(rest, end), STR(".gguf"));
}

static bool take_location(struct str s, enum model_source source, struct model_name *n, struct err *err)
{
    if (s.n >= sizeof n->location)
        return err_set(err, ERR_LIMIT, "the name of a model is longer than %d bytes", MODEL_NAME_MAX - 1);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7F || (source == SOURCE_URL && (c == ' ' || c == '"' || c == '\\')))
            return err_set(err, ERR_INVALID, "the name of a model holds a character that cannot stand there (byte %zu)",
                           i);
    }
    n->source = source;
    snprintf(n->location, sizeof n->location, STR_FMT, STR_ARG(s));
    return true;
}

/* s: SCHEME://rest */
static bool take_url(struct str s, struct str rest, bool plain, struct model_name *n, struct err *err)
{
    struct str parts[MAX_PARTS];
    int count = split(rest, parts);
    if (memchr(parts[0].p, '@', parts[0].n))
        return err_set(err, ERR_INVALID, "a URL with a user name or password in it is not taken: it would be written "
                                         "down with the model's name");
    if (!host_is_valid(parts[0]) || count < 2)
        return err_set(err, ERR_INVALID, "'%.*s' is no URL of a model" EXAMPLES, (int)(s.n > 200 ? 200 : s.n), s.p);
    if (plain && !model_host_is_loopback(parts[0]))
        return err_set(err, ERR_INVALID, "http:// is taken for this machine only; use https://" STR_FMT,
                       (int)(rest.n > 200 ? 200 : rest.n), rest.p);
    if (!plain && count <= MAX_PARTS && is_hugging_face(parts[0]) && take_hugging_face(parts + 1, count - 1, n))
        return true;
    if (count == 3 && !url_ends_in_gguf(rest) && take_registry(parts, count, n)) {
        n->plain_http = plain;
        return true;
    }
    *n = (struct model_name){0};
    return take_location(s, SOURCE_URL, n, err);
}

static bool take_name(struct str s, struct model_name *n, struct err *err)
{
    struct str parts[MAX_PARTS];
    if (str_starts(s, STR("https://")))
        return take_url(s, from(s, strlen("https://")), false, n, err);
    if (str_starts(s, STR("http://")))
        return take_url(s, from(s, strlen("http://")), true, n, err);
    int count = split(s, parts);
    if (is_hugging_face(parts[0])) {
        if (count <= MAX_PARTS && take_hugging_face(parts + 1, count - 1, n))
            return true;
        return err_set(err, ERR_INVALID, "'%.*s' is no name of Hugging Face; it is hf.co/ORG/REPO:QUANT",
                       (int)(s.n > 200 ? 200 : s.n), s.p);
    }
    bool path = str_starts(s, STR("/")) || str_starts(s, STR("./")) || str_starts(s, STR("../"));
    if (!path && str_find(s, STR("://")) != SIZE_MAX)
        return err_set(err, ERR_INVALID, "models come by https only, not '%.*s'", (int)(s.n > 200 ? 200 : s.n), s.p);
    if (path || str_ends(s, STR(".gguf")))
        return take_location(s, SOURCE_FILE, n, err);
    return take_registry(parts, count, n) ||
           err_set(err, ERR_INVALID, "'%.*s' is no name of a model" EXAMPLES, (int)(s.n > 200 ? 200 : s.n), s.p);
}

bool model_name_parse(const char *text, struct model_name *ret, struct err *err)
{
    struct model_name n = {0};
    struct str s = str_of(text);
    if (s.n == 0)
        return err_set(err, ERR_INVALID, "the name of the model is empty" EXAMPLES);
    if (s.n >= MODEL_NAME_MAX)
        return err_set(err, ERR_LIMIT, "the name of a model is longer than %d bytes", MODEL_NAME_MAX - 1);
    char digest[DIGEST_HEX + 1] = "";
    size_t pin = str_find(s, STR(PIN));
    if (pin != SIZE_MAX) {
        if (!digest_parse(from(s, pin + strlen(PIN)), digest))
            return err_set(err, ERR_INVALID, "after @sha256: stand exactly %d hexadecimal digits", DIGEST_HEX);
        s = until(s, pin);
    }
    if (!take_name(s, &n, err))
        return false;
    snprintf(n.digest, sizeof n.digest, "%s", digest);
    *ret = n;
    return true;
}

const char *model_name_show(const struct model_name *n, char *buf, size_t size)
{
    bool here = n->source == SOURCE_OLLAMA && model_host_is_loopback(str_of(n->host));
    const char *scheme = here && !n->plain_http ? "https://" : "";
    if (n->source == SOURCE_URL || n->source == SOURCE_FILE)
        snprintf(buf, size, "%s", n->location);
    else if (n->source == SOURCE_HUGGING_FACE || strcmp(n->host, MODEL_NAME_HOST) != 0)
        snprintf(buf, size, "%s%s/%s/%s:%s", scheme, n->host, n->space, n->model, n->tag);
    else if (strcmp(n->space, MODEL_NAME_SPACE) != 0)
        snprintf(buf, size, "%s/%s:%s", n->space, n->model, n->tag);
    else
        snprintf(buf, size, "%s:%s", n->model, n->tag);
    return buf;
}

/* The last component of a path or URL, without .gguf, as one part of a name: what cannot stand there becomes '-'. */
static void part_of_location(struct str location, char part[MODEL_NAME_MAX_PART + 1])
{
    size_t slash = find_last(location, '/');
    struct str base = slash == SIZE_MAX ? location : from(location, slash + 1);
    if (str_ends(base, STR(".gguf")))
        base.n -= strlen(".gguf");
    size_t n = base.n < MODEL_NAME_MAX_PART ? base.n : MODEL_NAME_MAX_PART;
    for (size_t i = 0; i < n; i++)
        part[i] = isalnum((unsigned char)base.p[i]) || (i > 0 && strchr("._-", base.p[i])) ? base.p[i] : '-';
    part[n] = '\0';
    if (n == 0 || part[0] == '-')
        snprintf(part, MODEL_NAME_MAX_PART + 1, "model");
}

bool model_name_of_url(const struct model_name *url, struct model_name *ret, struct err *err)
{
    struct str location = str_of(url->location);
    size_t scheme = str_find(location, STR("://"));
    struct str rest = from(location, scheme + 3), parts[MAX_PARTS];
    char hex[DIGEST_HEX + 1];
    struct model_name n = {.source = SOURCE_OLLAMA, .space = "url", .tag_given = true};
    if (!digest_of(location, hex, err))
        return false;
    split(rest, parts);
    put(n.host, parts[0]);
    size_t query = str_find(rest, STR("?"));
    part_of_location(query == SIZE_MAX ? rest : until(rest, query), n.model);
    snprintf(n.tag, sizeof n.tag, "%.12s", hex);
    memcpy(n.digest, url->digest, sizeof n.digest);
    *ret = n;
    return true;
}

void model_name_of_file(const struct model_name *file, struct model_name *ret)
{
    struct model_name n = {.source = SOURCE_OLLAMA, .host = MODEL_NAME_HOST, .space = MODEL_NAME_LOCAL,
                           .tag = MODEL_NAME_TAG};
    part_of_location(str_of(file->location), n.model);
    memcpy(n.digest, file->digest, sizeof n.digest);
    *ret = n;
}
