/* votes.c - see votes.h. */
#include "teacher/votes.h"

#include <string.h>

#include "wire/json.h"

static size_t votes_for(const struct ballot *ballots, size_t n, long label)
{
    size_t votes = 0;
    for (size_t i = 0; i < n; i++)
        votes += !ballots[i].failed && ballots[i].label == label;
    return votes;
}

/* The first answer whose label has the most votes; NULL where at most half have answered. */
static const struct ballot *elect(const struct ballot *ballots, size_t n, size_t *answered)
{
    const struct ballot *elected = NULL;
    size_t most = 0;
    *answered = 0;
    for (size_t i = 0; i < n; i++) {
        if (ballots[i].failed)
            continue;
        size_t votes = votes_for(ballots, n, ballots[i].label);
        ++*answered;
        if (votes > most) {
            most = votes;
            elected = &ballots[i];
        }
    }
    return 2 * *answered > n ? elected : NULL;
}

static void write_probabilities(struct buf *out, const struct ballot *ballots, size_t n, size_t answered,
                                size_t classes)
{
    for (size_t c = 0; c < classes; c++) {
        double votes = (double)votes_for(ballots, n, (long)c);
        buf_addstr(out, c ? "," : ",\"probs\":[");
        json_add_double(out, (votes + 0.5) / ((double)answered + 0.5 * (double)classes));
    }
    buf_addf(out, "],\"samples\":%zu", answered);
}

static void write_usage(struct buf *out, const struct ballot *ballots, size_t n)
{
    struct usage sum = usage_unknown;
    for (size_t i = 0; i < n; i++)
        usage_add(&sum, &ballots[i].usage);
    if (sum.prompt < 0 && sum.completion < 0 && sum.total < 0)
        return;
    buf_addstr(out, ",\"usage\":");
    usage_write(out, &sum);
}

bool votes_write(struct buf *out, const struct ballot *ballots, size_t n, size_t classes)
{
    size_t answered;
    const struct ballot *elected = elect(ballots, n, &answered);
    if (!elected) {
        while (!ballots->failed)
            ballots++;
        buf_add(out, ballots->text.at, ballots->text.len);
        return false;
    }
    buf_addch(out, '{');
    buf_add(out, elected->text.at, elected->text.len);
    if (n > 1)
        write_probabilities(out, ballots, n, answered, classes);
    write_usage(out, ballots, n);
    buf_addch(out, '}');
    return true;
}
