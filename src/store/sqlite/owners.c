/* The locks by which the writers of one file know of each other. Byte 0 belongs to whoever is opening the ledger, byte
 * n to owner n. */
#include "store/sqlite/owners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct flock owner_byte(int64_t owner)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = owner, .l_len = 1};
}

bool owners_lives(const struct owners *o, int64_t owner)
{
    struct flock lock = owner_byte(owner);
    return fcntl(o->fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

bool owners_alone(const struct owners *o)
{
    struct flock others = {.l_type = F_WRLCK, .l_whence = SEEK_SET}; /* to the end; one's own lock is in nobody's way */
    return fcntl(o->fd, F_OFD_GETLK, &others) == 0 && others.l_type == F_UNLCK;
}

bool owners_open(const char *ledger_path, struct owners *ret, struct err *err)
{
    char path[4096 + 8];
    struct flock lock = owner_byte(0);
    snprintf(path, sizeof path, "%s-owners", ledger_path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, ERR_IO, "cannot write %s", path);
    while (fcntl(fd, F_OFD_SETLKW, &lock) != 0) {
        if (errno == EINTR)
            continue;
        err_errno(err, ERR_IO, "cannot lock %s", path);
        close(fd);
        return false;
    }
    ret->fd = fd;
    return true;
}

void owners_opened(const struct owners *o)
{
    struct flock lock = owner_byte(0);
    lock.l_type = F_UNLCK;
    fcntl(o->fd, F_OFD_SETLK, &lock);
}

bool owners_live(const struct owners *o, int64_t owner, struct err *err)
{
    struct flock lock = owner_byte(owner);
    return fcntl(o->fd, F_OFD_SETLK, &lock) == 0 || err_errno(err, ERR_IO, "cannot lock the ledger's file of owners");
}

void owners_close(struct owners *o)
{
    if (o->fd >= 0)
        close(o->fd);
    o->fd = -1;
}
