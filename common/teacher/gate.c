/* gate.c - see gate.h. */
#include "teacher/gate.h"

#include <math.h>

static const double usual_minute = 60, day = 86400;
static const double bytes_per_token = 4; /* before the server has counted any */
/* A little less than what is allowed, for clocks that differ and figures that are rounded. */
static const double eagerness = 0.985;
/* Part of a bucket that is left in it, and how much more after a refusal that was not expected. It delays the first
 * minute a little and costs nothing after that. */
static const double least_margin = 0.02, more_margin = 0.05, most_margin = 0.5;
/* Part of a minute's tokens that one request may have. */
static const double largest_request = 0.94;
static const double least_figure = 50; /* tokens: smaller ones show no minute */
enum { FIRST_LIMIT = 2, MINUTE_VOTES = 5, REQUESTS_TO_CLASS = 2, CAPACITY_IN_A_ROW = 5 };

static bool counts_tokens(enum limit_kind k)
{
    return k == LIMIT_TPM || k == LIMIT_TPD;
}

static bool is_daily(enum limit_kind k)
{
    return k == LIMIT_RPD || k == LIMIT_TPD;
}

void gate_init(struct gate *g, const struct gate_settings *settings)
{
    *g = (struct gate){.settings = *settings,
                       .limit = settings->most < FIRST_LIMIT ? settings->most : FIRST_LIMIT,
                       .minute = usual_minute,
                       .requests_by_day = settings->requests_by_day};
    for (int k = 0; k < LIMIT_KINDS; k++) {
        g->buckets[k].limit = g->buckets[k].level = settings->limits[k];
        g->buckets[k].fixed = settings->limits[k] > 0;
        g->buckets[k].margin = least_margin;
    }
}

/* ---- buckets ---- */

/* What flows in, a second. */
static double rate(const struct gate *g, enum limit_kind k)
{
    return eagerness * g->buckets[k].limit / (is_daily(k) ? day : g->minute);
}

static double level(const struct gate *g, enum limit_kind k, double now)
{
    const struct gate_bucket *b = &g->buckets[k];
    return fmin(b->limit, b->level + rate(g, k) * fmax(now - b->at, 0));
}

static void refill(struct gate *g, double now)
{
    for (int k = 0; k < LIMIT_KINDS; k++) {
        g->buckets[k].level = level(g, (enum limit_kind)k, now);
        g->buckets[k].at = now;
    }
}

static void take(struct gate *g, enum limit_kind k, double amount)
{
    g->buckets[k].level -= amount;
    g->buckets[k].taken += amount;
}

/* counted: the server had taken it, too. */
static void give_back(struct gate *g, enum limit_kind k, double amount, bool counted)
{
    struct gate_bucket *b = &g->buckets[k];
    b->level = fmin(b->limit, b->level + amount);
    b->returned += counted ? amount : 0;
}

static double share(enum limit_kind k, double tokens)
{
    return counts_tokens(k) ? tokens : 1;
}

/* The level at which so much may be taken. What is more than the bucket holds is for the server to refuse at once. */
static double needed(const struct gate_bucket *b, enum limit_kind k, double amount)
{
    double kept = is_daily(k) ? 0 : b->margin * b->limit;
    if (k == LIMIT_RPM)
        kept = fmin(fmax(kept, 1), b->limit / 10);
    return amount > b->limit ? -INFINITY : fmin(amount + kept, b->limit);
}

double gate_prompt_tokens(const struct gate *g, size_t bytes)
{
    double tokens_a_byte = g->prompt_bytes > 0 ? g->prompt_tokens / g->prompt_bytes : 1 / bytes_per_token;
    return tokens_a_byte * (double)bytes;
}

long gate_budget(const struct gate *g, size_t bytes, long budget)
{
    double limit = g->buckets[LIMIT_TPM].limit;
    if (limit <= 0)
        return budget;
    double room = floor(largest_request * limit - 1.05 * gate_prompt_tokens(g, bytes));
    double least = budget < GATE_LEAST_BUDGET ? (double)budget : GATE_LEAST_BUDGET;
    return (long)fmin((double)budget, fmax(room, least));
}

enum limit_kind gate_spent(const struct gate *g, double now, size_t bytes, long budget)
{
    static const enum limit_kind daily[] = {LIMIT_RPD, LIMIT_TPD};
    double tokens = gate_prompt_tokens(g, bytes) + (double)budget;
    for (size_t i = 0; i < sizeof daily / sizeof *daily; i++) {
        const struct gate_bucket *b = &g->buckets[daily[i]];
        if (b->limit > 0 && level(g, daily[i], now) < share(daily[i], tokens))
            return daily[i];
    }
    return LIMIT_KINDS;
}

double gate_wait(const struct gate *g, double now, size_t bytes, long budget)
{
    static const enum limit_kind minutely[] = {LIMIT_RPM, LIMIT_TPM};
    double tokens = gate_prompt_tokens(g, bytes) + (double)budget;
    double wait = fmax(g->opens_at - now, 0);
    if (g->under_way >= (g->probing ? 1 : g->limit))
        return -1;
    if (gate_spent(g, now, bytes, budget) != LIMIT_KINDS)
        return g->under_way ? -1 : INFINITY; /* those under way may give something back */
    for (size_t i = 0; i < sizeof minutely / sizeof *minutely; i++) {
        const struct gate_bucket *b = &g->buckets[minutely[i]];
        double missing = needed(b, minutely[i], share(minutely[i], tokens)) - level(g, minutely[i], now);
        if (b->limit > 0 && missing > 0)
            wait = fmax(wait, missing / rate(g, minutely[i]));
    }
    return wait;
}

void gate_enter(struct gate *g, struct gate_ticket *t, double now, size_t bytes, long budget)
{
    double prompt = gate_prompt_tokens(g, bytes), tokens = prompt + (double)budget;
    *t = (struct gate_ticket){
        .number = ++g->number, .sent = now, .bytes = bytes, .prompt = prompt, .budget = (double)budget};
    refill(g, now);
    for (int k = 0; k < LIMIT_KINDS; k++) {
        take(g, (enum limit_kind)k, share((enum limit_kind)k, tokens));
        t->taken[k] = g->buckets[k].taken;
        t->returned[k] = g->buckets[k].returned;
    }
    g->under_way++;
}

/* ---- what the server says of its buckets ---- */

/* The server had so much left in its bucket at some moment between the sending of the ticket's request and now. That
 * bounds what it can have now; ours is moved into those bounds and not further, for the moment is not known. A user who
 * allows less than the server gives it up to others; one who allows more knows better. */
static void compare(struct gate *g, enum limit_kind k, const struct gate_ticket *t, double now, double limit,
                    double left)
{
    struct gate_bucket *b = &g->buckets[k];
    if (left < 0 || b->limit <= 0 || b->limit > limit)
        return;
    double least = left - (b->taken - t->taken[k]);
    double most = left + rate(g, k) * (now - t->sent) / eagerness + b->returned - t->returned[k];
    b->level = fmin(b->level, most);
    if (!b->fixed)
        b->level = fmin(fmax(b->level, least), b->limit);
}

/* A limit becomes known, or another one. */
static void set_limit(struct gate *g, enum limit_kind k, const struct gate_ticket *t, double limit, double left)
{
    struct gate_bucket *b = &g->buckets[k];
    if (b->fixed || limit <= 0 || limit == b->limit)
        return;
    if (b->limit == 0)
        b->level = (left >= 0 ? left : limit) - (b->taken - t->taken[k]);
    b->limit = limit;
    b->level = fmin(b->level, limit);
}

/* How long the period of a limit is: what is used comes back in the time that the server tells. -1: the figures do not
 * show it. */
static double period_of(double limit, double left, double reset)
{
    return limit > 0 && left >= 0 && reset > 0 && limit - left >= 1 ? reset * limit / (limit - left) : -1;
}

/* A server whose minute is none: several figures in a row must agree on it. */
static void learn_minute(struct gate *g, double period, double used)
{
    if (period < 0 || period > usual_minute * 3 / 2 || used < least_figure)
        return;
    bool agrees = fabs(period - g->minute_guess) < 0.1 * g->minute_guess;
    if (!agrees || used >= g->minute_figure) {
        g->minute_guess = period;
        g->minute_figure = used;
    }
    g->minute_votes = agrees ? g->minute_votes + 1 : 1;
    if (g->minute_votes >= MINUTE_VOTES)
        g->minute = g->minute_guess > usual_minute * 3 / 4 ? usual_minute : g->minute_guess;
}

/* What the header of requests counts: Groq's are a day's, others' a minute's. */
static enum limit_kind class_of_requests(struct gate *g, const struct http_limits *h)
{
    const struct gate_bucket *minutely = &g->buckets[LIMIT_RPM];
    double period = period_of(h->limit_requests, h->remaining_requests, h->reset_requests);
    if (minutely->named && minutely->limit != h->limit_requests)
        g->requests_by_day = true; /* a refusal has named the minute's, and it is another one */
    else if (period > 0 && h->limit_requests - h->remaining_requests >= REQUESTS_TO_CLASS)
        g->requests_by_day = period > sqrt(usual_minute * day);
    return g->requests_by_day ? LIMIT_RPD : LIMIT_RPM;
}

static void read_headers(struct gate *g, const struct gate_ticket *t, double now, const struct http_limits *h)
{
    if (h->limit_requests > 0) {
        enum limit_kind k = class_of_requests(g, h), other = k == LIMIT_RPD ? LIMIT_RPM : LIMIT_RPD;
        if (!g->buckets[other].fixed && !g->buckets[other].named)
            g->buckets[other].limit = 0; /* it was taken for that */
        set_limit(g, k, t, h->limit_requests, h->remaining_requests);
        compare(g, k, t, now, h->limit_requests, h->remaining_requests);
    }
    if (h->limit_tokens > 0) {
        learn_minute(g, period_of(h->limit_tokens, h->remaining_tokens, h->reset_tokens),
                     h->limit_tokens - h->remaining_tokens);
        set_limit(g, LIMIT_TPM, t, h->limit_tokens, h->remaining_tokens);
        compare(g, LIMIT_TPM, t, now, h->limit_tokens, h->remaining_tokens);
    }
}

/* The text of a refusal, which names the limit and tells its state to the token. */
static void read_text(struct gate *g, const struct gate_ticket *t, const struct limit_said *said)
{
    if (said->kind == LIMIT_KINDS || said->limit <= 0)
        return;
    struct gate_bucket *b = &g->buckets[said->kind];
    double left = said->used >= 0 ? fmax(said->limit - said->used, 0) : -1;
    if (b->limit > 0 && t->number > g->slowed)
        b->margin = fmin(b->margin + more_margin, most_margin); /* it was thought to have enough */
    set_limit(g, said->kind, t, said->limit, left);
    b->named = true;
    if (left >= 0)
        b->level = fmin(b->level, left);
}

/* ---- replies ---- */

/* The tokens that a request has cost: what it has used if unused ones come back, else what it has reserved. */
static double cost(const struct gate_ticket *t, const struct gate_news *news, bool come_back)
{
    double reserved = t->prompt + t->budget;
    if (news->outcome != GATE_SERVED)
        return reserved; /* nobody knows */
    if (come_back && news->total >= 0)
        return (double)news->total;
    return news->prompt > 0 ? (double)news->prompt + t->budget : reserved;
}

/* Gives back what was not used. Of a minute's tokens, where the server tells how many are left, it is assumed to give
 * nothing back: what it does give shows in its figures. */
static void settle(struct gate *g, const struct gate_ticket *t, const struct gate_news *news)
{
    bool counted = news->outcome != GATE_LIMITED && news->outcome != GATE_TOO_LARGE && news->outcome != GATE_UNREACHED;
    double reserved = t->prompt + t->budget;
    give_back(g, LIMIT_RPM, !counted, counted);
    give_back(g, LIMIT_RPD, !counted, counted);
    give_back(g, LIMIT_TPM, reserved - (counted ? cost(t, news, !g->told) : 0), counted);
    give_back(g, LIMIT_TPD, reserved - (counted ? cost(t, news, true) : 0), counted);
    if (news->outcome == GATE_SERVED && news->prompt > 0) {
        g->prompt_tokens += (double)news->prompt;
        g->prompt_bytes += (double)t->bytes;
    }
}

/* The prompt's tokens as the server counted them for a refusal: all that it asked for but the budget. */
static void learn_prompt(struct gate *g, const struct gate_ticket *t, const struct limit_said *said)
{
    if (g->prompt_bytes == 0 && said->requested > t->budget) {
        g->prompt_tokens = said->requested - t->budget;
        g->prompt_bytes = (double)t->bytes;
    }
}

/* Fewer at a time. Several that were under way together complain together: that is one reason. */
static void slow_down(struct gate *g, const struct gate_ticket *t)
{
    if (t->number <= g->slowed)
        return;
    g->limit = g->limit > 1 ? g->limit / 2 : 1;
    g->slowed = g->number;
}

/* Rows that fail one after another: the server needs a pause, and they do not need to use up their attempts. */
static void count_trouble(struct gate *g, uint64_t row, double now)
{
    unsigned i = 0;
    while (i < g->n_trouble && g->trouble[i] != row)
        i++;
    if (i == g->n_trouble && i < GATE_ROWS_IN_TROUBLE) {
        g->trouble[g->n_trouble++] = row;
        g->pauses += g->n_trouble == GATE_ROWS_IN_TROUBLE;
    }
    if (g->n_trouble == GATE_ROWS_IN_TROUBLE)
        gate_close(g, now, g->settings.pause);
}

static void follow(struct gate *g, const struct gate_ticket *t, double now, const struct gate_news *news)
{
    g->no_capacity = news->outcome == GATE_CAPACITY ? g->no_capacity + 1 : 0;
    switch (news->outcome) {
    case GATE_SERVED:
        g->probing = false;
        g->n_trouble = 0;
        if (g->limit < g->settings.most)
            g->limit++;
        break;
    case GATE_LIMITED:
        slow_down(g, t);
        break;
    case GATE_CAPACITY:
        slow_down(g, t);
        if (g->no_capacity > CAPACITY_IN_A_ROW)
            count_trouble(g, news->row, now);
        break;
    case GATE_BUSY:
        slow_down(g, t);
        count_trouble(g, news->row, now);
        break;
    case GATE_TROUBLE:
        count_trouble(g, news->row, now);
        break;
    case GATE_TOO_LARGE:
    case GATE_UNREACHED:
    case GATE_OTHER:
        break;
    }
}

void gate_leave(struct gate *g, const struct gate_ticket *t, double now, const struct gate_news *news)
{
    g->under_way--;
    refill(g, now);
    if (news->said && news->outcome == GATE_TOO_LARGE)
        learn_prompt(g, t, news->said);
    g->told = g->told || (news->headers && news->headers->remaining_tokens >= 0);
    settle(g, t, news);
    if (news->headers)
        read_headers(g, t, now, news->headers);
    if (news->said)
        read_text(g, t, news->said);
    follow(g, t, now, news);
}

void gate_close(struct gate *g, double now, double seconds)
{
    if (g->opens_at < now + seconds)
        g->opens_at = now + seconds;
    g->probing = true;
}

void gate_describe(const struct gate *g, double now, struct buf *out)
{
    enum limit_kind scarcest = LIMIT_KINDS;
    double least = INFINITY;
    for (enum limit_kind k = 0; k < LIMIT_KINDS; k++) {
        double share = g->buckets[k].limit > 0 ? level(g, k, now) / g->buckets[k].limit : INFINITY;
        if (share < least) {
            least = share;
            scarcest = k;
        }
    }
    buf_addf(out, "%u under way", g->under_way);
    if (g->opens_at > now)
        buf_addf(out, "; closed for %.0f s", ceil(g->opens_at - now));
    else if (scarcest < LIMIT_KINDS)
        buf_addf(out, "; %.0f of %.0f %s left", fmax(level(g, scarcest, now), 0), g->buckets[scarcest].limit,
                 limit_name(scarcest));
}
