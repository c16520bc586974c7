/* One short GET to a taken port of this machine, to say by what it is taken. It guesses from well-known first words and
 * believes nothing: what came is clipped and cleaned before it is shown. */
#include "cli/probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PROBE_TIMEOUT_MS 400
#define PROBE_MAX_BYTES 2048

static int connect_loopback(const char *host, uint16_t port)
{
    struct timeval tv = {.tv_usec = PROBE_TIMEOUT_MS * 1000};
    bool v6 = strchr(host, ':') != NULL;
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in to4 = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    if (connect(fd, v6 ? (struct sockaddr *)&to6 : (struct sockaddr *)&to4, v6 ? sizeof to6 : sizeof to4) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static size_t ask(int fd, char *reply, size_t size)
{
    static const char get[] = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
    size_t n = 0;
    if (send(fd, get, sizeof get - 1, MSG_NOSIGNAL) == sizeof get - 1) {
        for (ssize_t got; n + 1 < size && (got = recv(fd, reply + n, size - 1 - n, 0)) > 0;)
            n += (size_t)got;
    }
    reply[n] = 0;
    return n;
}

/* The value of the Server header, clipped and cleaned; "" when there is none. */
static void server_name(const char *reply, char *name, size_t size)
{
    const char *at = strcasestr(reply, "\r\nserver:");
    size_t n = 0;
    if (at) {
        at += 9;
        at += strspn(at, " ");
        for (; at[n] >= ' ' && at[n] < 127 && n + 1 < size; n++)
            name[n] = at[n];
    }
    name[n] = 0;
}

void probe_port(const char *host, uint16_t port, char *ret, size_t size)
{
    char reply[PROBE_MAX_BYTES] = "", name[40];
    int fd = connect_loopback(host, port);
    if (fd < 0) {
        snprintf(ret, size, "another program");
        return;
    }
    size_t n = ask(fd, reply, sizeof reply);
    close(fd);
    server_name(reply, name, sizeof name);
    if (n < 5 || strncmp(reply, "HTTP/", 5) != 0)
        snprintf(ret, size, "something that does not speak HTTP");
    else if (strstr(reply, "Ollama"))
        snprintf(ret, size, "Ollama");
    else if (strstr(reply, "Rung is running"))
        snprintf(ret, size, "another Rung");
    else if (name[0])
        snprintf(ret, size, "an HTTP server (%s)", name);
    else
        snprintf(ret, size, "an HTTP server");
}
