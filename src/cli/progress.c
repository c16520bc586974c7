/* A progress line that costs nothing to call often: it draws at most ten times a second. */
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"

#define BAR_CELLS 24
#define TERMINAL_EVERY_NS 100000000ll
#define PLAIN_EVERY_NS 5000000000ll

void progress_start(struct progress *p, const char *what, int64_t total)
{
    int64_t now = clock_ns();
    *p = (struct progress){.what = what, .total = total, .start_ns = now, .drawn_ns = now};
    p->terminal = isatty(STDERR_FILENO);
    p->color = cli_color(STDERR_FILENO);
}

static void draw_bar(const struct progress *p, int64_t done)
{
    int64_t cells = p->total > 0 ? done * BAR_CELLS / p->total : 0;
    fprintf(stderr, "%s", p->color ? "\033[36m" : "");
    for (int i = 0; i < BAR_CELLS; i++)
        fputs(i < cells ? "█" : "░", stderr);
    fprintf(stderr, "%s ", p->color ? "\033[0m" : "");
}

static void draw(const struct progress *p, int64_t done, int64_t now)
{
    double seconds = (double)(now - p->start_ns) / 1e9, rate = seconds > 0 ? (double)done / seconds : 0;
    if (p->terminal)
        fputs("\r\033[K  ", stderr);
    if (p->terminal && p->total > 0)
        draw_bar(p, done);
    if (p->total > 0)
        fprintf(stderr, "%lld of %lld %s, %.1f/s", (long long)done, (long long)p->total, p->what, rate);
    else
        fprintf(stderr, "%lld %s, %.1f/s", (long long)done, p->what, rate);
    if (p->total > done && rate > 0)
        fprintf(stderr, ", %.0f s left", (double)(p->total - done) / rate);
    if (!p->terminal)
        fputc('\n', stderr);
    fflush(stderr);
}

void progress_step(struct progress *p, int64_t done)
{
    int64_t now = clock_ns();
    bool last = p->total > 0 && done == p->total && p->terminal;
    if (!last && now - p->drawn_ns < (p->terminal ? TERMINAL_EVERY_NS : PLAIN_EVERY_NS))
        return;
    draw(p, done, now);
    p->drawn_ns = now;
    p->shown = true;
}

void progress_hide(struct progress *p)
{
    if (p->terminal && p->shown)
        fputs("\r\033[K", stderr);
    fflush(stderr);
    p->shown = false;
}
