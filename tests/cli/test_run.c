/* rung run as a person meets it: names of models, one answer, a chat at a terminal. Each run is a child process. */
#include "../support.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/store/models.h"

#define STARTER_FILE RUNG_ROOT "/models/starter.gguf"
#define ROUTE "Name the intent of this request."
#define MAX_OUTPUT (1u << 20)
#define PATIENCE_MS 10000

/* ---- a child with its output ---- */

struct child {
    pid_t pid;
    int fd;
    struct buf seen;
};

static char home[] = "/tmp/rung-test-run-XXXXXX";

static _Noreturn void be_rung(const char *const *args)
{
    char *argv[16] = {(char *)"run"};
    int argc = 1;
    while (args[argc - 1]) {
        argv[argc] = (char *)args[argc - 1];
        argc++;
    }
    setenv("HOME", home, 1);
    setenv("TERM", "xterm", 1);
    unsetenv("XDG_STATE_HOME");
    unsetenv("XDG_CONFIG_HOME");
    int rc = chdir(home) == 0 ? cmd_run(argc, argv) : 99;
    fflush(stdout);
    _exit(rc);
}

static struct child start_at_terminal(const char *const *args)
{
    struct child c = {.seen = BUF_INIT(MAX_OUTPUT)};
    c.pid = forkpty(&c.fd, NULL, NULL, NULL);
    if (c.pid < 0) {
        print_message("skip: no pseudo-terminal here\n");
        skip();
    }
    if (c.pid == 0)
        be_rung(args);
    return c;
}

/* Standard input is empty, standard output is read, standard error goes to /dev/null. */
static struct child start_in_pipe(const char *const *args)
{
    struct child c = {.seen = BUF_INIT(MAX_OUTPUT)};
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    c.pid = fork();
    assert_true(c.pid >= 0);
    if (c.pid == 0) {
        assert_non_null(freopen("/dev/null", "r", stdin));
        assert_non_null(freopen("/dev/null", "w", stderr));
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        be_rung(args);
    }
    close(fds[1]);
    c.fd = fds[0];
    return c;
}

static bool readable(const struct child *c, int timeout_ms)
{
    struct pollfd wait = {.fd = c->fd, .events = POLLIN};
    return poll(&wait, 1, timeout_ms) == 1;
}

/* One read; false at the end. */
static bool read_some(struct child *c)
{
    char chunk[4096];
    if (!readable(c, PATIENCE_MS))
        fail_msg("nothing came; so far:\n%s", buf_view(&c->seen).p);
    ssize_t n = read(c->fd, chunk, sizeof chunk);
    if (n > 0)
        buf_add(&c->seen, chunk, (size_t)n);
    return n > 0;
}

/* Reads until the text was seen, and forgets all up to its end. */
static void expect(struct child *c, const char *text)
{
    size_t at;
    while ((at = str_find(buf_view(&c->seen), str_of(text))) == SIZE_MAX)
        if (!read_some(c))
            fail_msg("'%s' never came; the last was:\n%s", text, buf_view(&c->seen).p);
    buf_drop(&c->seen, at + strlen(text));
}

static void type(struct child *c, const char *text)
{
    assert_int_equal(write(c->fd, text, strlen(text)), strlen(text));
}

/* The prompt, and the line editor behind it: it takes over the terminal a moment after its prompt is seen, and a
 * control character typed in between would not be its own. */
static void expect_prompt(struct child *c)
{
    struct termios mode;
    expect(c, "> ");
    for (int tries = 0; tries < PATIENCE_MS; tries++) {
        assert_int_equal(tcgetattr(c->fd, &mode), 0);
        if (!(mode.c_lflag & ICANON))
            return;
        usleep(1000);
    }
    fail_msg("the line editor never took over the terminal");
}

/* The exit code; the output so far stays in c->seen. */
static int finish(struct child *c)
{
    int status;
    while (read_some(c))
        ;
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    close(c->fd);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void assert_run(const char *const *args, int code, const char *output)
{
    struct child c = start_in_pipe(args);
    int got = finish(&c);
    assert_int_equal(got, code);
    if (str_find(buf_view(&c.seen), str_of(output)) == SIZE_MAX)
        fail_msg("'%s' is not in: %s", output, buf_view(&c.seen).p);
    buf_free(&c.seen);
}

/* ---- one answer ---- */

static void test_an_answer_goes_to_standard_output(void **state)
{
    (void)state;
    assert_run(ARGS("starter", "--system", ROUTE, "how do you say hello in italian"), EXIT_OK, "translate\n");
}

static void test_json_holds_text_usage_and_confidence(void **state)
{
    (void)state;
    assert_run(ARGS("--json", "--seed", "7", "--system", ROUTE, "starter", "how do you say hello in italian"), EXIT_OK,
               "\"text\":\"translate\",\"reasoning\":\"\",\"finish_reason\":\"stop\",\"confidence\":0.9");
}

static void test_the_starter_without_a_prompt_shows_its_tasks(void **state)
{
    (void)state;
    assert_run(ARGS("starter"), EXIT_OK, "It cannot chat");
    assert_run(ARGS("starter"), EXIT_OK, "card_arrival");
}

static void test_wrong_use_and_failure_have_their_own_exit_codes(void **state)
{
    (void)state;
    assert_run(ARGS("starter", "--temp", "warm", "hi"), EXIT_USAGE, "");
    assert_run(ARGS("starter", "one", "two"), EXIT_USAGE, "");
    assert_run(ARGS("starter", ""), EXIT_USAGE, "");
    assert_run(ARGS(STARTER_FILE), EXIT_USAGE, ""); /* no prompt, and no terminal to chat at */
    assert_run(ARGS("no-such-model", "hi"), EXIT_FAILED, "");
    assert_run(ARGS("starter", "--context", "8", "--system", ROUTE, "a prompt longer than that"), EXIT_FAILED, "");
}

static void test_a_terminal_gets_no_control_characters(void **state)
{
    (void)state;
    struct buf safe = BUF_INIT(1000);
    cli_make_safe(STR("a\tb\r\n\x1b]52;c;eA==\a \x7f\xC2\x9B \xC3\xA9\xFF"), &safe);
    assert_string_equal(safe.p, "a\tb\n\xEF\xBF\xBD]52;c;eA==\xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD "
                                "\xC3\xA9\xEF\xBF\xBD");
    buf_free(&safe);
}

/* ---- chat ---- */

static void test_a_chat_answers_and_keeps_a_private_history(void **state)
{
    (void)state;
    struct child c = start_at_terminal(ARGS(STARTER_FILE, "--temp", "0"));
    expect_prompt(&c);
    type(&c, "/system " ROUTE "\n");
    expect(&c, "is set");
    expect_prompt(&c);
    type(&c, "how do you say hello in italian\n");
    expect(&c, "translate");
    expect(&c, "tokens/s");
    expect_prompt(&c);
    type(&c, "/help\n");
    expect(&c, "Ctrl-C ends");
    expect_prompt(&c);
    type(&c, "\x04");
    assert_int_equal(finish(&c), EXIT_OK);
    buf_free(&c.seen);
    char path[200];
    struct stat info;
    snprintf(path, sizeof path, "%s/.local/state/rung/history", home);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void test_ctrl_c_ends_the_answer_and_not_the_chat(void **state)
{
    (void)state;
    /* Flat sampling all but never finds the end, and the reference kernels take their time. */
    setenv("RUNG_CPU", "ref", 1);
    struct child c = start_at_terminal(
        ARGS(STARTER_FILE, "--temp", "100", "--top-k", "0", "--top-p", "1", "--seed", "1", "--threads", "1"));
    unsetenv("RUNG_CPU");
    expect_prompt(&c);
    type(&c, "hello\n");
    expect(&c, "hello\r\n");
    while (c.seen.n < 20)
        assert_true(read_some(&c));
    type(&c, "\x03");
    expect(&c, "ended by Ctrl-C");
    expect_prompt(&c);
    type(&c, "half a line");
    expect(&c, "half a line");
    type(&c, "\x03");
    expect_prompt(&c);
    type(&c, "/clear\n");
    expect(&c, "a new conversation");
    expect_prompt(&c);
    type(&c, "/bye\n");
    assert_int_equal(finish(&c), EXIT_OK);
    buf_free(&c.seen);
}

/* ---- names of models ---- */

static void write_config(char *path, size_t size)
{
    snprintf(path, size, "%s/test.yaml", home);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f,
            "models:\n  mine:\n    file: %s\n    context: 100\n"
            "  far:\n    base_url: http://127.0.0.1:9/v1\n    model: x\n"
            "tiers:\n  - {name: local, model: mine}\n",
            STARTER_FILE);
    assert_int_equal(fclose(f), 0);
}

static void test_a_model_is_a_path_the_starter_or_a_name_of_the_configuration(void **state)
{
    (void)state;
    char path[200];
    struct err err = ERR_INIT;
    struct cli_model m;
    write_config(path, sizeof path);
    struct cli_model_options options = {.config_path = path, .threads = 1};
    assert_ok(cli_open_model("starter", &options, &m, &err), err);
    assert_true(m.starter);
    cli_close_model(&m);
    assert_ok(cli_open_model("mine", &options, &m, &err), err);
    assert_int_equal(local_model_info(m.model)->context, 100);
    cli_close_model(&m);
    assert_ok(cli_open_model(STARTER_FILE, &options, &m, &err), err);
    assert_false(m.starter);
    cli_close_model(&m);
    assert_false(cli_open_model("far", &options, &m, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_false(cli_open_model("nobody", &options, &m, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "starter, mine"));
}

static void test_a_missing_model_is_offered_and_fetched_after_a_yes_only(void **state)
{
    (void)state;
    struct child c = start_at_terminal(ARGS("http://127.0.0.1:9/library/x:1", "hi"));
    expect(&c, "Fetch it? [y/N]");
    type(&c, "\n");
    expect(&c, "there is no model 'http://127.0.0.1:9/library/x:1' here; rung pull");
    assert_int_equal(finish(&c), EXIT_FAILED);
    buf_free(&c.seen);
    c = start_at_terminal(ARGS("http://127.0.0.1:9/library/x:1", "hi"));
    expect(&c, "Fetch it? [y/N]");
    type(&c, "y\n");
    expect(&c, "rung: ");
    assert_int_equal(finish(&c), EXIT_FAILED);
    assert_null(strstr(buf_view(&c.seen).p, "tokens/s"));
    buf_free(&c.seen);
    c = start_in_pipe(ARGS("http://127.0.0.1:9/library/x:1", "hi"));
    assert_int_equal(finish(&c), EXIT_FAILED);
    buf_free(&c.seen);
}

static int make_home(void **state)
{
    (void)state;
    return mkdtemp(home) ? 0 : -1;
}

static int remove_home(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_goes_to_standard_output),
        cmocka_unit_test(test_json_holds_text_usage_and_confidence),
        cmocka_unit_test(test_the_starter_without_a_prompt_shows_its_tasks),
        cmocka_unit_test(test_wrong_use_and_failure_have_their_own_exit_codes),
        cmocka_unit_test(test_a_terminal_gets_no_control_characters),
        cmocka_unit_test(test_a_chat_answers_and_keeps_a_private_history),
        cmocka_unit_test(test_ctrl_c_ends_the_answer_and_not_the_chat),
        cmocka_unit_test(test_a_model_is_a_path_the_starter_or_a_name_of_the_configuration),
        cmocka_unit_test(test_a_missing_model_is_offered_and_fetched_after_a_yes_only),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
