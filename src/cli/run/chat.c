/* Talking with a model: lines edited by libedit with a history that is kept, the conversation that grows with each
 * turn, and the few commands that begin with a slash. Ctrl-C ends an answer or clears a line, never the program; Ctrl-D
 * leaves. */
#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/cli.h"
#include "cli/run/run.h"

#define HISTORY_LINES 1000
#define POLL_MS 100 /* how soon Ctrl-C is seen while a line is typed */
#define MAX_PATH_BYTES 4096

struct chat {
    const struct cli_model *model;
    const struct run_options *options;
    char *system;                                       /* NULL: none */
    struct chat_message messages[2 * RUN_MAX_TURNS + 1];  /* [0] is the system message's place; the rest is owned */
    int n;                                              /* of messages after the first */
    EditLine *line;
    History *history;
    char history_path[MAX_PATH_BYTES];                  /* "": not kept */
};

/* ---- the history file ---- */

static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
        *slash = '/';
        if (!ok)
            return false;
    }
    return true;
}

static void find_history(struct chat *c)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = 0;
    if (state && *state == '/')
        n = snprintf(c->history_path, sizeof c->history_path, "%s/rung/history", state);
    else if (home && *home == '/')
        n = snprintf(c->history_path, sizeof c->history_path, "%s/.local/state/rung/history", home);
    if (n <= 0 || (size_t)n >= sizeof c->history_path || !make_folders(c->history_path))
        c->history_path[0] = 0;
}

static char *prompt_text(EditLine *line)
{
    (void)line;
    static char prompt[] = "> ";
    return prompt;
}

/* libedit's way to the keys. Any thread may be the one that Ctrl-C interrupts, so this one looks now and then. */
static int read_key(EditLine *line, wchar_t *ret)
{
    (void)line;
    mbstate_t shift = {0};
    while (!run_interrupted()) {
        struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
        char byte;
        if (poll(&keys, 1, POLL_MS) != 1)
            continue;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n != 1)
            return (int)n;
        size_t used = mbrtowc(ret, &byte, 1, &shift);
        if (used == (size_t)-1)
            shift = (mbstate_t){0}; /* not UTF-8: dropped */
        else if (used != (size_t)-2)
            return 1;
    }
    return -1;
}

static bool open_line(struct chat *c, struct err *err)
{
    HistEvent event;
    /* libedit takes lines apart by characters; without a UTF-8 locale it would lose them. */
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
    c->line = el_init("rung", stdin, stdout, stderr);
    c->history = history_init();
    if (!c->line || !c->history)
        return err_nomem(err, "line editing");
    history(c->history, &event, H_SETSIZE, HISTORY_LINES);
    history(c->history, &event, H_SETUNIQUE, 1);
    el_set(c->line, EL_PROMPT, prompt_text);
    el_set(c->line, EL_EDITOR, "emacs");
    el_set(c->line, EL_HIST, history, c->history);
    el_set(c->line, EL_GETCFN, read_key);
    find_history(c);
    if (c->history_path[0])
        history(c->history, &event, H_LOAD, c->history_path);
    return true;
}

static void remember(struct chat *c, const char *line)
{
    HistEvent event;
    history(c->history, &event, H_ENTER, line);
    mode_t before = umask(077); /* what was asked is nobody else's business */
    if (c->history_path[0])
        history(c->history, &event, H_SAVE, c->history_path);
    umask(before);
}

/* ---- the conversation ---- */

static void forget(struct chat *c)
{
    for (int i = 1; i <= c->n; i++)
        free((char *)c->messages[i].content.p);
    c->n = 0;
}

static bool add_message(struct chat *c, const char *role, struct str content, struct err *err)
{
    char *copy = str_dup(content);
    if (!copy)
        return err_nomem(err, "the conversation");
    c->messages[++c->n] = (struct chat_message){str_of(role), {copy, content.n}};
    return true;
}

static void drop_last(struct chat *c)
{
    free((char *)c->messages[c->n--].content.p);
}

/* One turn. A turn that fails leaves the conversation as it was. */
static void take_turn(struct chat *c, struct str text)
{
    struct err err = ERR_INIT;
    struct run_answer a;
    if (c->n + 2 > 2 * RUN_MAX_TURNS) {
        fprintf(stderr, "the conversation has %d turns, the most there may be; /clear starts a new one\n",
                RUN_MAX_TURNS);
        return;
    }
    if (!add_message(c, "user", text, &err)) {
        cli_fail(&err);
        return;
    }
    c->messages[0] = (struct chat_message){STR("system"), str_of(c->system)};
    const struct chat_message *first = c->system ? c->messages : c->messages + 1;
    bool ok = run_answer(c->model, c->options, first, c->n + (c->system != NULL), true, &a, &err);
    if (ok)
        run_print_timing(&a);
    if (!ok || !add_message(c, "assistant", buf_view(&a.text), &err)) {
        cli_fail(&err);
        drop_last(c);
        if (err.code == ERR_LIMIT)
            fprintf(stderr, "/clear starts a new conversation; --context gives it more room\n");
    }
    run_answer_free(&a);
}

/* ---- commands ---- */

static void set_system(struct chat *c, struct str text)
{
    char *system = text.n > 0 ? str_dup(text) : NULL;
    free(c->system);
    c->system = system;
    puts(system ? "the system prompt is set, from the next turn on" : "there is no system prompt any more");
}

/* False: leave. */
static bool take_command(struct chat *c, struct str line)
{
    if (str_is(line, "/bye") || str_is(line, "/exit") || str_is(line, "/quit"))
        return false;
    if (str_is(line, "/clear")) {
        forget(c);
        puts("a new conversation");
    } else if (str_is(line, "/system") || str_starts(line, STR("/system "))) {
        set_system(c, str_trim((struct str){line.p + 7, line.n - 7}));
    } else {
        if (!str_is(line, "/help"))
            printf("there is no command '" STR_FMT "'\n", STR_ARG(line));
        puts("/clear         start a new conversation\n"
             "/system TEXT   set the system prompt; without TEXT take it away\n"
             "/bye           leave (so does Ctrl-D)\n"
             "/help          this text\n"
             "Ctrl-C ends an answer.");
    }
    return true;
}

/* One line of input; false: leave. */
static bool take_line(struct chat *c)
{
    int n = 0;
    run_take_interrupt(); /* what came too late for the last answer is not meant for this line */
    const char *got = el_gets(c->line, &n);
    if (!got || n <= 0) {
        el_reset(c->line);
        putchar('\n');
        return run_take_interrupt();
    }
    struct str line = str_trim((struct str){got, (size_t)n});
    if (line.n == 0)
        return true;
    char *text = str_dup(line); /* libedit's own goes with the next call */
    if (!text)
        return false;
    remember(c, text);
    bool go_on = true;
    if (*text == '/')
        go_on = take_command(c, line);
    else
        take_turn(c, (struct str){text, line.n});
    free(text);
    return go_on;
}

int run_chat(const struct cli_model *m, const struct run_options *o)
{
    struct err err = ERR_INIT;
    struct chat *c = calloc(1, sizeof *c);
    bool ok = c && (!o->system || (c->system = str_dup(str_of(o->system)))) && open_line(c, &err);
    if (!ok && err.code == ERR_NONE)
        err_nomem(&err, "the conversation");
    if (ok) {
        c->model = m;
        c->options = o;
        printf("%s, %lld tokens of context; /help lists the commands\n", o->name,
               (long long)local_model_info(m->model)->context);
        while (take_line(c))
            ;
    }
    if (c) {
        forget(c);
        free(c->system);
        if (c->line)
            el_end(c->line);
        if (c->history)
            history_end(c->history);
    }
    free(c);
    return ok ? EXIT_OK : cli_fail(&err);
}
