/* masking.c - see masking.h. */
#include "bert/objectives/masking.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"

enum { RNG_MASKING = 3 }; /* stream of random numbers (rng.h) that the seed gives */

int masking_init(struct masking *m, const struct objective_setting *setting, struct error *err)
{
    const struct token_table *tokens = setting->tokens;
    struct rng rng;
    *m = (struct masking){.probability = setting->mlm_probability};
    if (!tokens || tokens->mask < 0)
        return error_set(err, STATUS_USAGE,
                         "the vocabulary has no [MASK] token, which a masked language model needs; use another one, "
                         "or make one with wp-tokenize --train-vocab");
    rng_init(&rng, setting->seed, RNG_MASKING);
    m->key = rng_u64(&rng);
    m->mask = tokens->mask;
    m->n_tokens = (size_t)setting->config->vocab_size < tokens->n ? (size_t)setting->config->vocab_size : tokens->n;
    m->special = tokens->special;
    if (!setting->whole_word_masking)
        return 0;
    m->continues = xcalloc(tokens->n, sizeof *m->continues);
    size_t prefix = strlen(tokens->prefix);
    for (size_t i = 0; i < tokens->n; i++)
        m->continues[i] = strncmp(tokens->text[i], tokens->prefix, prefix) == 0 && strlen(tokens->text[i]) > prefix;
    return 0;
}

void masking_free(struct masking *m)
{
    free(m->continues);
    *m = (struct masking){0};
}

/* What a chosen token is shown as. The random token is uniform but for 2^-32 of the vocabulary's size. */
static int32_t replacement(const struct masking *m, const uint32_t random[4], int32_t id)
{
    double u = random[1] * 0x1p-32;
    if (u < 0.8)
        return m->mask;
    return u < 0.9 ? (int32_t)((uint64_t)random[2] * m->n_tokens >> 32) : id;
}

size_t masking_apply(const struct masking *m, const int32_t *ids, size_t n, uint64_t number, uint32_t *places,
                     int32_t *labels, int32_t *shown)
{
    bool chosen = false, before_special = true;
    size_t found = 0;
    for (size_t t = 0; t < n; t++) {
        uint32_t random[4];
        int32_t id = ids[t];
        bool known = (size_t)id < m->n_tokens, special = known && m->special[id];
        if (!special) {
            rng_of_row(m->key, number, (uint32_t)t, 0, random);
            if (!m->continues || !known || !m->continues[id] || before_special)
                chosen = random[0] * 0x1p-32 < m->probability;
            if (chosen) {
                if (shown) {
                    places[found] = (uint32_t)t;
                    labels[found] = id;
                    shown[t] = replacement(m, random, id);
                }
                found++;
            }
        }
        before_special = special;
    }
    return found;
}
