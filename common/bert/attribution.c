/* attribution.c - see attribution.h. */
#include "bert/attribution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "bert/objectives/cross_entropy.h"
#include "bert/objectives/cues.h"
#include "text/unicode.h"
#include "wire/json.h"

/* Points of the line that are computed together: as many as make an efficient pass. */
enum { TOKENS_AT_ONCE = 1024 };

void gauss_legendre(size_t n, double *places, double *parts)
{
    const double pi = acos(-1.0);
    for (size_t i = 0; i < n; i++) {
        double x = cos(pi * ((double)i + 0.75) / ((double)n + 0.5)), slope = 1, step = 1;
        for (int round = 0; round < 100 && fabs(step) > 1e-15; round++) {
            double p = 1, before = 0; /* Legendre's polynomials by their recurrence */
            for (size_t k = 0; k < n; k++) {
                double next = ((2 * (double)k + 1) * x * p - (double)k * before) / ((double)k + 1);
                before = p;
                p = next;
            }
            slope = (double)n * (x * p - before) / (x * x - 1);
            step = p / slope;
            x -= step;
        }
        places[n - 1 - i] = 0.5 * (1 + x);
        parts[n - 1 - i] = 1 / ((1 - x * x) * slope * slope);
    }
}

/* ---- opening ---- */

void attribution_heads(struct model_heads *heads, const struct bert_config *config)
{
    model_heads_add(heads, CUES_WEIGHT, CUES_CLASSES, (size_t)config->hidden_size);
    model_heads_add(heads, CUES_BIAS, CUES_CLASSES, 1);
}

static void open_gradient(struct attribution *a, const struct vocabulary *v, long steps)
{
    a->baseline = v->mask >= 0 ? v->mask : v->pad >= 0 ? v->pad : v->unk;
    a->steps = (size_t)steps;
    a->places = xmalloc_array(a->steps, sizeof *a->places);
    a->parts = xmalloc_array(a->steps, sizeof *a->parts);
    gauss_legendre(a->steps, a->places, a->parts);
    activations_init(&a->activations, &a->model->config, true);
    a->batch.row_multiple = a->nn->row_multiple;
}

int attribution_open(struct attribution *a, const struct model *m, const struct nn *nn, const struct vocabulary *v,
                     const char *method, long steps, struct error *err)
{
    const struct parameter *head = parameters_find(&m->parameters, CUES_WEIGHT);
    const struct parameter *bias = parameters_find(&m->parameters, CUES_BIAS);
    *a = (struct attribution){.model = m, .nn = nn};
    if (strcmp(method, "gradient") != 0 && head && bias) {
        a->method = ATTRIBUTION_CUES;
        a->head = head->value;
        a->head_bias = bias->value;
        return 0;
    }
    if (strcmp(method, "cues") == 0)
        return error_set(err, STATUS_USAGE,
                         "%s has no head that tags decisive words; train with the objective cues, or use gradient",
                         m->checkpoint.folder);
    a->method = ATTRIBUTION_GRADIENT;
    open_gradient(a, v, steps);
    return 0;
}

void attribution_close(struct attribution *a)
{
    if (a->method == ATTRIBUTION_GRADIENT) {
        activations_free(&a->activations);
        batch_free(&a->batch);
    }
    free(a->places);
    free(a->parts);
    free(a->scores);
    *a = (struct attribution){0};
}

/* ---- the head ---- */

static bool is_attributed(const struct attributed_row *row, size_t t)
{
    return row->spans[t].end > row->spans[t].begin && !(row->types && row->types[t]);
}

static void ask_head(struct attribution *a, const struct attributed_row *row)
{
    size_t hidden = (size_t)a->model->config.hidden_size;
    for (size_t t = 0; t < row->n; t++) {
        float z[CUES_CLASSES];
        double p[CUES_CLASSES];
        if (!is_attributed(row, t))
            continue;
        for (size_t c = 0; c < CUES_CLASSES; c++) {
            double sum = a->head_bias[c];
            for (size_t h = 0; h < hidden; h++)
                sum += (double)a->head[c * hidden + h] * row->states[t * hidden + h];
            z[c] = (float)sum;
        }
        softmax_of_logits(z, CUES_CLASSES, p);
        a->scores[t] = p[CUES_FAVOURABLE] - p[CUES_UNFAVOURABLE];
    }
}

/* ---- integrated gradients ---- */

/* What F makes of the logit of each class. */
static double share_of(const struct attributed_row *row, size_t classes, size_t class)
{
    size_t best = 1;
    if (classes == 1)
        return 1;
    if (classes > 2) {
        best = 0;
        for (size_t j = 1; j < classes; j++)
            best = row->logits[j] > row->logits[best] ? j : best;
    }
    return class == best ? 1 : -1 / (double)(classes - 1);
}

/* Point i of the line: its two ends come last. */
static double place_of(const struct attribution *a, size_t i)
{
    return i < a->steps ? a->places[i] : (double)(i - a->steps);
}

static const float *word_embedding(const struct attribution *a, int32_t id)
{
    return a->model->parameters.list[WORD_EMBEDDINGS].value + (size_t)id * (size_t)a->model->config.hidden_size;
}

/* sums[n, hidden] = the embeddings of the row at that place of the line. */
static void fill_point(const struct attribution *a, const struct attributed_row *row, double place, float *sums)
{
    const struct parameter *p = a->model->parameters.list;
    const float *from = word_embedding(a, a->baseline);
    size_t hidden = (size_t)a->model->config.hidden_size;
    for (size_t t = 0; t < row->n; t++) {
        const float *to = word_embedding(a, row->ids[t]), *position = p[POSITION_EMBEDDINGS].value + t * hidden;
        const float *type = p[TOKEN_TYPE_EMBEDDINGS].value + (row->types ? row->types[t] : 0) * hidden;
        bool moves = is_attributed(row, t);
        for (size_t h = 0; h < hidden; h++) {
            double word = moves ? from[h] + place * ((double)to[h] - from[h]) : to[h];
            sums[t * hidden + h] = (float)(word + position[h] + type[h]);
        }
    }
}

/* scores += part x (x - x') times the gradient of one point. */
static void add_point(struct attribution *a, const struct attributed_row *row, double part, const float *gradient)
{
    const float *from = word_embedding(a, a->baseline);
    size_t hidden = (size_t)a->model->config.hidden_size;
    for (size_t t = 0; t < row->n; t++) {
        const float *to = word_embedding(a, row->ids[t]);
        double sum = 0;
        if (!is_attributed(row, t))
            continue;
        for (size_t h = 0; h < hidden; h++)
            sum += ((double)to[h] - from[h]) * gradient[t * hidden + h];
        a->scores[t] += part * sum;
    }
}

/* Points first .. first + n - 1 in one pass forward and back; adds to total what F is at the ends. */
static void run_points(struct attribution *a, const struct attributed_row *row, size_t first, size_t n)
{
    struct activations *act = &a->activations;
    struct batch *b = &a->batch;
    size_t hidden = (size_t)a->model->config.hidden_size, classes = a->model->classes;
    batch_begin(b);
    for (size_t i = 0; i < n; i++)
        batch_add(b, row->ids, row->types, row->n, i);
    batch_end(b);
    activations_layout(act, &a->model->config, classes, b);
    for (size_t i = 0; i < n; i++)
        fill_point(a, row, place_of(a, first + i), act->embedding_sum + i * row->n * hidden);
    memset(act->embedding_sum + b->tokens * hidden, 0, (b->padded_tokens - b->tokens) * hidden * sizeof(float));
    model_forward_embedded(a->model, a->nn, act, b);
    model_clear_gradients(a->model, a->nn, act, b);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < classes; j++) {
            double share = share_of(row, classes, j);
            if (first + i < a->steps)
                act->d_logits[i * classes + j] = (float)share;
            else
                a->total += (first + i == a->steps ? -share : share) * act->logits[i * classes + j];
        }
    model_backward(a->model, a->nn, act, b, NULL, NULL);
    for (size_t i = 0; i < n && first + i < a->steps; i++)
        add_point(a, row, a->parts[first + i], act->d_output + i * row->n * hidden);
}

static void integrate(struct attribution *a, const struct attributed_row *row)
{
    size_t points = a->steps + 2, at_once = TOKENS_AT_ONCE / row->n;
    double sum = 0;
    at_once = at_once ? at_once : 1;
    a->total = 0;
    for (size_t first = 0; first < points; first += at_once)
        run_points(a, row, first, points - first < at_once ? points - first : at_once);
    for (size_t t = 0; t < row->n; t++)
        sum += a->scores[t];
    a->completeness_error = fabs(sum - a->total);
}

int attribution_tokens(struct attribution *a, const struct attributed_row *row, struct error *err)
{
    if (row->n > a->capacity) {
        a->capacity = 2 * row->n;
        a->scores = xrealloc_array(a->scores, a->capacity, sizeof *a->scores);
    }
    for (size_t t = 0; t < row->n; t++)
        a->scores[t] = 0;
    if (a->method == ATTRIBUTION_CUES)
        ask_head(a, row);
    else
        integrate(a, row);
    for (size_t t = 0; t < row->n; t++)
        if (!isfinite((float)a->scores[t]))
            return error_set(err, STATUS_FAILURE,
                             "a token's attribution is not finite; the model's weights are damaged");
    return 0;
}

/* ---- words ---- */

/* Whether a token has a letter or a digit, as those have that the head was trained on. */
static bool is_text(const char *text, const struct token_span *span)
{
    for (size_t at = span->begin; at < span->end;) {
        uint32_t c;
        at += utf8_decode(text + at, span->end - at, &c);
        if (unicode_class(c) == UNICODE_WORD)
            return true;
    }
    return false;
}

/* The next run of text without white space from *at on; false at the end. */
static bool next_word(const char *text, size_t len, size_t *at, struct attributed_word *word)
{
    bool inside = false;
    while (*at < len) {
        uint32_t c;
        size_t size = utf8_decode(text + *at, len - *at, &c);
        bool space = unicode_class(c) == UNICODE_SPACE;
        if (space && inside)
            return true;
        if (!space && !inside) {
            *word = (struct attributed_word){.begin = *at};
            inside = true;
        }
        *at += size;
        if (inside)
            word->end = *at;
    }
    return inside;
}

void attribution_words(enum attribution_method method, const char *text, size_t len, const struct token_span *spans,
                       const uint8_t *types, const double *scores, size_t n, struct buf *out)
{
    struct attributed_word word;
    size_t at = 0, t = 0;
    while (next_word(text, len, &at, &word)) {
        bool found = false;
        for (; t < n && spans[t].begin < word.end; t++) {
            if (spans[t].end == spans[t].begin || (types && types[t]))
                continue;
            if (method == ATTRIBUTION_GRADIENT)
                word.score += scores[t];
            else if (fabs(scores[t]) > fabs(word.score) && is_text(text, &spans[t]))
                word.score = scores[t];
            found = true;
        }
        if (found)
            buf_add(out, &word, sizeof word);
    }
}

void attribution_add(const struct attribution *a, const char *text, const struct attributed_word *words, size_t n,
                     struct buf *out)
{
    bool gradient = a->method == ATTRIBUTION_GRADIENT;
    buf_addf(out, ",\"attribution_method\":\"%s\"", gradient ? "integrated_gradients" : "cues");
    if (gradient) {
        buf_addstr(out, ",\"completeness_error\":");
        json_add_float(out, (float)a->completeness_error);
    }
    buf_addstr(out, ",\"attribution\":[");
    for (size_t i = 0; i < n; i++) {
        buf_addstr(out, i ? ",{\"word\":" : "{\"word\":");
        json_add_string(out, text + words[i].begin, words[i].end - words[i].begin);
        buf_addf(out, ",\"begin\":%zu,\"end\":%zu,\"score\":", words[i].begin, words[i].end);
        json_add_float(out, (float)words[i].score);
        buf_addch(out, '}');
    }
    buf_addch(out, ']');
}
