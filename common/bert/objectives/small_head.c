/* small_head.c - see small_head.h. */
#include "bert/objectives/small_head.h"

struct small_head small_head_find(const struct model *m, const char *weight, const char *bias)
{
    return (struct small_head){parameters_find(&m->parameters, weight),
                               bias ? parameters_find(&m->parameters, bias) : NULL};
}

/* In eight partial sums, which a compiler can keep in vector registers. */
static float dot(const float *a, const float *b, size_t n)
{
    float sums[8] = {0}, rest = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++)
            sums[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        rest += a[i] * b[i];
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + rest;
}

static void add_scaled(float *y, float factor, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += factor * x[i];
}

void small_head_forward(const struct small_head *h, const float *x, float *y)
{
    size_t outputs = h->weight->rows, inputs = h->weight->cols;
    for (size_t i = 0; i < outputs; i++)
        y[i] = dot(h->weight->value + i * inputs, x, inputs) + (h->bias ? h->bias->value[i] : 0);
}

void small_head_backward(const struct small_head *h, float *gradients, const float *x, const float *dy, float *dx)
{
    size_t outputs = h->weight->rows, inputs = h->weight->cols;
    for (size_t i = 0; i < outputs; i++) {
        if (dy[i] == 0)
            continue;
        add_scaled(gradients + h->weight->offset + i * inputs, dy[i], x, inputs);
        if (h->bias)
            gradients[h->bias->offset + i] += dy[i];
        if (dx)
            add_scaled(dx, dy[i], h->weight->value + i * inputs, inputs);
    }
}
