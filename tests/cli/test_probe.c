/* Who sits on a taken port: rung serve says so in its error, so each kind of neighbour is played here by a listener of
 * one connection. */
#include "../support.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/probe.h"

struct neighbour {
    int fd;
    const char *reply;
};

static void *answer_once(void *arg)
{
    struct neighbour *n = arg;
    char request[512];
    int fd = accept(n->fd, NULL, NULL);
    if (fd >= 0 && recv(fd, request, sizeof request, 0) > 0)
        send(fd, n->reply, strlen(n->reply), MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static int listen_anywhere(uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static void probe_finds(const char *reply, const char *expected)
{
    char found[64];
    uint16_t port;
    pthread_t thread;
    struct neighbour n = {.fd = listen_anywhere(&port), .reply = reply};
    assert_int_equal(pthread_create(&thread, NULL, answer_once, &n), 0);
    probe_port("127.0.0.1", port, found, sizeof found);
    pthread_join(thread, NULL);
    close(n.fd);
    assert_string_equal(found, expected);
}

static void test_probe_knows_ollama(void **state)
{
    (void)state;
    probe_finds("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nOllama is running", "Ollama");
}

static void test_probe_knows_another_rung(void **state)
{
    (void)state;
    probe_finds("HTTP/1.1 200 OK\r\n\r\nRung is running", "another Rung");
}

static void test_probe_names_other_servers_by_their_header(void **state)
{
    (void)state;
    probe_finds("HTTP/1.1 404 Not Found\r\nServer: llama.cpp\r\n\r\n", "an HTTP server (llama.cpp)");
    probe_finds("HTTP/1.1 404 Not Found\r\n\r\n", "an HTTP server");
}

static void test_probe_shows_no_control_bytes(void **state)
{
    (void)state;
    probe_finds("HTTP/1.1 200 OK\r\nServer: a\x1b[2J\r\n\r\n", "an HTTP server (a)");
}

static void test_probe_says_when_it_is_not_http(void **state)
{
    (void)state;
    probe_finds("SSH-2.0-OpenSSH_9.2\r\n", "something that does not speak HTTP");
    probe_finds("", "something that does not speak HTTP");
}

static void test_probe_says_little_of_what_does_not_answer(void **state)
{
    (void)state;
    char found[64];
    uint16_t port;
    close(listen_anywhere(&port));
    probe_port("127.0.0.1", port, found, sizeof found);
    assert_string_equal(found, "another program");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe_knows_ollama),
        cmocka_unit_test(test_probe_knows_another_rung),
        cmocka_unit_test(test_probe_names_other_servers_by_their_header),
        cmocka_unit_test(test_probe_shows_no_control_bytes),
        cmocka_unit_test(test_probe_says_when_it_is_not_http),
        cmocka_unit_test(test_probe_says_little_of_what_does_not_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
