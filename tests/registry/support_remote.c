/* Runs the stand-in for model hosts beside a test, and looks at its log and at what was stored. */
#include "support_remote.h"

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "registry/digest.h"

#define MAX_WORDS 16

void host_make(struct host *h, int64_t size)
{
    struct err err = ERR_INIT;
    *h = (struct host){.size = size};
    snprintf(h->dir, sizeof h->dir, "/tmp/rung-remote-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    snprintf(h->file, sizeof h->file, "%s/model.gguf", h->dir);
    snprintf(h->log, sizeof h->log, "%s/log", h->dir);
    snprintf(h->store, sizeof h->store, "%s/blobs", h->dir);
    assert_int_equal(mkdir(h->store, 0755), 0);
    unsigned char *bytes = malloc((size_t)size);
    assert_non_null(bytes);
    uint64_t state = 88172645463325252u;
    for (int64_t i = 0; i < size; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        bytes[i] = (unsigned char)(state >> 32);
    }
    memcpy(bytes, "GGUF", 4);
    assert_ok(digest_of((struct str){(char *)bytes, (size_t)size}, h->digest, &err), err);
    FILE *f = fopen(h->file, "wbe");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, (size_t)size, f), size);
    fclose(f);
    free(bytes);
}

/* build/tests/registry_standin, beside the folder of this test program. */
static void standin_path(char *out, size_t size)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    snprintf(out, size, "%s/../registry_standin", dirname(self));
}

void host_start(struct host *h, const char *word, ...)
{
    char program[4200], port[16], line[128] = "";
    const char *argv[MAX_WORDS] = {program, "--file", h->file, "--log", h->log, "--port", port};
    int n = 7, out[2];
    va_list words;
    host_stop(h);
    unlink(h->log);
    standin_path(program, sizeof program);
    snprintf(port, sizeof port, "%d", h->port);
    va_start(words, word);
    for (const char *w = word; w; w = va_arg(words, const char *)) {
        assert_true(n < MAX_WORDS - 1);
        argv[n++] = w;
    }
    va_end(words);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    h->pid = fork();
    if (h->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves none behind */
        dup2(out[1], STDOUT_FILENO);
        execv(program, (char *const *)argv);
        _exit(127);
    }
    close(out[1]);
    FILE *first = fdopen(out[0], "re");
    if (!fgets(line, sizeof line, first) || !strrchr(line, ':'))
        fail_msg("%s did not start; make %s", program, program);
    h->port = (int)strtol(strrchr(line, ':') + 1, NULL, 10);
    fclose(first);
}

void host_stop(struct host *h)
{
    if (h->pid <= 0)
        return;
    kill(h->pid, SIGKILL);
    waitpid(h->pid, NULL, 0);
    h->pid = 0;
}

static void empty_folder(const char *path)
{
    char name[512];
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        unlink(name);
    }
    if (dir)
        closedir(dir);
}

void host_free(struct host *h)
{
    host_stop(h);
    empty_folder(h->store);
    rmdir(h->store);
    empty_folder(h->dir);
    rmdir(h->dir);
}

/* ---- the log ---- */

int64_t host_sent(const struct host *h, const char *path)
{
    char line[4096];
    long long n;
    int64_t sum = 0;
    FILE *f = fopen(h->log, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "sent %lld", &n) == 1 && strstr(line, path))
            sum += n;
    if (f)
        fclose(f);
    return sum;
}

int host_count(const struct host *h, const char *needle)
{
    char line[4096];
    int count = 0;
    FILE *f = fopen(h->log, "re");
    while (f && fgets(line, sizeof line, f))
        count += strstr(line, needle) != NULL;
    if (f)
        fclose(f);
    return count;
}

/* ---- remotes and layers ---- */

struct remote *remote_impatient(void)
{
    struct remote *r;
    struct err err = ERR_INIT;
    unsetenv("HF_TOKEN");
    unsetenv("HF_ENDPOINT");
    assert_ok(remote_open(&r, &err), err);
    r->patience.tries = r->patience.small_tries = 3;
    r->patience.first_wait_ms = 10;
    r->patience.idle_ms = 400;
    r->patience.note_every_ms = 20;
    return r;
}

struct remote_layer weights_of(const struct host *h)
{
    struct remote_layer layer = {.size = h->size};
    snprintf(layer.url, sizeof layer.url, "http://127.0.0.1:%d/v2/library/model/blobs/sha256:%s", h->port, h->digest);
    memcpy(layer.digest, h->digest, sizeof layer.digest);
    return layer;
}

struct remote_layer plain_file(const struct host *h)
{
    struct remote_layer layer = {.size = -1};
    snprintf(layer.url, sizeof layer.url, "http://127.0.0.1:%d/files/model.gguf", h->port);
    return layer;
}

int files_in_store(const struct host *h)
{
    DIR *dir = opendir(h->store);
    int n = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

void assert_fetched(const struct host *h)
{
    char path[256], hex[DIGEST_HEX + 1];
    struct err err = ERR_INIT;
    snprintf(path, sizeof path, "%s/sha256-%s", h->store, h->digest);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_ok(digest_fd(fd, path, NULL, hex, &err), err);
    close(fd);
    assert_string_equal(hex, h->digest);
    assert_int_equal(files_in_store(h), 1);
}
