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

void progress_start_bytes(struct progress *p, const char *what, int64_t total)
{
    progress_start(p, what, total);
    p->bytes = true;
    p->first = -1;
}

const char *progress_show_bytes(int64_t bytes, char *buf, size_t size)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    int unit = 0;
    while (v >= 999.5 && unit < 4) {
        v /= 1000;
        unit++;
    }
    snprintf(buf, size, unit == 0 || v >= 99.95 ? "%.0f %s" : "%.1f %s", v, units[unit]);
    return buf;
}

static void draw_bar(const struct progress *p, int64_t done)
{
    int64_t cells = p->total > 0 ? done * BAR_CELLS / p->total : 0;
    fprintf(stderr, "%s", p->color ? "\033[36m" : "");
    for (int i = 0; i < BAR_CELLS; i++)
        fputs(i < cells ? "█" : "░", stderr);
    fprintf(stderr, "%s ", p->color ? "\033[0m" : "");
}

static void draw_counts(const struct progress *p, int64_t done, double rate)
{
    char so_far[32], all[32], speed[32];
    if (!p->bytes && p->total > 0)
        fprintf(stderr, "%lld of %lld %s, %.1f/s", (long long)done, (long long)p->total, p->what, rate);
    else if (!p->bytes)
        fprintf(stderr, "%lld %s, %.1f/s", (long long)done, p->what, rate);
    else
        fprintf(stderr, "%s %s%s%s, %s/s", p->what, progress_show_bytes(done, so_far, sizeof so_far),
                p->total > 0 ? " of " : "", p->total > 0 ? progress_show_bytes(p->total, all, sizeof all) : "",
                progress_show_bytes((int64_t)rate, speed, sizeof speed));
}

static void draw(const struct progress *p, int64_t done, int64_t now)
{
    double seconds = (double)(now - p->start_ns) / 1e9;
    double rate = seconds > 0 ? (double)(done - p->first) / seconds : 0;
    if (p->terminal)
        fputs("\r\033[K  ", stderr);
    if (p->terminal && p->total > 0)
        draw_bar(p, done);
    draw_counts(p, done, rate);
    double left = p->total > done && rate > 0 ? (double)(p->total - done) / rate : 0;
    if (left >= 120)
        fprintf(stderr, ", %.0f min left", left / 60);
    else if (left > 0)
        fprintf(stderr, ", %.0f s left", left);
    if (!p->terminal)
        fputc('\n', stderr);
    fflush(stderr);
}

void progress_step(struct progress *p, int64_t done)
{
    int64_t now = clock_ns();
    if (p->first < 0)
        p->first = done;
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
