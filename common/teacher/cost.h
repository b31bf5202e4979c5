/* cost.h - what answers cost, and the caps on it.
 *
 * Prices are the user's: none are built in, because they change and differ by account. What a server did not tell the
 * tokens of is of unknown cost: it is counted and told apart, never taken for free. The caps hold in the worst case: a
 * request goes out only if everything spent, everything that those under way may still cost and everything that it may
 * cost itself stays within them; a reply of unknown tokens counts as all that was reserved for it.
 */
#ifndef TEACHER_COST_H
#define TEACHER_COST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "teacher/completion.h"

/* US dollars a token. */
struct price {
    bool known;
    double prompt, completion, cached;
};

/* From "IN,OUT" or "IN,OUT,CACHED", dollars a million tokens; without CACHED, cached tokens cost as others do. */
int price_parse(struct price *price, const char *text, struct error *err);
/* Dollars; -1 where the price or the tokens are unknown. Completion tokens include those of thinking. */
double price_of(const struct price *price, const struct usage *usage);
/* What the same tokens cost in a batch; Groq and OpenAI take half. */
extern const double price_batch_share;
struct price price_in_batch(const struct price *price);
/* "$0.0123", with as many decimals as tell. */
void cost_write(struct buf *out, double dollars);

/* What is reserved for one request. */
struct stake {
    long prompt, completion; /* tokens at most, of the prompt about */
};

struct spending {
    struct price price;
    double max_cost;      /* dollars; below 0: no cap */
    long long max_tokens; /* below 0: no cap */
    double cost;          /* of the replies whose cost is known */
    uint64_t unpriced;    /* replies that may have been billed and did not tell their tokens */
    /* against the caps: what was spent, or may have been; what those under way may cost */
    double capped_cost, staked_cost;
    long long capped_tokens, staked_tokens;
};

void spending_init(struct spending *spending, const struct price *price, double max_cost, long long max_tokens);
/* Whether a request with that stake keeps within the caps. */
bool spending_allows(const struct spending *spending, struct stake stake);
/* A request goes out. */
void spending_stake(struct spending *spending, struct stake stake);
/* It is back. usage: usage_unknown where the reply told none; billed: it may have been paid for all the same. */
void spending_settle(struct spending *spending, struct stake stake, const struct usage *usage, bool billed);
/* Why spending_allows said no, for people. */
void spending_explain(const struct spending *spending, struct stake stake, struct buf *out);

#endif
