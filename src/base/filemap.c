/* Mapped files that may shrink under us. The SIGBUS handler finds the map by address in a fixed table (nothing it
 * reads is ever freed), lays zero pages over what is lost and marks the map; saying so to the user is left to
 * whoever was computing. */
#include "base/filemap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILEMAP_MAX 256 /* files mapped at the same time */
#define FILE_READ_STEP ((size_t)64 << 10)

struct filemap_slot {
    atomic_bool taken;
    atomic_bool broken;
    atomic_uintptr_t begin, end; /* 0, 0 while not in use */
};

struct filemap {
    char *path;
    const char *bytes;
    size_t n;
    int fd;                    /* -1 for bytes in memory */
    bool mapped;               /* bytes are a mapping of ours */
    struct filemap_slot *slot; /* NULL for bytes in memory */
};

static struct filemap_slot filemap_slots[FILEMAP_MAX];
static struct sigaction filemap_previous;
static uintptr_t filemap_page;

static bool filemap_repair(uintptr_t at)
{
    for (int i = 0; i < FILEMAP_MAX; i++) {
        struct filemap_slot *slot = &filemap_slots[i];
        uintptr_t begin = atomic_load(&slot->begin), end = atomic_load(&slot->end);
        if (at < begin || at >= end)
            continue;
        uintptr_t page = at - at % filemap_page;
        atomic_store(&slot->broken, true);
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
        return mmap((void *)page, end - page, PROT_READ, flags, -1, 0) != MAP_FAILED;
    }
    return false;
}

static void filemap_on_sigbus(int sig, siginfo_t *info, void *context)
{
    static __thread volatile sig_atomic_t forwarding;
    int saved = errno;
    bool repaired = filemap_repair((uintptr_t)info->si_addr);
    errno = saved;
    if (repaired)
        return;
    bool handles = (filemap_previous.sa_flags & SA_SIGINFO) ||
                   (filemap_previous.sa_handler != SIG_DFL && filemap_previous.sa_handler != SIG_IGN);
    if (!handles || forwarding) { /* forwarding: the previous handler called us back */
        signal(sig, SIG_DFL);     /* the access is tried again and ends the process as it would have without us */
        return;
    }
    forwarding = 1;
    if (filemap_previous.sa_flags & SA_SIGINFO)
        filemap_previous.sa_sigaction(sig, info, context);
    else
        filemap_previous.sa_handler(sig);
    forwarding = 0;
}

/* Looked at anew with every map: a host (a test runner, a sanitizer) may have put another handler in our place
 * since. */
static void filemap_install(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct sigaction action = {.sa_sigaction = filemap_on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK}, now;
    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&lock);
    filemap_page = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (sigaction(SIGBUS, NULL, &now) == 0 && !((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == filemap_on_sigbus)) {
        filemap_previous = now;
        sigaction(SIGBUS, &action, NULL);
    }
    pthread_mutex_unlock(&lock);
}

static struct filemap_slot *slot_take(void)
{
    filemap_install();
    for (int i = 0; i < FILEMAP_MAX; i++) {
        bool taken = false;
        if (atomic_compare_exchange_strong(&filemap_slots[i].taken, &taken, true)) {
            atomic_store(&filemap_slots[i].broken, false);
            return &filemap_slots[i];
        }
    }
    return NULL;
}

static void slot_give_back(struct filemap_slot *slot)
{
    atomic_store(&slot->end, 0);
    atomic_store(&slot->begin, 0);
    atomic_store(&slot->taken, false);
}

/* Open a regular file that is not empty. O_NONBLOCK: a FIFO must not hold us before it can be refused. */
static bool open_regular(const char *path, int *ret_fd, size_t *ret_n, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s", path);
    if (fstat(fd, &st) != 0)
        err_errno(err, ERR_IO, "cannot look at %s", path);
    else if (S_ISDIR(st.st_mode))
        err_set(err, ERR_INVALID, "%s is a directory, not a file", path);
    else if (!S_ISREG(st.st_mode))
        err_set(err, ERR_INVALID, "%s is not a regular file", path);
    else if (st.st_size == 0)
        err_set(err, ERR_CORRUPT, "%s is empty", path);
    else if ((uint64_t)st.st_size > SIZE_MAX / 2)
        err_set(err, ERR_LIMIT, "%s is too large to map", path);
    else {
        *ret_fd = fd;
        *ret_n = (size_t)st.st_size;
        return true;
    }
    close(fd);
    return false;
}

static struct filemap *filemap_make(const char *path, struct err *err)
{
    struct filemap *map = calloc(1, sizeof *map);
    if (map && !(map->path = strdup(path))) {
        free(map);
        map = NULL;
    }
    if (!map)
        err_nomem(err, "a file map");
    else
        map->fd = -1;
    return map;
}

bool filemap_open(const char *path, struct filemap **ret_map, struct err *err)
{
    bool ok = false;
    struct filemap *map = filemap_make(path, err);
    if (!map || !open_regular(path, &map->fd, &map->n, err))
        goto out;
    map->slot = slot_take();
    if (!map->slot) {
        err_set(err, ERR_LIMIT, "cannot map %s: %d files are mapped already", path, FILEMAP_MAX);
        goto out;
    }
    void *bytes = mmap(NULL, map->n, PROT_READ, MAP_PRIVATE, map->fd, 0);
    if (bytes == MAP_FAILED) {
        err_errno(err, ERR_IO, "cannot map %s", path);
        goto out;
    }
    map->bytes = bytes;
    map->mapped = true;
    /* begin last: the handler takes no half-written pair for a map */
    atomic_store(&map->slot->begin, UINTPTR_MAX);
    atomic_store(&map->slot->end, (uintptr_t)bytes + map->n);
    atomic_store(&map->slot->begin, (uintptr_t)bytes);
    *ret_map = map;
    ok = true;
out:
    if (!ok)
        filemap_close(map);
    return ok;
}

bool filemap_memory(const char *name, const void *bytes, size_t n, struct filemap **ret_map, struct err *err)
{
    if (n == 0)
        return err_set(err, ERR_CORRUPT, "%s is empty", name);
    struct filemap *map = filemap_make(name, err);
    if (!map)
        return false;
    map->bytes = bytes;
    map->n = n;
    *ret_map = map;
    return true;
}

bool filemap_start(const char *name, struct str first, size_t size, struct filemap **ret_map, struct err *err)
{
    if (first.n == 0 || first.n > size)
        return err_set(err, ERR_CORRUPT, "%s is %s", name, first.n ? "shorter than its beginning" : "empty");
    struct filemap *map = filemap_make(name, err);
    if (!map)
        return false;
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED) {
        filemap_close(map);
        return err_nomem(err, "a file's header");
    }
    memcpy(bytes, first.p, first.n);
    map->bytes = bytes;
    map->n = size;
    map->mapped = true;
    *ret_map = map;
    return true;
}

void filemap_close(struct filemap *map)
{
    if (!map)
        return;
    if (map->slot)
        slot_give_back(map->slot);
    if (map->mapped)
        munmap((void *)(uintptr_t)map->bytes, map->n);
    if (map->fd >= 0)
        close(map->fd);
    free(map->path);
    free(map);
}

struct str filemap_bytes(const struct filemap *map)
{
    return (struct str){map->bytes, map->n};
}

const char *filemap_path(const struct filemap *map)
{
    return map->path;
}

bool filemap_broken(const struct filemap *map)
{
    struct stat st;
    if (!map->slot)
        return false;
    /* A cut inside the last page raises no signal: there the size tells. */
    return atomic_load(&map->slot->broken) || fstat(map->fd, &st) != 0 || (uint64_t)st.st_size < map->n;
}

/* Append what the descriptor still gives; a byte more than max_bytes is the sign of a longer file. */
static bool read_all(int fd, const char *path, size_t max_bytes, char **bytes, size_t *n, struct err *err)
{
    size_t cap = 0;
    for (;;) {
        if (cap - *n < FILE_READ_STEP) {
            size_t more = cap ? cap * 2 : 2 * FILE_READ_STEP;
            char *p = realloc(*bytes, more);
            if (!p)
                return err_nomem(err, path);
            *bytes = p;
            cap = more;
        }
        ssize_t got = read(fd, *bytes + *n, cap - *n - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, ERR_IO, "cannot read %s", path);
        if (got == 0)
            break;
        *n += (size_t)got;
        if (*n > max_bytes)
            return err_set(err, ERR_LIMIT, "%s is longer than %zu bytes", path, max_bytes);
    }
    (*bytes)[*n] = '\0';
    return true;
}

bool file_read(const char *path, size_t max_bytes, char **ret_bytes, size_t *ret_n, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s", path);
    char *bytes = NULL;
    size_t n = 0;
    bool ok = read_all(fd, path, max_bytes, &bytes, &n, err);
    close(fd);
    if (ok) {
        *ret_bytes = bytes;
        *ret_n = n;
    } else {
        free(bytes);
    }
    return ok;
}
