/* gate.c - the gate against a limiter of Groq's kind, in simulated time: hours of it take a moment, and the same seed
 * gives the same run. What is asked of it: no refusal after the first minute, and at least 95 % of what is allowed,
 * whichever limit binds, whether or not unused tokens come back, and whenever the server looks at its buckets.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../helper/tap.h"
#include "base/buf.h"
#include "base/rng.h"
#include "teacher/gate.h"
#include "teacher/limit.h"

/* ---- a server with limits, and a client that always has another row ---- */

enum { MOST_AT_A_TIME = 256, MINUTES = 64 };

struct world {
    double limits[LIMIT_KINDS];
    bool refunds;       /* unused tokens come back when the reply goes out */
    bool early_headers; /* they tell what was left when the request came in */
    bool no_headers;    /* nothing but the texts of refusals tells anything */
    double latency[2];  /* seconds, from and to */
    double minute;      /* seconds; 0: 60 */
    double skew;        /* the client's clock runs so much faster */
    double noise;       /* part by which token counts vary */
    double stolen;      /* part of the tokens that others use up */
    unsigned concurrency;
    long budget, answer; /* tokens */
    double hours;
    struct gate_settings settings;
};

struct request {
    bool busy, arrived, limited;
    double arrives, replies; /* server's time */
    double tokens, prompt, used;
    struct gate_ticket ticket;
    struct http_limits headers;
    struct limit_said said;
};

struct simulation {
    const struct world *world;
    struct rng rng;
    double now;
    double level[LIMIT_KINDS], at;
    struct request requests[MOST_AT_A_TIME];
    struct gate gate;
    /* results */
    double charged[LIMIT_KINDS]; /* after the first minute */
    unsigned refused_early, refused_late, served, probes;
    enum limit_kind stopped_by;
    double stopped_at;
};

static double period(const struct world *w, int kind)
{
    double minute = w->minute > 0 ? w->minute : 60;
    return kind == LIMIT_RPD || kind == LIMIT_TPD ? 1440 * minute : minute;
}

static bool is_tokens(int kind)
{
    return kind == LIMIT_TPM || kind == LIMIT_TPD;
}

static void server_refill(struct simulation *s)
{
    const struct world *w = s->world;
    for (int k = 0; k < LIMIT_KINDS; k++) {
        double flow = w->limits[k] / period(w, k) * (is_tokens(k) ? 1 - w->stolen : 1);
        s->level[k] = fmin(w->limits[k], s->level[k] + flow * (s->now - s->at));
    }
    s->at = s->now;
}

static void charge(struct simulation *s, int kind, double amount)
{
    s->level[kind] -= amount;
    if (s->now > period(s->world, LIMIT_RPM))
        s->charged[kind] += amount;
}

static struct http_limits headers_now(const struct simulation *s)
{
    const struct world *w = s->world;
    struct http_limits h = {-1, -1, -1, -1, -1, -1, -1};
    if (w->no_headers)
        return h;
    if (w->limits[LIMIT_RPD] > 0) {
        h.limit_requests = w->limits[LIMIT_RPD];
        h.remaining_requests = floor(s->level[LIMIT_RPD]);
        h.reset_requests = (h.limit_requests - s->level[LIMIT_RPD]) / h.limit_requests * period(w, LIMIT_RPD);
    }
    if (w->limits[LIMIT_TPM] > 0) {
        h.limit_tokens = w->limits[LIMIT_TPM];
        h.remaining_tokens = floor(s->level[LIMIT_TPM]);
        h.reset_tokens = (h.limit_tokens - s->level[LIMIT_TPM]) / h.limit_tokens * period(w, LIMIT_TPM);
    }
    return h;
}

static void arrive(struct simulation *s, struct request *r)
{
    const struct world *w = s->world;
    server_refill(s);
    r->arrived = true;
    r->limited = false;
    for (int k = 0; k < LIMIT_KINDS && !r->limited; k++) {
        double asked = is_tokens(k) ? r->tokens : 1;
        if (w->limits[k] > 0 && s->level[k] < asked) {
            r->limited = true;
            r->said = (struct limit_said){
                .kind = k, .limit = w->limits[k], .used = ceil(w->limits[k] - s->level[k]), .requested = asked};
            r->replies = s->now + 0.02;
        }
    }
    for (int k = 0; k < LIMIT_KINDS && !r->limited; k++)
        charge(s, k, is_tokens(k) ? r->tokens : 1);
    r->headers = headers_now(s);
    if (r->limited && s->now > period(w, LIMIT_RPM))
        s->refused_late++;
    else if (r->limited)
        s->refused_early++;
}

static void leave(struct simulation *s, struct request *r)
{
    const struct world *w = s->world;
    double client_now = s->now * (1 + w->skew);
    server_refill(s);
    for (int k = 0; k < LIMIT_KINDS && !r->limited && w->refunds; k++)
        charge(s, k, is_tokens(k) ? r->used - r->tokens : 0);
    if (!w->early_headers)
        r->headers = headers_now(s);
    struct gate_news news = {.outcome = r->limited ? GATE_LIMITED : GATE_SERVED,
                             .prompt = r->limited ? -1 : lround(r->prompt),
                             .total = r->limited ? -1 : lround(r->used),
                             .headers = &r->headers,
                             .said = r->limited ? &r->said : NULL};
    gate_leave(&s->gate, &r->ticket, client_now, &news);
    if (r->limited) {
        double missing = r->said.used + r->said.requested - r->said.limit;
        gate_close(&s->gate, client_now, ceil(missing / r->said.limit * period(w, (int)r->said.kind)));
    }
    s->served += !r->limited;
    r->busy = false;
}

static double noisy(struct simulation *s, double value)
{
    return floor(value * (1 + s->world->noise * (2 * rng_double(&s->rng) - 1)));
}

/* Sends what may go; returns when more may. */
static double send_all(struct simulation *s)
{
    const struct world *w = s->world;
    double client_now = s->now * (1 + w->skew);
    for (;;) {
        size_t bytes = 2000 + rng_below(&s->rng, 200);
        long budget = gate_budget(&s->gate, bytes, w->budget);
        double wait = gate_wait(&s->gate, client_now, bytes, budget);
        if (wait == INFINITY) {
            s->stopped_by = gate_spent(&s->gate, client_now, bytes, budget);
            s->stopped_at = s->now;
        }
        if (wait != 0)
            return wait < 0 || wait == INFINITY ? INFINITY : s->now + wait / (1 + w->skew) + 1e-6;
        struct request *r = s->requests;
        while (r->busy)
            r++;
        double latency = w->latency[0] + (w->latency[1] - w->latency[0]) * rng_double(&s->rng);
        *r = (struct request){.busy = true, .arrives = s->now + latency * rng_double(&s->rng) / 2};
        r->replies = s->now + latency;
        r->prompt = noisy(s, (double)bytes / 4.6);
        r->tokens = r->prompt + (double)budget;
        r->used = r->prompt + fmin(noisy(s, (double)w->answer), (double)budget);
        gate_enter(&s->gate, &r->ticket, client_now, bytes, budget);
    }
}

static void simulate(struct simulation *s, const struct world *w)
{
    *s = (struct simulation){.world = w, .stopped_by = LIMIT_KINDS};
    struct gate_settings settings = w->settings;
    settings.most = w->concurrency;
    rng_init(&s->rng, 7, 0);
    memcpy(s->level, w->limits, sizeof s->level);
    gate_init(&s->gate, &settings);
    double end = 3600 * w->hours;
    while (s->now < end && s->stopped_by == LIMIT_KINDS) {
        double next = fmin(send_all(s), end);
        struct request *first = NULL;
        for (int i = 0; i < MOST_AT_A_TIME; i++) {
            struct request *r = &s->requests[i];
            double at = r->arrived ? r->replies : r->arrives;
            if (r->busy && at <= next) {
                next = at;
                first = r;
            }
        }
        s->now = fmax(next, s->now);
        if (first && first->arrived)
            leave(s, first);
        else if (first)
            arrive(s, first);
    }
}

/* The part of what was allowed after the first minute that was used. */
static double part_used(const struct simulation *s, enum limit_kind kind)
{
    const struct world *w = s->world;
    double minute = period(w, LIMIT_RPM);
    return s->charged[kind] / (w->limits[kind] / period(w, (int)kind) * (s->now - minute));
}

static void check_pace(const char *name, enum limit_kind binding, const struct world *w)
{
    static struct simulation s;
    simulate(&s, w);
    double part = part_used(&s, binding);
    is_long(s.refused_late, 0, "%s: no refusal after the first minute (%u in it)", name, s.refused_early);
    ok(part >= 0.95 && part <= 1.02, "%s: %.1f %% of the %s are used", name, 100 * part, limit_name(binding));
}

static const struct world free_plan = {.limits = {30, 8000, 1e6, 0},
                                       .latency = {0.4, 2},
                                       .concurrency = 8,
                                       .budget = 1024,
                                       .answer = 180,
                                       .noise = 0.1,
                                       .hours = 2,
                                       .settings = {.requests_by_day = true, .pause = 30}};

static struct world changed(const struct world *base, bool refunds, bool early)
{
    struct world w = *base;
    w.refunds = refunds;
    w.early_headers = early;
    return w;
}

/* Every kind of server, by whether it gives back and when it looks. */
static void check_all(const char *name, enum limit_kind binding, const struct world *base)
{
    for (int i = 0; i < 4; i++) {
        struct world w = changed(base, i & 1, i & 2);
        char full[160];
        snprintf(full, sizeof full, "%s, %s, figures of the %s", name,
                 i & 1 ? "unused tokens come back" : "all is spent", i & 2 ? "beginning" : "end");
        check_pace(full, binding, &w);
    }
}

/* A request that takes a whole minute's tokens: the bucket has to be full, and what flows in meanwhile is lost. */
static void check_large(const char *name, const struct world *base)
{
    static struct simulation s;
    for (int i = 0; i < 4; i++) {
        struct world w = changed(base, i & 1, i & 2);
        simulate(&s, &w);
        is_long(s.refused_late, 0, "%s: no refusal after the first minute", name);
        double part = part_used(&s, LIMIT_TPM);
        ok(part > 0.75, "%s: %.1f %% of the tokens are used", name, 100 * part);
    }
}

static void test_pace(void)
{
    check_all("30 RPM/8K TPM", LIMIT_TPM, &free_plan);

    struct world w = free_plan;
    w.limits[LIMIT_TPM] = 200e3;
    check_all("30 RPM/200K TPM", LIMIT_RPM, &w);

    w = free_plan;
    w.limits[LIMIT_RPM] = 1000;
    w.limits[LIMIT_TPM] = 250e3;
    w.concurrency = 100;
    check_all("1000 RPM/250K TPM", LIMIT_TPM, &w);
    w.latency[0] = 3;
    w.latency[1] = 9;
    check_all("1000 RPM/250K TPM, a slow server", LIMIT_TPM, &w);
    w.budget = 200;
    w.answer = 20;
    w.limits[LIMIT_TPM] = 1e6;
    w.latency[0] = 0.1;
    w.latency[1] = 0.5;
    check_all("1000 RPM/1M TPM", LIMIT_RPM, &w);

    w = free_plan;
    w.budget = 100000;
    w.answer = 6000;
    w.latency[0] = w.latency[1] = 0.5;
    check_large("30 RPM/8K TPM, budgets larger than that", &w);

    w = free_plan;
    w.limits[LIMIT_RPM] = 5;
    check_all("5 RPM", LIMIT_RPM, &w);

    w = free_plan;
    w.refunds = true;
    w.no_headers = true;
    check_pace("30 RPM/8K TPM, told by refusals alone", LIMIT_TPM, &w);
    w.skew = 1e-4;
    check_pace("30 RPM/8K TPM, told by refusals alone, a fast clock", LIMIT_TPM, &w);
    w.settings.limits[LIMIT_TPM] = 8000;
    w.settings.limits[LIMIT_RPM] = 30;
    check_pace("30 RPM/8K TPM, told by the user", LIMIT_TPM, &w);

    w = free_plan;
    w.minute = 2;
    w.hours = 0.1;
    w.latency[0] = w.latency[1] = 0.01;
    check_all("30 RPM/8K TPM, a minute of two seconds", LIMIT_TPM, &w);
    w.limits[LIMIT_TPM] = 80000;
    w.hours = 0.2;
    check_all("30 RPM/80K TPM, a minute of two seconds", LIMIT_RPM, &w);
}

/* Others use the same account: it cannot be known beforehand, but refusals must stay rare. */
static void test_shared(void)
{
    static struct simulation s;
    struct world w = changed(&free_plan, true, false);
    w.stolen = 0.3;
    simulate(&s, &w);
    ok(s.refused_late <= s.served / 100, "others use 30 %% of the tokens: %u refusals for %u answers", s.refused_late,
       s.served);
    ok(part_used(&s, LIMIT_TPM) > 0.95 * 0.7, "and what they leave is used (%.1f %% of all)",
       100 * part_used(&s, LIMIT_TPM));
}

/* Accounts and servers drawn at random. The requests of a minute are told by the user, because a run learns them from a
 * first refusal, whenever that comes. */
static void test_sweep(void)
{
    static struct simulation s;
    struct rng rng;
    unsigned refused = 0, slow = 0, n = 60;
    rng_init(&rng, 4, 0);
    for (unsigned i = 0; i < n; i++) {
        struct world w = changed(&free_plan, rng_below(&rng, 2), rng_below(&rng, 2));
        w.hours = 0.5;
        w.limits[LIMIT_RPM] = w.settings.limits[LIMIT_RPM] = floor(5 * pow(200, rng_double(&rng)));
        w.limits[LIMIT_TPM] = floor(8000 * pow(100, rng_double(&rng)));
        w.budget = 100 + (long)rng_below(&rng, 2000);
        w.answer = 20 + (long)rng_below(&rng, (uint64_t)w.budget);
        w.latency[0] = 0.02 * pow(50, rng_double(&rng));
        w.latency[1] = w.latency[0] * (1 + rng_double(&rng));
        w.skew = 2e-4 * (rng_double(&rng) - 0.5);
        w.concurrency = 100;
        simulate(&s, &w);
        refused += s.refused_late;
        slow += fmax(part_used(&s, LIMIT_RPM), part_used(&s, LIMIT_TPM)) < 0.95;
    }
    is_long(refused, 0, "%u accounts and servers: no refusal after the first minute", n);
    is_long(slow, 0, "%u accounts and servers: all use what they are allowed", n);
}

static void test_daily(void)
{
    static struct simulation s;
    struct world w = changed(&free_plan, true, false);
    w.limits[LIMIT_RPD] = 100;
    simulate(&s, &w);
    is_long(s.stopped_by, LIMIT_RPD, "requests of a day, told by headers: the run ends when they are used up");
    ok(s.served >= 100 && s.served <= 102, "and not before (%u served)", s.served);
    is_long(s.refused_late, 0, "without a refusal");

    w = changed(&free_plan, true, false);
    w.settings.limits[LIMIT_TPD] = 50000;
    simulate(&s, &w);
    is_long(s.stopped_by, LIMIT_TPD, "tokens of a day, told by the user: the run ends when they are used up");
    double used = s.charged[LIMIT_TPM];
    ok(used > 30000 && used < 52000, "and not before");
    w.settings.limits[LIMIT_TPD] = 0;
    w.settings.limits[LIMIT_RPD] = 50;
    simulate(&s, &w);
    is_long(s.stopped_by, LIMIT_RPD, "requests of a day, told by the user");
    ok(s.served == 50 || s.served == 51, "are all used (%u)", s.served);
}

/* ---- piece by piece ---- */

static const struct gate_settings four = {.most = 4, .pause = 30};
static const struct gate_news served = {.outcome = GATE_SERVED, .prompt = -1, .total = -1};

static struct gate_news news_of(enum gate_outcome outcome, uint64_t row)
{
    return (struct gate_news){.outcome = outcome, .row = row, .prompt = -1, .total = -1};
}

static void test_concurrency(void)
{
    struct gate g;
    struct gate_ticket t[8];
    gate_init(&g, &four);
    for (int i = 0; i < 2; i++) {
        near(gate_wait(&g, 0, 100, 10), 0, 0, "request %d may go", i);
        gate_enter(&g, &t[i], 0, 100, 10);
    }
    ok(gate_wait(&g, 0, 100, 10) < 0, "the third waits for one to come back");
    for (int i = 0; i < 2; i++)
        gate_leave(&g, &t[i], 1, &served);
    is_long(g.limit, 4, "each success is room for one more, up to the most");
    for (int i = 0; i < 4; i++)
        gate_enter(&g, &t[i], 2, 100, 10);
    const struct gate_news limited = news_of(GATE_LIMITED, 0);
    gate_leave(&g, &t[0], 3, &limited);
    gate_close(&g, 3, 2);
    gate_leave(&g, &t[1], 3.5, &limited);
    gate_close(&g, 3.5, 1);
    is_long(g.limit, 2, "half as many, once for both complaints");
    ok(gate_wait(&g, 4, 100, 10) < 0, "closed, and two are still under way");
    gate_leave(&g, &t[2], 4, &limited);
    const struct gate_news other = news_of(GATE_OTHER, 0);
    gate_leave(&g, &t[3], 4, &other);
    near(gate_wait(&g, 4, 100, 10), 1, 1e-12, "closed until the later of two moments");
    near(gate_wait(&g, 5, 100, 10), 0, 0, "then it opens");
    gate_enter(&g, &t[0], 5, 100, 10);
    ok(gate_wait(&g, 5, 100, 10) < 0, "for one, as a probe");
    gate_leave(&g, &t[0], 6, &served);
    near(gate_wait(&g, 6, 100, 10), 0, 0, "which opens it for all");
    for (unsigned i = 0; i < 3; i++) {
        gate_enter(&g, &t[i], 7, 100, 10);
        const struct gate_news busy = news_of(i == 1 ? GATE_CAPACITY : GATE_BUSY, 1);
        gate_leave(&g, &t[i], 7, &busy);
        is_long(g.limit, i == 0 ? 1 : 1, "complaint %u: fewer, but never none", i);
    }
}

static void fail_row(struct gate *g, double now, enum gate_outcome outcome, uint64_t row)
{
    struct gate_ticket t;
    const struct gate_news news = news_of(outcome, row);
    gate_enter(g, &t, now, 100, 10);
    gate_leave(g, &t, now, &news);
}

static void test_trouble(void)
{
    struct gate g;
    gate_init(&g, &four);
    for (uint64_t i = 0; i < 20; i++)
        fail_row(&g, 0, GATE_TROUBLE, i % 4);
    near(gate_wait(&g, 0, 100, 10), 0, 0, "four rows that fail again and again: no pause");
    fail_row(&g, 0, GATE_TROUBLE, 4);
    near(gate_wait(&g, 0, 100, 10), 30, 1e-9, "the fifth row: a pause");
    ok(g.probing, "with a probe after it");
    fail_row(&g, 30, GATE_TROUBLE, 4);
    near(gate_wait(&g, 30, 100, 10), 30, 1e-9, "which fails: another one");
    fail_row(&g, 60, GATE_SERVED, 4);
    near(gate_wait(&g, 60, 100, 10), 0, 0, "a success ends it");
    for (uint64_t i = 0; i < 4; i++)
        fail_row(&g, 70, GATE_BUSY, i);
    near(gate_wait(&g, 70, 100, 10), 0, 0, "and the count begins anew");

    gate_init(&g, &four);
    for (uint64_t i = 0; i < 9; i++)
        fail_row(&g, 0, GATE_CAPACITY, i);
    near(gate_wait(&g, 0, 100, 10), 0, 0, "no capacity: the first five are nobody's trouble");
    fail_row(&g, 0, GATE_CAPACITY, 9);
    near(gate_wait(&g, 0, 100, 10), 30, 1e-9, "those after them are");
}

static void test_budgets(void)
{
    struct gate g;
    struct gate_ticket t;
    struct http_limits headers = {-1, -1, -1, -1, 8000, 7000, -1};
    gate_init(&g, &four);
    near(gate_prompt_tokens(&g, 4000), 1000, 1e-9, "four bytes a token");
    is_long(gate_budget(&g, 4000, 9000), 9000, "no limit is known: the budget as it is");
    gate_enter(&g, &t, 0, 4000, 500);
    struct gate_news news = {.outcome = GATE_SERVED, .prompt = 800, .total = 900, .headers = &headers};
    gate_leave(&g, &t, 1, &news);
    near(gate_prompt_tokens(&g, 4000), 800, 1e-9, "as the server counts them");
    is_long(gate_budget(&g, 4000, 1024), 1024, "a budget that fits");
    long cut = gate_budget(&g, 4000, 9000);
    ok(cut > 6500 && cut <= 7200, "a budget that does not fit is cut (%ld)", cut);
    is_long(gate_budget(&g, 400000, 9000), GATE_LEAST_BUDGET, "but not to nothing");
    is_long(gate_budget(&g, 400000, 20), 20, "nor raised");
    near(gate_wait(&g, 1, 4000, 9000), 0, 0, "what no waiting would make fit does not wait");

    gate_init(&g, &four);
    gate_enter(&g, &t, 0, 4000, 7000);
    const struct limit_said said = {LIMIT_TPM, 6000, -1, 7900};
    news = (struct gate_news){.outcome = GATE_TOO_LARGE, .prompt = -1, .total = -1, .said = &said};
    gate_leave(&g, &t, 1, &news);
    cut = gate_budget(&g, 4000, 7000);
    ok(cut + 900 <= 6000 && cut > 4500, "a refusal tells the limit and the prompt's tokens (%ld)", cut);
}

static void test_texts(void)
{
    static const struct {
        const char *text;
        struct limit_said said;
    } cases[] = {
        {"Rate limit reached for model `m` on tokens per minute (TPM): Limit 6000, Used 5034, Requested 1443. Please "
         "try",
         {LIMIT_TPM, 6000, 5034, 1443}},
        {"on requests per minute (RPM): Limit 30, Used 30, Requested 1.", {LIMIT_RPM, 30, 30, 1}},
        {"on requests per day (RPD): Limit 14,400, Used 14400, Requested 1.", {LIMIT_RPD, 14400, 14400, 1}},
        {"on tokens per day (TPD): Limit 200000, Used 199,000, Requested 1,443.", {LIMIT_TPD, 200000, 199000, 1443}},
        {"Request too large on tokens per minute (TPM): Limit 6000, Requested 6443", {LIMIT_TPM, 6000, -1, 6443}},
        {"Rate limit reached on tokens per min. Limit 10", {LIMIT_TPM, 10, -1, -1}},
        {"input tokens per minute (ITPM): Limit 10, Used 3", {LIMIT_KINDS, 10, 3, -1}},
        {"Limit of what?", {LIMIT_KINDS, -1, -1, -1}},
        {"Limit 99999999999999999999999999", {LIMIT_KINDS, -1, -1, -1}},
        {"", {LIMIT_KINDS, -1, -1, -1}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct limit_said said;
        limit_read(&said, cases[i].text);
        ok(said.kind == cases[i].said.kind && said.limit == cases[i].said.limit && said.used == cases[i].said.used &&
               said.requested == cases[i].said.requested,
           "'%s': %d, %g, %g, %g", cases[i].text, (int)said.kind, said.limit, said.used, said.requested);
    }
}

static void test_learning(void)
{
    struct gate g;
    struct gate_ticket t;
    struct buf text = {0};
    struct http_limits headers = {-1, 60, 57, 3, -1, -1, -1}; /* one of sixty comes back in a second: a minute's */
    struct gate_settings settings = four;
    settings.requests_by_day = true;
    struct gate_news news = served;
    news.headers = &headers;
    gate_init(&g, &settings);
    gate_enter(&g, &t, 0, 100, 10);
    gate_leave(&g, &t, 1, &news);
    ok(g.buckets[LIMIT_RPM].limit == 60 && g.buckets[LIMIT_RPD].limit == 0,
       "requests a minute are known by their reset");
    headers = (struct http_limits){-1, 14400, 14370, 179.56, 18000, 17000, 3.33};
    gate_init(&g, &four);
    gate_enter(&g, &t, 0, 100, 10);
    gate_leave(&g, &t, 1, &news);
    ok(g.buckets[LIMIT_RPD].limit == 14400 && g.buckets[LIMIT_RPM].limit == 0, "and so are requests a day");
    gate_describe(&g, 1, &text);
    is_string(text.data, "0 under way; 17000 of 18000 tokens a minute left", "its state in words");
    buf_free(&text);

    settings.limits[LIMIT_TPM] = 4000;
    gate_init(&g, &settings);
    gate_enter(&g, &t, 0, 100, 10);
    gate_leave(&g, &t, 1, &news);
    ok(g.buckets[LIMIT_TPM].limit == 4000, "the user's limit stands");
    headers.remaining_tokens = 10;
    gate_enter(&g, &t, 2, 100, 10);
    gate_leave(&g, &t, 2, &news);
    ok(gate_wait(&g, 2, 4000, 1000) > 10, "but the server is right where it has less left");

    settings.limits[LIMIT_TPM] = 20000;
    gate_init(&g, &settings);
    gate_enter(&g, &t, 0, 100, 10);
    gate_leave(&g, &t, 1, &news);
    near(gate_wait(&g, 1, 4000, 1000), 0, 0, "and the user knows better who allows more than it does");

    /* Junk teaches nothing. */
    headers = (struct http_limits){-1, 0, -1, -1, -1, 5, 1e9};
    gate_init(&g, &four);
    gate_enter(&g, &t, 0, 100, 10);
    gate_leave(&g, &t, 1, &news);
    near(gate_wait(&g, 1, 100, 10), 0, 0, "headers without limits hold nothing back");
}

int main(void)
{
    test_texts();
    test_concurrency();
    test_trouble();
    test_budgets();
    test_learning();
    test_pace();
    test_shared();
    test_sweep();
    test_daily();
    return done_testing();
}
