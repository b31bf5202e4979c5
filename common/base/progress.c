/* progress.c - the progress line. One at a time; not for use by several threads. */
#include "base/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"

static const double FIRST_AFTER = 2.0, INTERVAL = 1.0; /* seconds */

static enum progress_mode mode = PROGRESS_AUTO;
static bool on_screen; /* a line stands on the terminal without a newline */

void progress_set_mode(enum progress_mode new_mode)
{
    mode = new_mode;
}

double monotonic_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* In the background a line would come between what the user types elsewhere. */
static bool in_foreground(void)
{
    pid_t group = tcgetpgrp(STDERR_FILENO);
    return group < 0 || group == getpgrp();
}

static void put(const char *text, size_t len)
{
    /* A progress line that cannot be shown is no failure of the run. */
    ssize_t written = write(STDERR_FILENO, text, len);
    (void)written;
}

void progress_erase(void)
{
    if (!on_screen)
        return;
    put("\r\033[K", 4);
    on_screen = false;
}

void progress_start(struct progress *p, const char *unit, uint64_t total)
{
    bool wanted = mode == PROGRESS_ALWAYS ||
                  (mode == PROGRESS_AUTO && diag_verbosity() >= 0 && isatty(STDERR_FILENO) && in_foreground());
    double now = wanted ? monotonic_seconds() : 0;
    *p = (struct progress){.unit = unit, .total = total, .started = now, .shown = now, .visible = wanted};
}

static void add_time(struct buf *line, double seconds)
{
    if (!(seconds < 1e7))
        return;
    unsigned long s = (unsigned long)(seconds + 0.5);
    if (s >= 3600)
        buf_addf(line, ", %lu:%02lu:%02lu left", s / 3600, s / 60 % 60, s % 60);
    else
        buf_addf(line, ", %lu:%02lu left", s / 60, s % 60);
}

static void compose(struct buf *line, const struct progress *p, uint64_t done, double elapsed, const char *note)
{
    double rate = elapsed > 0 ? (double)done / elapsed : 0;
    buf_addf(line, "%s: %llu", diag_tool(), (unsigned long long)done);
    if (p->total > 0)
        buf_addf(line, " of %llu", (unsigned long long)p->total);
    buf_addf(line, " %s, %.*f %s/s", p->unit, rate < 9.95 ? 1 : 0, rate, p->unit);
    if (p->total > done && rate > 0)
        add_time(line, (double)(p->total - done) / rate);
    if (note && *note)
        buf_addf(line, ", %s", note);
}

static bool is_due(const struct progress *p, double now)
{
    return now - p->started >= FIRST_AFTER && (p->shown <= p->started || now - p->shown >= INTERVAL);
}

bool progress_due(const struct progress *p)
{
    return p->visible && is_due(p, monotonic_seconds());
}

void progress_update(struct progress *p, uint64_t done, const char *note)
{
    if (!p->visible)
        return;
    double now = monotonic_seconds();
    double elapsed = now - p->started;
    if (!is_due(p, now))
        return;
    p->shown = now;
    struct buf line = {0};
    compose(&line, p, done, elapsed, note);
    for (size_t i = 0; i < line.len; i++)
        if ((unsigned char)line.data[i] < 0x20 || line.data[i] == 0x7f)
            line.data[i] = '?';
    if (!isatty(STDERR_FILENO)) { /* asked for with --progress: whole lines, for a log */
        buf_addch(&line, '\n');
        put(line.data, line.len);
    } else {
        struct winsize size;
        size_t columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
        size_t shown = line.len < columns ? line.len : columns - 1;
        struct buf out = {0};
        buf_addstr(&out, "\r\033[K");
        buf_add(&out, line.data, shown);
        put(out.data, out.len);
        buf_free(&out);
        on_screen = true;
    }
    buf_free(&line);
}

void progress_finish(struct progress *p)
{
    if (p->visible)
        progress_erase();
    p->visible = false;
}
