/* A stand-in for model hosts: an Ollama registry, Hugging Face and a plain file server on one port of the loopback,
 * with faults on demand. Shares no code with Rung's own server or client, so that it can bear witness about them; the
 * registry's tests and tests/golden start it.
 *
 * It serves one file, FILE, as
 *   /v2/NS/MODEL/manifests/TAG, /v2/NS/MODEL/blobs/sha256:HEX    any NS and MODEL; the tags latest and 4b
 *   /api/models/ORG/REPO/tree/main, /ORG/REPO/resolve/main/PATH  model-Q4_K_M.gguf, model-Q8_0.gguf, mmproj-F16.gguf,
 *                                                                and model-BF16 in two pieces, on two pages
 *   /files/ANYTHING.gguf
 * The first line of stdout names the port. The log has a line for each request and each finished or broken answer:
 * "request METHOD PATH range=A-B auth=TOKEN" and "sent N PATH". */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

#define MAX_HEAD_BYTES ((size_t)64 << 10)
#define MAX_FILE_BYTES ((size_t)1 << 30)
#define PIECE_BYTES ((size_t)64 << 10)
#define TOKEN "standin-token"
#define TEMPLATE "{{ .Prompt }}"
#define PARAMS "{\"temperature\":0.5}"
#define CONFIG "{\"model_format\":\"gguf\"}"

enum fault {
    FAULT_NONE, FAULT_CUT, FAULT_STALL, FAULT_DIGEST, FAULT_LENGTH, FAULT_ENDLESS, FAULT_CDN, FAULT_LOOP, FAULT_HTTP,
    FAULT_FTP, FAULT_AUTH, FAULT_DENY, FAULT_NORANGE, FAULT_NOLENGTH, FAULT_BUSY, FAULT_500, FAULT_HUGE, FAULT_KINDS,
};
static const char *const fault_names[FAULT_KINDS] = {
    "none", "cut", "stall", "digest", "length", "endless", "cdn", "loop", "http",
    "ftp", "auth", "deny", "norange", "nolength", "busy", "500", "huge",
};

static struct {
    int port, cdn_port, rate_kib_s;
    enum fault fault;
    atomic_int times;      /* how often the fault still strikes; below 0: always */
    FILE *log;
    struct buf file;
    char digest[65];
} options = {.times = -1};

struct visit {
    int fd;
    struct buf in;
    char method[16], path[2048], auth[256];
    long long from, to;    /* of the range, -1: none */
};

static void note(const char *fmt, ...)
{
    va_list args;
    if (!options.log)
        return;
    va_start(args, fmt);
    flockfile(options.log);
    vfprintf(options.log, fmt, args);
    fputc('\n', options.log);
    fflush(options.log);
    funlockfile(options.log);
    va_end(args);
}

/* Whether the fault is this one and strikes now. */
static bool strikes(enum fault fault)
{
    if (options.fault != fault)
        return false;
    int times = atomic_load(&options.times);
    while (times > 0 && !atomic_compare_exchange_weak(&options.times, &times, times - 1))
        continue;
    return times != 0;
}

/* ---- the wire ---- */

static bool send_bytes(struct visit *v, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(v->fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* The value of a field, "" when absent. */
static void header_of(const char *head, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    out[0] = '\0';
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            const char *value = line + n + 1 + strspn(line + n + 1, " ");
            snprintf(out, size, "%.*s", (int)strcspn(value, "\r\n"), value);
            return;
        }
    }
}

static bool read_request(struct visit *v)
{
    char bytes[16384], range[128];
    char *end;
    while (!v->in.p || !(end = strstr(v->in.p, "\r\n\r\n"))) {
        ssize_t n = recv(v->fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            return false;
        buf_add(&v->in, bytes, (size_t)n);
        if (!buf_ok(&v->in))
            return false;
    }
    end[2] = '\0';
    bool ok = sscanf(v->in.p, "%15s %2047s", v->method, v->path) == 2;
    header_of(v->in.p, "Authorization", v->auth, sizeof v->auth);
    header_of(v->in.p, "Range", range, sizeof range);
    v->from = v->to = -1;
    sscanf(range, "bytes=%lld-%lld", &v->from, &v->to);
    note("request %s %s range=%lld-%lld auth=%s", v->method, v->path, v->from, v->to, v->auth[0] ? v->auth : "none");
    buf_drop(&v->in, (size_t)(end + 4 - v->in.p));
    return ok;
}

static bool reply(struct visit *v, const char *status, const char *extra, const char *body)
{
    char head[4096];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status, extra, strlen(body));
    return send_bytes(v, head, (size_t)n) && send_bytes(v, body, strlen(body));
}

/* ---- bytes of the file ---- */

static void pause_for(size_t bytes)
{
    if (options.rate_kib_s > 0) {
        long long ns = (long long)bytes * 1000000000 / 1024 / options.rate_kib_s;
        nanosleep(&(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}, NULL);
    }
}

/* Sends until `n` bytes have gone, or the client has; false ends the connection. */
static bool send_body(struct visit *v, const char *p, size_t n, bool harm)
{
    char piece[PIECE_BYTES];
    size_t sent = 0;
    bool ok = true;
    while (ok && sent < n) {
        size_t now = n - sent < PIECE_BYTES ? n - sent : PIECE_BYTES;
        memcpy(piece, p + sent, now);
        if (harm && sent == 0)
            piece[now / 2] ^= 1;
        pause_for(now);
        ok = send_bytes(v, piece, now);
        sent += ok ? now : 0;
    }
    note("sent %zu %s", sent, v->path);
    return ok;
}

static bool send_endless(struct visit *v)
{
    static const char zeros[PIECE_BYTES];
    bool ok = send_bytes(v, "HTTP/1.1 200 OK\r\n\r\n", 19);
    while (ok)
        ok = send_bytes(v, zeros, sizeof zeros);
    return false;
}

/* The part of the file that was asked for, or what the fault makes of it. */
static bool send_part(struct visit *v, struct str whole)
{
    char head[512];
    long long total = (long long)whole.n, from = 0, end = total;
    bool ranged = v->from >= 0 && !strikes(FAULT_NORANGE);
    if (ranged && v->from >= total) {
        snprintf(head, sizeof head, "Content-Range: bytes */%lld\r\n", total);
        return reply(v, "416 Range Not Satisfiable", head, "");
    }
    if (ranged) {
        from = v->from;
        end = v->to >= 0 && v->to + 1 < total ? v->to + 1 : total;
    }
    bool large = end - from > 1024; /* probes and small layers are spared: faults strike the bytes */
    if (large && strikes(FAULT_ENDLESS))
        return send_endless(v);
    long long told = large && strikes(FAULT_LENGTH) ? total + 1 : total;
    bool nolength = options.fault == FAULT_NOLENGTH;
    int n = ranged ? snprintf(head, sizeof head, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %lld-%lld/%lld\r\n"
                              "ETag: \"v1\"\r\nContent-Length: %lld\r\n\r\n", from, end - 1, told, end - from)
          : nolength ? snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nConnection: close\r\n\r\n")
                     : snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: %lld\r\n\r\n",
                                told);
    bool cut = large && strikes(FAULT_CUT), stall = large && !cut && strikes(FAULT_STALL);
    size_t send_n = (size_t)(end - from) / (cut || stall ? 2 : 1);
    bool ok = send_bytes(v, head, (size_t)n) && send_body(v, whole.p + from, send_n, large && strikes(FAULT_DIGEST));
    if (stall)
        poll(&(struct pollfd){.fd = v->fd, .events = POLLRDHUP}, 1, -1);
    return ok && !cut && !stall && !nolength;
}

/* ---- redirects and refusals, before any bytes ---- */

/* True when the answer was one of these; *ret_ok: the connection goes on. */
static bool turned_away(struct visit *v, bool *ret_ok)
{
    char extra[4096];
    const char *target = NULL;
    char here[2200];
    if (strikes(FAULT_CDN)) {
        snprintf(here, sizeof here, "http://127.0.0.1:%d%s", options.cdn_port, v->path);
        target = here;
    } else if (strikes(FAULT_LOOP)) {
        target = v->path;
    } else if (strikes(FAULT_HTTP)) {
        target = "http://192.0.2.1/elsewhere";
    } else if (strikes(FAULT_FTP)) {
        target = "ftp://127.0.0.1/elsewhere";
    }
    if (target) {
        snprintf(extra, sizeof extra, "Location: %s\r\n", target);
        *ret_ok = reply(v, "307 Temporary Redirect", extra, "");
    } else if (strikes(FAULT_BUSY)) {
        *ret_ok = reply(v, "429 Too Many Requests", "Retry-After: 1\r\n", "");
    } else if (strikes(FAULT_500)) {
        *ret_ok = reply(v, "500 Internal Server Error", "", "");
    } else {
        return false;
    }
    return true;
}

static bool authorised(struct visit *v, bool *ret_ok)
{
    char extra[512];
    if ((options.fault != FAULT_AUTH && options.fault != FAULT_DENY) ||
        (options.fault == FAULT_AUTH && strcmp(v->auth, "Bearer " TOKEN) == 0))
        return true;
    snprintf(extra, sizeof extra, "WWW-Authenticate: Bearer realm=\"http://127.0.0.1:%d/token\",service=\"standin\","
             "scope=\"repository:library/model:pull\"\r\n", options.port);
    *ret_ok = reply(v, "401 Unauthorized", extra, "{}");
    return false;
}

/* ---- the hosts ---- */

static void sha256_hex(const char *p, size_t n, char out[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_n = 0;
    EVP_Digest(p, n, digest, &digest_n, EVP_sha256(), NULL);
    for (unsigned int i = 0; i < 32; i++)
        snprintf(out + i * 2, 3, "%02x", digest[i]);
}

static const struct {
    const char *type, *text;
} small_layers[] = {
    {"application/vnd.ollama.image.template", TEMPLATE},
    {"application/vnd.ollama.image.params", PARAMS},
    {"application/vnd.docker.container.image.v1+json", CONFIG},
};
#define SMALL_LAYERS (sizeof small_layers / sizeof small_layers[0])

static bool send_manifest(struct visit *v)
{
    char body[2048], hex[65];
    if (strikes(FAULT_HUGE))
        return send_endless(v);
    sha256_hex(CONFIG, strlen(CONFIG), hex);
    int n = snprintf(body, sizeof body, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker.distribution."
                     "manifest.v2+json\",\"config\":{\"mediaType\":\"%s\",\"digest\":\"sha256:%s\",\"size\":%zu},"
                     "\"layers\":[{\"mediaType\":\"application/vnd.ollama.image.model\",\"digest\":\"sha256:%s\","
                     "\"size\":%zu}", small_layers[2].type, hex, strlen(CONFIG), options.digest, options.file.n);
    for (size_t i = 0; i + 1 < SMALL_LAYERS; i++) {
        sha256_hex(small_layers[i].text, strlen(small_layers[i].text), hex);
        n += snprintf(body + n, sizeof body - (size_t)n, ",{\"mediaType\":\"%s\",\"digest\":\"sha256:%s\",\"size\":%zu}",
                      small_layers[i].type, hex, strlen(small_layers[i].text));
    }
    snprintf(body + n, sizeof body - (size_t)n, "]}");
    return reply(v, "200 OK", "Content-Type: application/vnd.docker.distribution.manifest.v2+json\r\n", body);
}

static bool send_blob(struct visit *v, const char *hex)
{
    char digest[65];
    bool ok;
    if (turned_away(v, &ok))
        return ok;
    if (strcmp(hex, options.digest) == 0)
        return send_part(v, buf_view(&options.file));
    for (size_t i = 0; i < SMALL_LAYERS; i++) {
        sha256_hex(small_layers[i].text, strlen(small_layers[i].text), digest);
        if (strcmp(hex, digest) == 0)
            return send_part(v, str_of(small_layers[i].text));
    }
    return reply(v, "404 Not Found", "", "{}");
}

static bool send_registry(struct visit *v)
{
    const char *manifest = strstr(v->path, "/manifests/"), *blob = strstr(v->path, "/blobs/sha256:");
    bool ok;
    if (!authorised(v, &ok))
        return ok;
    if (manifest && (strcmp(manifest, "/manifests/latest") == 0 || strcmp(manifest, "/manifests/4b") == 0))
        return send_manifest(v);
    if (blob)
        return send_blob(v, blob + strlen("/blobs/sha256:"));
    if (strstr(v->path, "/tags/list"))
        return reply(v, "200 OK", "", "{\"name\":\"model\",\"tags\":[\"latest\",\"4b\"]}");
    return reply(v, "404 Not Found", "", "{}");
}

static bool send_tree(struct visit *v)
{
    char body[2048], extra[2600], file[256];
    if (strikes(FAULT_HUGE))
        return send_endless(v);
    snprintf(file, sizeof file, "\"size\":%zu,\"lfs\":{\"oid\":\"%s\",\"size\":%zu,\"pointerSize\":134}}",
             options.file.n, options.digest, options.file.n);
    if (strstr(v->path, "cursor=2")) {
        snprintf(body, sizeof body, "[{\"type\":\"file\",\"path\":\"model-Q4_K_M.gguf\",%s,"
                 "{\"type\":\"file\",\"path\":\"model-Q8_0.gguf\",%s]", file, file);
        return reply(v, "200 OK", "", body);
    }
    snprintf(body, sizeof body, "[{\"type\":\"directory\",\"path\":\"sub\",\"size\":0},{\"type\":\"file\",\"path\":"
             "\"README.md\",\"size\":12},{\"type\":\"file\",\"path\":\"mmproj-F16.gguf\",%s,{\"type\":\"file\",\"path\":"
             "\"model-BF16-00001-of-00002.gguf\",%s,{\"type\":\"file\",\"path\":\"model-BF16-00002-of-00002.gguf\",%s]",
             file, file, file);
    snprintf(extra, sizeof extra, "Link: <http://127.0.0.1:%d%s&cursor=2>; rel=\"next\"\r\n", options.port, v->path);
    return reply(v, "200 OK", extra, body);
}

static bool answer(struct visit *v)
{
    bool ok;
    if (strncmp(v->path, "/v2/", 4) == 0)
        return send_registry(v);
    if (strncmp(v->path, "/token?", 7) == 0)
        return reply(v, "200 OK", "", "{\"token\":\"" TOKEN "\"}");
    if (strncmp(v->path, "/api/models/", 12) == 0)
        return strstr(v->path, "/missing/") ? reply(v, "404 Not Found", "", "{}") : send_tree(v);
    if (strncmp(v->path, "/files/", 7) == 0 || strstr(v->path, "/resolve/main/"))
        return turned_away(v, &ok) ? ok : send_part(v, buf_view(&options.file));
    return reply(v, "404 Not Found", "", "{}");
}

static void *visit_main(void *arg)
{
    struct visit *v = arg;
    while (read_request(v) && answer(v))
        continue;
    close(v->fd);
    buf_free(&v->in);
    free(v);
    return NULL;
}

/* ---- the program ---- */

static int usage(FILE *out)
{
    fprintf(out, "registry_standin --file FILE [--port N] [--fault KIND] [--times N] [--cdn PORT] [--rate KIB_S]\n"
                 "                 [--log FILE]\nThe kinds of fault:");
    for (int i = 0; i < FAULT_KINDS; i++)
        fprintf(out, " %s", fault_names[i]);
    fprintf(out, "\nA fault strikes --times N times, or always. cdn redirects bytes to 127.0.0.1:PORT. --rate slows each\n"
                 "connection down. The head of tests/registry_standin.c tells what is served.\n");
    return out == stdout ? 0 : 2;
}

static bool load_file(const char *path)
{
    FILE *f = fopen(path, "rbe");
    size_t n;
    if (!f)
        return false;
    char *room;
    options.file = BUF_INIT(MAX_FILE_BYTES);
    do {
        room = buf_grow(&options.file, PIECE_BYTES);
        n = room ? fread(room, 1, PIECE_BYTES, f) : 0;
        if (room)
            options.file.n -= PIECE_BYTES - n;
    } while (n > 0);
    fclose(f);
    sha256_hex(options.file.p, options.file.n, options.digest);
    return room && buf_ok(&options.file);
}

static bool set_fault(const char *name)
{
    for (int i = 0; i < FAULT_KINDS; i++)
        if (strcmp(name, fault_names[i]) == 0) {
            options.fault = i;
            return true;
        }
    return false;
}

static bool read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"file", required_argument, NULL, 'f'},  {"port", required_argument, NULL, 'p'},
        {"fault", required_argument, NULL, 'F'}, {"times", required_argument, NULL, 't'},
        {"cdn", required_argument, NULL, 'c'},   {"rate", required_argument, NULL, 'r'},
        {"log", required_argument, NULL, 'l'},   {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int opt;
    bool ok = true;
    while (ok && (opt = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (opt) {
        case 'f': ok = load_file(optarg); break;
        case 'p': options.port = (int)strtol(optarg, NULL, 10); break;
        case 'F': ok = set_fault(optarg); break;
        case 't': atomic_store(&options.times, (int)strtol(optarg, NULL, 10)); break;
        case 'c': options.cdn_port = (int)strtol(optarg, NULL, 10); break;
        case 'r': options.rate_kib_s = (int)strtol(optarg, NULL, 10); break;
        case 'l': ok = (options.log = fopen(optarg, "ae")) != NULL; break;
        case 'h': exit(usage(stdout));
        default: ok = false;
        }
    }
    return ok && optind == argc && options.file.n > 0;
}

static int listen_on(int port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        return -1;
    options.port = ntohs(a.sin_port);
    return fd;
}

int main(int argc, char **argv)
{
    if (!read_options(argc, argv))
        return usage(stderr);
    int listener = listen_on(options.port);
    if (listener < 0) {
        fprintf(stderr, "registry_standin: cannot listen: %s\n", strerror(errno));
        return 1;
    }
    printf("registry_standin: listening on 127.0.0.1:%d\n", options.port);
    fflush(stdout);
    for (;;) {
        pthread_t thread;
        int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        struct visit *v = fd < 0 ? NULL : calloc(1, sizeof *v);
        if (!v)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        *v = (struct visit){.fd = fd, .in = BUF_INIT(MAX_HEAD_BYTES)};
        if (pthread_create(&thread, NULL, visit_main, v) == 0)
            pthread_detach(thread);
    }
}
