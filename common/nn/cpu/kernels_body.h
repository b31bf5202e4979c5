/* kernels_body.h - the text of the CPU kernels, included by kernels_generic.c, kernels_avx2.c and kernels_avx512.c,
 * which define KERNELS (the table's name) and KERNELS_NAME and are compiled for different processors.
 *
 * Written as plain loops that the compiler vectorises; `omp simd reduction` allows it to split a sum into lanes, in an
 * order that is fixed when the file is compiled. Of libm only a row's log is called: exp and the normal distribution
 * are polynomials with stated errors (t/unit/nn.c measures them).
 */
#include <math.h>
#include <string.h>

#include "nn/cpu/kernels.h"

/* exp(x) by exp(x) = 2^n exp(r), |r| <= ln 2 / 2, and a polynomial; relative error below 2e-7 for -87 <= x <= 88.
 * Below -87 the result is exp(-87) (about 1.6e-38), above 88 exp(88): finite always. */
static inline float exp_float(float x)
{
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float shifted = x * 1.44269504088896341f + 12582912.0f; /* 1.5 x 2^23: rounds to an integer in the low bits */
    float n = shifted - 12582912.0f;
    float r = x - n * 0.693359375f; /* ln 2 in two parts, the first with few bits, so that n x it is exact */
    r = r + n * 2.12194440e-4f;
    float p = 1.0f / 5040.0f; /* Taylor to r^7: the rest is below 3e-9 for |r| <= 0.347 */
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    int32_t exponent = (int32_t)((uint32_t)(bits + 127) << 23); /* the low byte of `shifted` is n */
    float power;
    memcpy(&power, &exponent, sizeof power);
    return p * power;
}

/* Phi(z), and density(z) = exp(-z^2/2) / sqrt(2 pi). Absolute error below 2e-7. Coefficients:
 * nn/gen/phi_coefficients.py. */
static inline float normal_distribution(float z, float *density)
{
    float a = z < 0.0f ? -z : z;
    float e = exp_float(-0.5f * z * z);
    float t = 1.0f / (1.0f + 0.282842712474619f * a); /* 0.4 / sqrt(2) */
    float p = -0.0280680899f;
    p = p * t + 0.134161398f;
    p = p * t + -0.220616803f;
    p = p * t + 0.117496908f;
    p = p * t + -0.0300350636f;
    p = p * t + 0.0747382119f;
    p = p * t + 0.12225835f;
    p = p * t + 0.171007618f;
    p = p * t + 0.20771274f;
    p = p * t + 0.225668684f;
    p = p * t + 0.225676045f;
    float tail = 0.5f * e * p * t; /* Phi(-a) */
    *density = 0.398942280401432678f * e;
    return z < 0.0f ? tail : 1.0f - tail;
}

static void add_bias(float *restrict y, const float *restrict bias, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += bias[i];
}

static void gelu_forward(float *h, const float *z, const float *restrict bias, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float density, x = z[i] + bias[i];
        h[i] = x * normal_distribution(x, &density);
    }
}

static void gelu_train(float *restrict h, float *derivative, const float *z, const float *restrict bias, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float density, x = z[i] + bias[i];
        float phi = normal_distribution(x, &density);
        h[i] = x * phi;
        derivative[i] = phi + x * density;
    }
}

/* (1 + tanh u) / 2 = 1 / (1 + exp(-2u)) = s, and its derivative by u is 2 s (1 - s). */
static void gelu_tanh(float *restrict h, float *derivative, const float *z, const float *restrict bias, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float x = z[i] + bias[i];
        float u = 0.797884560802865356f * (x + 0.044715f * x * x * x);
        float s = 1.0f / (1.0f + exp_float(-2.0f * u));
        h[i] = x * s;
        if (derivative)
            derivative[i] = s + x * 2.0f * s * (1.0f - s) * 0.797884560802865356f * (1.0f + 0.134145f * x * x);
    }
}

static void relu(float *restrict h, float *derivative, const float *z, const float *restrict bias, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float x = z[i] + bias[i];
        h[i] = x > 0.0f ? x : 0.0f;
        if (derivative)
            derivative[i] = x > 0.0f ? 1.0f : 0.0f;
    }
}

static void activation(enum activation f, float *h, float *derivative, const float *z, const float *bias, size_t n)
{
    switch (f) {
    case ACTIVATION_GELU:
        if (derivative)
            gelu_train(h, derivative, z, bias, n);
        else
            gelu_forward(h, z, bias, n);
        break;
    case ACTIVATION_GELU_TANH:
        gelu_tanh(h, derivative, z, bias, n);
        break;
    case ACTIVATION_RELU:
        relu(h, derivative, z, bias, n);
        break;
    }
}

static void multiply(float *restrict x, const float *restrict y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= y[i];
}

static void add_norm(float *y, float *sum, float *mean, float *rstd, const float *z, const float *bias,
                     const float *residual, const float *mask, const float *restrict weight, const float *restrict beta,
                     float epsilon, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float s = z[i] + (bias ? bias[i] : 0.0f);
        s = mask ? s * mask[i] : s;
        sum[i] = s + (residual ? residual[i] : 0.0f);
    }
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (size_t i = 0; i < n; i++)
        total += sum[i];
    float m = total / (float)n, squares = 0;
#pragma omp simd reduction(+ : squares)
    for (size_t i = 0; i < n; i++)
        squares += (sum[i] - m) * (sum[i] - m);
    float r = 1.0f / sqrtf(squares / (float)n + epsilon);
    for (size_t i = 0; i < n; i++)
        y[i] = (sum[i] - m) * r * weight[i] + beta[i];
    if (mean)
        *mean = m;
    if (rstd)
        *rstd = r;
}

/* With x^ = (s - mean) rstd and g = dy weight: ds = rstd (g - mean(g) - x^ mean(g x^)). */
static void norm_backward(float *dsum, const float *dy, const float *sum, float mean, float rstd,
                          const float *restrict weight, size_t n)
{
    float total = 0, product = 0;
#pragma omp simd reduction(+ : total, product)
    for (size_t i = 0; i < n; i++) {
        float g = dy[i] * weight[i];
        total += g;
        product += g * (sum[i] - mean) * rstd;
    }
    total /= (float)n;
    product /= (float)n;
    for (size_t i = 0; i < n; i++)
        dsum[i] = rstd * (dy[i] * weight[i] - total - (sum[i] - mean) * rstd * product);
}

static void norm_parameters(float *restrict dweight, float *restrict dbeta, const float *dy, const float *sum,
                            const float *mean, const float *rstd, size_t rows, size_t ld, size_t begin, size_t end)
{
    for (size_t r = 0; r < rows; r++) {
        const float *restrict d = dy + r * ld, *restrict s = sum + r * ld;
        float m = mean[r], scale = rstd[r];
        for (size_t i = begin; i < end; i++) {
            dbeta[i] += d[i];
            dweight[i] += d[i] * (s[i] - m) * scale;
        }
    }
}

static void column_sums(float *restrict out, const float *x, size_t rows, size_t ld, size_t begin, size_t end)
{
    for (size_t r = 0; r < rows; r++) {
        const float *restrict line = x + r * ld;
        for (size_t i = begin; i < end; i++)
            out[i] += line[i];
    }
}

/* Philox4x32-10 for 16 consecutive counters at once, as in base/rng.c but in planes, so that it vectorises. Each half
 * of a word decides about one element, 128 in all: a probability is taken to 1/65536. */
static void dropout_block(float *restrict mask, uint32_t first, uint32_t limit, float keep_scale,
                          const uint32_t counter[3], const uint32_t key[2])
{
    enum { LANES_OF_BLOCK = DROPOUT_BLOCK / 8 };
    uint32_t x[4][LANES_OF_BLOCK];
    for (uint32_t b = 0; b < LANES_OF_BLOCK; b++) {
        x[0][b] = first + b;
        x[1][b] = counter[0];
        x[2][b] = counter[1];
        x[3][b] = counter[2];
    }
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
#pragma omp simd
        for (int b = 0; b < LANES_OF_BLOCK; b++) {
            uint64_t p0 = (uint64_t)x[0][b] * 0xD2511F53u, p1 = (uint64_t)x[2][b] * 0xCD9E8D57u;
            uint32_t y0 = (uint32_t)(p1 >> 32) ^ x[1][b] ^ k0, y2 = (uint32_t)(p0 >> 32) ^ x[3][b] ^ k1;
            x[1][b] = (uint32_t)p1;
            x[3][b] = (uint32_t)p0;
            x[0][b] = y0;
            x[2][b] = y2;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (size_t w = 0; w < 4; w++)
        for (size_t b = 0; b < LANES_OF_BLOCK; b++) {
            mask[2 * w * LANES_OF_BLOCK + b] = (x[w][b] & 0xFFFFu) < limit ? 0.0f : keep_scale;
            mask[(2 * w + 1) * LANES_OF_BLOCK + b] = x[w][b] >> 16 < limit ? 0.0f : keep_scale;
        }
}

/* mask has room for n rounded up to DROPOUT_BLOCK. */
static void dropout_mask(float *mask, size_t n, float probability, uint64_t seed, uint64_t row, uint32_t token,
                         uint32_t site, uint32_t head)
{
    uint32_t limit = (uint32_t)(probability * 65536.0f + 0.5f);
    float keep_scale = 65536.0f / (65536.0f - (float)limit);
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t counter[3] = {token | site << 20, (uint32_t)row, (uint32_t)(row >> 32) | head << 16};
    for (size_t i = 0; i < n; i += DROPOUT_BLOCK)
        dropout_block(mask + i, (uint32_t)(i / 8), limit, keep_scale, counter, key);
}

/* Copies [rows, size] into [size][padded] with zeros behind. */
static void transpose_head(float *restrict out, const float *x, size_t ld, size_t rows, size_t size, size_t padded)
{
    for (size_t d = 0; d < size; d++) {
        for (size_t j = 0; j < rows; j++)
            out[d * padded + j] = x[j * ld + d];
        for (size_t j = rows; j < padded; j++)
            out[d * padded + j] = 0.0f;
    }
}

/* out[0..padded) = sum over d of x[d] transposed[d][0..padded) */
static inline void scores_of_query(float *restrict out, const float *restrict x, const float *restrict transposed,
                                   size_t size, size_t padded)
{
    for (size_t j = 0; j < padded; j += 16) {
        float sum[16] = {0};
        for (size_t d = 0; d < size; d++)
#pragma omp simd
            for (size_t l = 0; l < 16; l++)
                sum[l] += x[d] * transposed[d * padded + j + l];
        memcpy(out + j, sum, sizeof sum);
    }
}

static inline void softmax(float *restrict x, size_t n, float scale)
{
    float largest = x[0];
#pragma omp simd reduction(max : largest)
    for (size_t j = 0; j < n; j++)
        largest = x[j] > largest ? x[j] : largest;
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (size_t j = 0; j < n; j++) {
        x[j] = exp_float((x[j] - largest) * scale);
        total += x[j];
    }
    float inverse = 1.0f / total;
    for (size_t j = 0; j < n; j++)
        x[j] *= inverse;
}

/* out[0..size) (+)= sum over j of p[j] v[j][0..size) */
static inline void weighted_sum(float *restrict out, const float *restrict p, const float *v, size_t ld, size_t n,
                                size_t size)
{
    for (size_t d = 0; d < size; d++)
        out[d] = 0.0f;
    for (size_t j = 0; j < n; j++) {
        const float *restrict line = v + j * ld;
        for (size_t d = 0; d < size; d++)
            out[d] += p[j] * line[d];
    }
}

static inline void add_scaled(float *restrict out, float a, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] += a * x[i];
}

/* The dropout mask of query i; masks of several queries are made at once, at the first of them. */
static inline const float *mask_of_query(float *mask, const struct head *h, size_t i)
{
    size_t together = head_mask_queries(h->tokens), left = h->queries - i;
    if (i % together == 0)
        dropout_mask(mask, (left < together ? left : together) * h->tokens, h->probability, h->seed, h->row,
                     (uint32_t)(i / together), h->site, h->head);
    return mask + i % together * h->tokens;
}

static void attention_plain(float *context, size_t ldc, float *probabilities, const float *q, size_t ldq,
                            const float *k, const float *v, size_t ldkv, const struct head *h)
{
    float *keys = h->scratch, *p = keys + h->padded * h->size, *mask = p + h->padded;
    transpose_head(keys, k, ldkv, h->tokens, h->size, h->padded);
    for (size_t i = 0; i < h->queries; i++) {
        scores_of_query(p, q + i * ldq, keys, h->size, h->padded);
        softmax(p, h->tokens, h->scale);
        if (probabilities)
            memcpy(probabilities + i * h->tokens, p, h->tokens * sizeof *p);
        if (h->probability > 0) {
            const float *kept = mask_of_query(mask, h, i);
            for (size_t j = 0; j < h->tokens; j++)
                p[j] *= kept[j];
        }
        weighted_sum(context + i * ldc, p, v, ldkv, h->tokens, h->size);
    }
}

static void attention_backward_plain(float *dq, size_t lddq, float *dk, float *dv, size_t lddkv, const float *dcontext,
                                     size_t ldc, const float *probabilities, const float *q, size_t ldq, const float *k,
                                     const float *v, size_t ldkv, const struct head *h)
{
    float *values = h->scratch, *dp = values + h->padded * h->size, *mask = dp + h->padded;
    transpose_head(values, v, ldkv, h->tokens, h->size, h->padded);
    for (size_t j = 0; j < h->tokens; j++) {
        memset(dk + j * lddkv, 0, h->size * sizeof *dk);
        memset(dv + j * lddkv, 0, h->size * sizeof *dv);
    }
    for (size_t i = 0; i < h->queries; i++) {
        const float *p = probabilities + i * h->tokens, *dc = dcontext + i * ldc;
        scores_of_query(dp, dc, values, h->size, h->padded);
        const float *kept = h->probability > 0 ? mask_of_query(mask, h, i) : NULL;
        for (size_t j = 0; j < h->tokens; j++) {
            float m = kept ? kept[j] : 1.0f;
            add_scaled(dv + j * lddkv, p[j] * m, dc, h->size);
            dp[j] *= m;
        }
        float total = 0;
#pragma omp simd reduction(+ : total)
        for (size_t j = 0; j < h->tokens; j++)
            total += dp[j] * p[j];
        for (size_t j = 0; j < h->tokens; j++)
            dp[j] = p[j] * (dp[j] - total) * h->scale;
        weighted_sum(dq + i * lddq, dp, k, ldkv, h->tokens, h->size);
        for (size_t j = 0; j < h->tokens; j++)
            add_scaled(dk + j * lddkv, dp[j], q + i * ldq, h->size);
    }
}

static double cross_entropy(float *restrict x, uint8_t *right, size_t label, double scale, size_t n)
{
    enum { BLOCK = 256 }; /* a sum of tens of thousands of floats would lose digits */
    float wanted = x[label], largest = x[0];
    double total = 0;
#pragma omp simd reduction(max : largest)
    for (size_t i = 0; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        size_t end = n - begin < BLOCK ? n : begin + BLOCK;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t i = begin; i < end; i++) {
            x[i] = exp_float(x[i] - largest);
            sum += x[i];
        }
        total += (double)sum;
    }
    float factor = (float)(scale / total);
    for (size_t i = 0; i < n; i++)
        x[i] *= factor;
    x[label] -= (float)scale;
    *right = wanted >= largest;
    return log(total) - ((double)wanted - (double)largest);
}

static double sum_of_squares(const float *restrict x, size_t n)
{
    double total = 0;
#pragma omp simd reduction(+ : total)
    for (size_t i = 0; i < n; i++)
        total += (double)x[i] * (double)x[i];
    return total;
}

static void round_bf16(float *out, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1u)) & 0xFFFF0000u;
        bits = (bits & 0x7F800000u) == 0x7F800000u ? bits : rounded;
        memcpy(&out[i], &bits, sizeof bits);
    }
}

/* Quiet NaN stays one: its first mantissa bit is among those that are kept. */
static void to_bf16(uint16_t *restrict out, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        uint32_t rounded = bits + 0x7FFFu + (bits >> 16 & 1u);
        out[i] = (uint16_t)(((bits & 0x7F800000u) == 0x7F800000u ? bits : rounded) >> 16);
    }
}

/* a b + c, rounded once where the processor can: said outright where two loops must round alike, since a compiler may
 * fuse or not as it likes. */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define multiply_add(a, b, c) __builtin_fmaf(a, b, c)
#else
#define multiply_add(a, b, c) ((a) * (b) + (c))
#endif

/* torch.optim.AdamW: p -= lr wd p; m, v moving averages; p -= lr / c1 x m / (sqrt(v) / sqrt(c2) + eps). One function
 * for a step with a gradient and for one without, so that both round alike. */
static inline float adamw_element(float p, float first, float second, float keep, float rate, float inverse_root,
                                  float epsilon)
{
    return multiply_add(p, keep, -(rate * first / multiply_add(sqrtf(second), inverse_root, epsilon)));
}

static void adamw(float *restrict p, float *restrict m, float *restrict v, const float *restrict g, size_t n,
                  const struct nn_adamw *a, double correction1, double correction2_root)
{
    /* In double first: 1 - 0.999f has only five right digits. */
    float keep = (float)(1.0 - a->learning_rate * a->weight_decay), rate = (float)(a->learning_rate / correction1);
    float inverse_root = (float)(1.0 / correction2_root), scale = (float)a->gradient_scale;
    float b1 = (float)a->beta1, b2 = (float)a->beta2, c1 = (float)(1.0 - a->beta1), c2 = (float)(1.0 - a->beta2);
    float epsilon = (float)a->epsilon;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float gradient = g[i] * scale;
        float first = multiply_add(b1, m[i], c1 * gradient);
        float second = multiply_add(b2, v[i], c2 * gradient * gradient);
        m[i] = first;
        v[i] = second;
        p[i] = adamw_element(p[i], first, second, keep, rate, inverse_root, epsilon);
    }
}

enum { PAST = 32 /* elements whose steps are computed together, in registers */ };

/* Steps without gradient until they change nothing more; returns how many were made. Updates shrink by a tenth a step,
 * and a rate that still rises makes up for at most a factor of 4 of that, so where four times the update changes
 * nothing, no later one does. */
static inline size_t adamw_past_block(float *restrict p, float *restrict m, float *restrict v,
                                      const struct nn_adamw_past *past, size_t steps, float b1, float b2, float epsilon)
{
    for (size_t s = 0; s < steps; s++) {
        float keep = past[s].keep, rate = past[s].rate, inverse_root = past[s].inverse_root;
        int changed = keep != 1.0f || rate == 0.0f;
#pragma omp simd reduction(| : changed)
        for (size_t i = 0; i < PAST; i++) {
            float first = b1 * m[i], second = b2 * v[i];
            float new = adamw_element(p[i], first, second, keep, rate, inverse_root, epsilon);
            float beyond = adamw_element(p[i], first, second, keep, 4.0f * rate, inverse_root, epsilon);
            m[i] = first;
            v[i] = second;
            changed |= beyond != p[i];
            p[i] = new;
        }
        if (!changed)
            return s + 1;
    }
    return steps;
}

/* What is left then: the moving averages go on, until they are 0. */
static inline void adamw_past_averages(float *restrict m, float *restrict v, size_t steps, float b1, float b2)
{
    for (size_t s = 0; s < steps; s++) {
        int left = 0;
#pragma omp simd reduction(| : left)
        for (size_t i = 0; i < PAST; i++) {
            m[i] *= b1;
            v[i] *= b2;
            left |= m[i] != 0.0f || v[i] != 0.0f;
        }
        if (!left)
            return;
    }
}

static void adamw_past(float *p, float *m, float *v, size_t n, const struct nn_adamw_past *past, size_t steps,
                       const struct nn_adamw *a)
{
    float b1 = (float)a->beta1, b2 = (float)a->beta2, epsilon = (float)a->epsilon;
    for (size_t begin = 0; begin < n; begin += PAST) {
        size_t size = (n - begin < PAST ? n - begin : PAST) * sizeof(float);
        float block_p[PAST] = {0}, block_m[PAST] = {0}, block_v[PAST] = {0};
        memcpy(block_p, p + begin, size);
        memcpy(block_m, m + begin, size);
        memcpy(block_v, v + begin, size);
        size_t done = adamw_past_block(block_p, block_m, block_v, past, steps, b1, b2, epsilon);
        adamw_past_averages(block_m, block_v, steps - done, b1, b2);
        memcpy(p + begin, block_p, size);
        memcpy(m + begin, block_m, size);
        memcpy(v + begin, block_v, size);
    }
}
