/* cost.c - see cost.h. */
#include "teacher/cost.h"

#include <math.h>
#include <stdlib.h>

static const double million = 1e6;
const double price_batch_share = 0.5;

/* A number from 0 on at *text, which moves behind it and behind a comma; false where there is none. */
static bool take_price(const char **text, double *dollars)
{
    char *end;
    double value = strtod(*text, &end); /* the tool never sets a locale */
    if (end == *text || !isfinite(value) || value < 0 || (*end != '\0' && *end != ','))
        return false;
    *dollars = value / million;
    *text = *end == ',' ? end + 1 : end;
    return *end == '\0' || **text != '\0';
}

int price_parse(struct price *p, const char *text, struct error *err)
{
    const char *at = text;
    *p = (struct price){.known = true};
    if (take_price(&at, &p->prompt) && *at && take_price(&at, &p->completion)) {
        p->cached = p->prompt;
        if (*at == '\0' || (take_price(&at, &p->cached) && *at == '\0'))
            return 0;
    }
    return error_set(err, STATUS_USAGE,
                     "--price must be IN,OUT or IN,OUT,CACHED, each in dollars a million tokens, not '%s'", text);
}

struct price price_in_batch(const struct price *p)
{
    const double share = price_batch_share;
    return (struct price){p->known, p->prompt * share, p->completion * share, p->cached * share};
}

double price_of(const struct price *p, const struct usage *u)
{
    if (!p->known || u->prompt < 0 || u->completion < 0)
        return -1;
    long long cached = u->cached < 0 ? 0 : u->cached < u->prompt ? u->cached : u->prompt;
    return (double)(u->prompt - cached) * p->prompt + (double)cached * p->cached +
           (double)u->completion * p->completion;
}

void cost_write(struct buf *out, double dollars)
{
    buf_addf(out, "$%.*f", dollars >= 1 || dollars == 0 ? 2 : dollars >= 0.01 ? 4 : 6, dollars);
}

void spending_init(struct spending *s, const struct price *price, double max_cost, long long max_tokens)
{
    *s = (struct spending){.price = *price, .max_cost = max_cost, .max_tokens = max_tokens};
}

static double worst_cost(const struct spending *s, struct stake stake)
{
    return s->price.known ? (double)stake.prompt * s->price.prompt + (double)stake.completion * s->price.completion : 0;
}

bool spending_allows(const struct spending *s, struct stake stake)
{
    if (s->max_cost >= 0 && s->capped_cost + s->staked_cost + worst_cost(s, stake) > s->max_cost)
        return false;
    return s->max_tokens < 0 || s->capped_tokens + s->staked_tokens + stake.prompt + stake.completion <= s->max_tokens;
}

void spending_stake(struct spending *s, struct stake stake)
{
    s->staked_cost += worst_cost(s, stake);
    s->staked_tokens += stake.prompt + stake.completion;
}

/* The tokens of a reply; below 0: unknown. */
static long long tokens_of(const struct usage *u)
{
    return u->total >= 0 ? u->total : u->prompt >= 0 && u->completion >= 0 ? u->prompt + u->completion : -1;
}

void spending_settle(struct spending *s, struct stake stake, const struct usage *usage, bool billed)
{
    double cost = price_of(&s->price, usage);
    long long tokens = tokens_of(usage);
    s->staked_cost = fmax(0, s->staked_cost - worst_cost(s, stake)); /* sums of doubles: not below 0 by rounding */
    s->staked_tokens -= stake.prompt + stake.completion;
    s->cost += cost > 0 ? cost : 0;
    billed = billed || tokens >= 0;
    s->unpriced += billed && tokens < 0;
    if (billed) {
        s->capped_cost += cost >= 0 ? cost : worst_cost(s, stake);
        s->capped_tokens += tokens >= 0 ? tokens : stake.prompt + stake.completion;
    }
}

void spending_explain(const struct spending *s, struct stake stake, struct buf *out)
{
    bool by_cost = s->max_cost >= 0 && s->capped_cost + s->staked_cost + worst_cost(s, stake) > s->max_cost;
    if (by_cost) {
        buf_addstr(out, "--max-cost is reached: ");
        cost_write(out, s->capped_cost);
        buf_addstr(out, " are spent, and the next request may cost ");
        cost_write(out, worst_cost(s, stake));
    } else {
        buf_addf(out, "--max-tokens-total is reached: %lld tokens are used, and the next request may take %ld",
                 s->capped_tokens, stake.prompt + stake.completion);
    }
}
