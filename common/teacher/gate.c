/* gate.c - see gate.h. */
#include "teacher/gate.h"

void gate_init(struct gate *g, unsigned most)
{
    *g = (struct gate){.most = most, .limit = most};
}

double gate_wait(const struct gate *g, double now, long tokens)
{
    (void)tokens;
    if (g->under_way >= (g->probing ? 1 : g->limit))
        return -1;
    return g->opens_at > now ? g->opens_at - now : 0;
}

void gate_enter(struct gate *g, long tokens)
{
    (void)tokens;
    g->under_way++;
}

void gate_leave(struct gate *g, long reserved, long used, bool ok)
{
    (void)reserved;
    (void)used;
    g->under_way--;
    if (!ok)
        return;
    g->probing = false;
    if (g->limit < g->most)
        g->limit++;
}

void gate_close(struct gate *g, double now, double seconds)
{
    /* Several that were under way together complain together: that is one reason to slow down. */
    if (g->opens_at <= now)
        g->limit = g->limit > 1 ? g->limit / 2 : 1;
    if (g->opens_at < now + seconds)
        g->opens_at = now + seconds;
    g->probing = true;
}

void gate_describe(const struct gate *g, double now, struct buf *out)
{
    buf_addf(out, "%u of %u under way", g->under_way, g->limit);
    if (g->opens_at > now)
        buf_addf(out, ", waiting %.0f s for the server", g->opens_at - now);
}
