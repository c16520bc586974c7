/* Listening sockets: addresses are numeric, nothing is looked up. What is accepted from them is the server's. */
#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTEN_BACKLOG 1024

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_host(const char *host, uint16_t port, union address *ret, socklen_t *ret_n, struct err *err)
{
    union address a = {0};
    if (inet_pton(AF_INET, host, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = htons(port);
        *ret_n = sizeof a.v4;
    } else if (inet_pton(AF_INET6, host, &a.v6.sin6_addr) == 1) {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons(port);
        *ret_n = sizeof a.v6;
    } else {
        return err_set(err, ERR_INVALID,
                       "cannot listen on '%s': give a numeric address, such as 127.0.0.1, or localhost", host);
    }
    *ret = a;
    return true;
}

static bool listen_on(const char *host, uint16_t port, int *ret_fd, uint16_t *ret_port, struct err *err)
{
    union address a;
    socklen_t n = 0;
    if (!parse_host(host, port, &a, &n, err))
        return false;
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(err, ERR_IO, "cannot listen on %s", host);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
    if (bind(fd, &a.any, n) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        if (errno == EADDRINUSE)
            err_set(err, ERR_BUSY, "port %u on %s is taken by another program", port, host);
        else
            err_errno(err, ERR_IO, "cannot listen on %s port %u", host, port);
        close(fd);
        return false;
    }
    n = sizeof a;
    getsockname(fd, &a.any, &n);
    *ret_port = ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
    *ret_fd = fd;
    return true;
}

bool listen_open(const char *host, uint16_t port, int ret_fds[LISTEN_MAX], int *ret_n, uint16_t *ret_port,
                 struct err *err)
{
    bool both = strcmp(host, "localhost") == 0;
    uint16_t chosen = 0;
    int fd = -1;
    if (!listen_on(both ? "127.0.0.1" : host, port, &fd, &chosen, err))
        return false;
    *ret_n = 1;
    ret_fds[0] = fd;
    *ret_port = chosen;
    if (!both)
        return true;
    struct err why = ERR_INIT;
    if (listen_on("::1", chosen, &fd, &chosen, &why)) {
        ret_fds[(*ret_n)++] = fd;
    } else if (why.code == ERR_BUSY) { /* any other failure: this machine has no IPv6 */
        close(ret_fds[0]);
        *ret_n = 0;
        return err_set(err, ERR_BUSY, "%s", why.msg);
    }
    return true;
}
