/* polarity.c - the term `polarity`: the knowledge of the reasoning carried to text that nobody labelled.
 *
 * A lexicon of the training rows' cues (lexicon.h) gives words a value v. A sentence of the unlabelled rows that has at
 * least four words, one of them in the lexicon, becomes a further row in which some of these words are shown as [MASK],
 * each with probability 0.5 and at least one. Its items are these rows:
 *
 *     l = CE(logits, sigmoid(sum of v)) + 1/2 mean over masked words of BCE(head(state of the word's first piece), v >
 * 0)
 *
 * As many rows are made as the batch has; which ones, and what is masked, follows from the seed and the row's number
 * in the run. Two classes, 1 the favourable one.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "bert/objectives/cross_entropy.h"
#include "bert/objectives/lexicon.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/small_head.h"
#include "bert/objectives/text_rows.h"

static const char weight_name[] = "auxiliary.polarity.weight", bias_name[] = "auxiliary.polarity.bias";
enum { RNG_POLARITY = 13, FEWEST_WORDS = 4 };

struct masked_word {
    uint32_t place; /* of its first piece in the batch */
    bool favourable;
};

struct polarity_state {
    struct lexicon lexicon;
    const struct token_table *tokens;
    const struct rows *text;
    uint64_t *usable; /* rows of text */
    size_t n_usable;
    uint64_t key;
    double *favourable; /* [rows of the batch] the target of each further row */
    size_t *first_word; /* [rows + 1] into words */
    size_t rows, rows_capacity;
    struct masked_word *words;
    size_t n_words, words_capacity;
};

static void release(struct objective *o)
{
    struct polarity_state *state = o->state;
    if (state) {
        lexicon_free(&state->lexicon);
        free(state->usable);
        free(state->favourable);
        free(state->first_word);
        free(state->words);
    }
    free(state);
    o->state = NULL;
}

/* Whether a row has enough words, one of them in the lexicon. */
static bool is_usable(const struct polarity_state *state, const struct rows *rows, uint64_t row)
{
    const struct column *column = rows_find(rows, "ids");
    const int64_t *offsets = column_offsets(column);
    const int32_t *ids = column_i32(column) + offsets[row];
    size_t n = (size_t)(offsets[row + 1] - offsets[row]), words = 0, hits = 0;
    for (size_t i = 0, end; i < n; i = end) {
        end = piece_word_end(state->tokens, ids, n, i);
        words += piece_word_is_text(state->tokens, ids + i, end - i);
        hits += lexicon_value(&state->lexicon, ids + i, end - i) != 0;
    }
    return words >= FEWEST_WORDS && hits > 0;
}

static int prepare(struct objective *o, const struct objective_setting *setting, struct error *err)
{
    struct polarity_state *state = o->state = xcalloc(1, sizeof *state);
    struct rng rng;
    state->tokens = setting->tokens;
    state->text = setting->unlabelled;
    if (text_rows_two_classes(setting->classes, o->kind->name, "a word is favourable or not", err) < 0)
        return -1;
    if (!state->text)
        return error_set(err, STATUS_USAGE,
                         "the objective term 'polarity' needs text to learn from: --unlabelled FILE, a token stream");
    if (state->tokens->mask < 0)
        return error_set(err, STATUS_USAGE,
                         "the objective term 'polarity' hides words behind [MASK], which is not in the vocabulary; "
                         "leave the term out of --objective");
    lexicon_make(&state->lexicon, setting->rows, state->tokens);
    state->usable = xmalloc_array(state->text->n, sizeof *state->usable);
    for (uint64_t row = 0; row < state->text->n; row++)
        if (is_usable(state, state->text, row))
            state->usable[state->n_usable++] = row;
    if (state->n_usable == 0)
        return error_set(err, STATUS_FAILURE,
                         "no unlabelled row has a word of the lexicon (%zu words, from the teacher's cues), which the "
                         "objective term 'polarity' needs; give more text or more rows with cues",
                         state->lexicon.kept);
    rng_init(&rng, setting->seed, RNG_POLARITY);
    state->key = rng_u64(&rng);
    return 0;
}

static void add_heads(const struct objective *o, const struct bert_config *config, struct model_heads *heads)
{
    (void)o;
    model_heads_add(heads, weight_name, 1, (size_t)config->hidden_size);
    model_heads_add(heads, bias_name, 1, 1);
}

static double count(const struct objective *o, const struct objective_rows *rows)
{
    (void)o;
    return (double)rows->n;
}

/* Four random numbers of a place of the run's row `number`; place 0 chooses the row. */
static void draw(const struct polarity_state *state, uint64_t number, uint32_t place, uint32_t out[4])
{
    rng_of_row(state->key, number, place, 1, out);
}

static void mask_word(struct polarity_state *state, int32_t *ids, size_t begin, size_t end, uint32_t first, bool favour)
{
    for (size_t i = begin; i < end; i++)
        ids[i] = state->tokens->mask;
    if (state->n_words == state->words_capacity) {
        state->words_capacity = 2 * state->words_capacity + 64;
        state->words = xrealloc_array(state->words, state->words_capacity, sizeof *state->words);
    }
    state->words[state->n_words++] = (struct masked_word){first + (uint32_t)begin, favour};
}

/* Masks the row's words of the lexicon in ids, which hold them; returns the sum of all their values. */
static double mask_row(struct polarity_state *state, int32_t *ids, size_t n, uint32_t first, uint64_t number)
{
    size_t before = state->n_words, last_begin = 0, last_end = 0;
    double sum = 0, last = 0;
    for (size_t i = 0, end; i < n; i = end) {
        uint32_t random[4];
        end = piece_word_end(state->tokens, ids, n, i);
        double v = lexicon_value(&state->lexicon, ids + i, end - i);
        if (v == 0)
            continue;
        sum += v;
        draw(state, number, (uint32_t)i + 1, random);
        if (random[0] & 1) {
            mask_word(state, ids, i, end, first, v > 0);
        } else {
            last_begin = i;
            last_end = end;
            last = v;
        }
    }
    if (state->n_words == before) /* none fell to chance */
        mask_word(state, ids, last_begin, last_end, first, last > 0);
    return sum;
}

static void reserve_rows(struct polarity_state *state, size_t n)
{
    if (n + 1 <= state->rows_capacity)
        return;
    state->rows_capacity = 2 * n + 1;
    state->favourable = xrealloc_array(state->favourable, state->rows_capacity, sizeof *state->favourable);
    state->first_word = xrealloc_array(state->first_word, state->rows_capacity, sizeof *state->first_word);
}

static void add_rows(struct objective *o, const struct objective_rows *rows, struct batch *b)
{
    struct polarity_state *state = o->state;
    const struct column *column = rows_find(state->text, "ids");
    const int64_t *offsets = column_offsets(column);
    reserve_rows(state, rows->n);
    state->n_words = 0;
    state->rows = rows->n;
    for (size_t i = 0; i < rows->n; i++) {
        uint64_t number = objective_number(o, rows->first_number + i, 0);
        uint32_t random[4], first = (uint32_t)b->tokens;
        draw(state, number, 0, random);
        uint64_t row = state->usable[(uint64_t)random[0] * state->n_usable >> 32];
        size_t n = (size_t)(offsets[row + 1] - offsets[row]);
        int32_t *ids = batch_add(b, column_i32(column) + offsets[row], NULL, n, number);
        state->first_word[i] = state->n_words;
        state->favourable[i] = 1 / (1 + exp(-mask_row(state, ids, n, first, number)));
    }
    state->first_word[rows->n] = state->n_words;
}

/* The binary cross-entropy of one masked word; gradients += factor x its own. */
static double word_loss(const struct small_head *head, const struct masked_word *word, struct objective_pass *p,
                        double factor)
{
    size_t hidden = head->weight->cols, at = word->place * hidden;
    float z;
    small_head_forward(head, p->tokens + at, &z);
    double loss = logistic_loss(word->favourable ? (double)z : -(double)z);
    float d = (float)(factor * (1 / (1 + exp(-(double)z)) - (word->favourable ? 1 : 0)));
    if (p->gradients)
        small_head_backward(head, p->gradients, p->tokens + at, &d, p->d_tokens + at);
    return loss;
}

static double add(const struct objective *o, struct objective_pass *p, double scale)
{
    const struct polarity_state *state = o->state;
    const struct small_head head = small_head_find(p->model, weight_name, bias_name);
    double loss = 0;
    for (size_t i = 0; i < p->n_rows; i++) {
        const double target[] = {1 - state->favourable[i], state->favourable[i]};
        size_t at = (p->first_row + i) * p->classes, begin = state->first_word[i], end = state->first_word[i + 1];
        double words = 0, share = 0.5 / (double)(end - begin);
        loss += cross_entropy(p->logits + at, target, 0, p->classes, scale, p->d_logits ? p->d_logits + at : NULL);
        for (size_t j = begin; j < end; j++)
            words += word_loss(&head, &state->words[j], p, scale * share);
        loss += share * words;
    }
    return loss;
}

static void describe(const struct objective *o, struct buf *json)
{
    const struct polarity_state *state = o->state;
    buf_addf(json, ",\"polarity_lexicon_words\":%zu,\"polarity_rows\":%zu", state->lexicon.kept, state->n_usable);
}

const struct objective_kind objective_polarity = {.name = "polarity",
                                                  .reads = OBJECTIVE_LOGITS | OBJECTIVE_TOKENS,
                                                  .stream = 5,
                                                  .prepare = prepare,
                                                  .add_heads = add_heads,
                                                  .count = count,
                                                  .add_rows = add_rows,
                                                  .add = add,
                                                  .describe = describe,
                                                  .release = release};
