/* attention_body.h - the text of one head of attention by the micro kernels of gemm_body.h, for head sizes that are
 * whole panels; included by kernels_avx2.c and kernels_avx512.c. Other sizes take the plain loops of kernels_body.h.
 *
 * With S = scale Q K^T, P = softmax(S), M = P o mask, C = M V (Vaswani et al. 2017) the way back is
 *     dV = M^T dC,  dP = (dC V^T) o mask,  dS = P o (dP - rowsum(dP o P)),  dQ = scale dS K,  dK = scale dS^T Q.
 */

/* c[m, n] = a[m, k] b[k, n]; n is a multiple of GEMM_COLUMNS. */
static void small_product(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                          float *c, size_t ldc)
{
    for (size_t j = 0; j < n; j += GEMM_COLUMNS)
        for (size_t i = 0; i < m; i += GEMM_ROWS)
            lying[m - i < GEMM_ROWS ? m - i : GEMM_ROWS](k, a + i * lda, lda, b + j, ldb, NULL, false, c + i * ldc + j,
                                                         ldc);
}

/* c[m, n] = a[k, m]^T b[k, n]; n is a multiple of GEMM_COLUMNS. */
static void small_product_across(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                                 float *c, size_t ldc)
{
    for (size_t j = 0; j < n; j += GEMM_COLUMNS)
        for (size_t i = 0; i < m; i += GEMM_ROWS)
            across[m - i < GEMM_ROWS ? m - i : GEMM_ROWS](k, a + i, lda, b + j, ldb, NULL, false, c + i * ldc + j, ldc);
}

/* out[size, padded] = x[rows, size]^T; the last row stands in for those that are lacking. size is a multiple of 8. */
static void transpose_rows(float *out, size_t padded, const float *x, size_t ldx, size_t rows, size_t size)
{
    for (size_t j = 0; j < padded; j += 8)
        for (size_t d = 0; d < size; d += 8) {
            const float *from[8];
            __m256 t[8];
            for (size_t i = 0; i < 8; i++)
                from[i] = x + (j + i < rows ? j + i : rows - 1) * ldx + d;
            transpose_8x8(t, from);
            for (size_t i = 0; i < 8; i++)
                _mm256_storeu_ps(out + (d + i) * padded + j, t[i]);
        }
}

/* Parts of a head's scratch: [size, padded], then two of [queries, padded], then the masks. */
struct head_parts {
    size_t padded;
    float *transposed, *scores, *products, *mask;
};

static struct head_parts parts_of(const struct head *h)
{
    size_t padded = (h->tokens + GEMM_COLUMNS - 1) / GEMM_COLUMNS * GEMM_COLUMNS;
    struct head_parts p = {padded, h->scratch, h->scratch + h->size * padded, NULL, NULL};
    p.products = p.scores + h->queries * padded;
    p.mask = p.products + h->queries * padded;
    return p;
}

static void attention_in_panels(float *context, size_t ldc, float *probabilities, const float *q, size_t ldq,
                                const float *k, const float *v, size_t ldkv, const struct head *h)
{
    struct head_parts s = parts_of(h);
    size_t n = h->tokens;
    transpose_rows(s.transposed, s.padded, k, ldkv, n, h->size);
    small_product(h->queries, s.padded, h->size, q, ldq, s.transposed, s.padded, s.scores, s.padded);
    for (size_t i = 0; i < h->queries; i++) {
        float *p = s.scores + i * s.padded;
        softmax(p, n, h->scale);
        if (probabilities)
            memcpy(probabilities + i * n, p, n * sizeof *p);
        if (h->probability > 0)
            multiply(p, mask_of_query(s.mask, h, i), n);
    }
    small_product(h->queries, h->size, n, s.scores, s.padded, v, ldkv, context, ldc);
}

static void attention_backward_in_panels(float *dq, size_t lddq, float *dk, float *dv, size_t lddkv,
                                         const float *dcontext, size_t ldc, const float *probabilities, const float *q,
                                         size_t ldq, const float *k, const float *v, size_t ldkv, const struct head *h)
{
    struct head_parts s = parts_of(h);
    size_t n = h->tokens;
    transpose_rows(s.transposed, s.padded, v, ldkv, n, h->size);
    small_product(h->queries, s.padded, h->size, dcontext, ldc, s.transposed, s.padded, s.products, s.padded);
    for (size_t i = 0; i < h->queries; i++) {
        const float *restrict p = probabilities + i * n;
        float *restrict dp = s.products + i * s.padded, *restrict masked = s.scores + i * s.padded, total = 0;
        memcpy(masked, p, n * sizeof *p);
        if (h->probability > 0) {
            const float *mask = mask_of_query(s.mask, h, i);
            multiply(masked, mask, n);
            multiply(dp, mask, n);
        }
#pragma omp simd reduction(+ : total)
        for (size_t j = 0; j < n; j++)
            total += dp[j] * p[j];
        for (size_t j = 0; j < n; j++)
            dp[j] = p[j] * (dp[j] - total) * h->scale;
    }
    small_product_across(n, h->size, h->queries, s.scores, s.padded, dcontext, ldc, dv, lddkv);
    small_product(h->queries, h->size, n, s.products, s.padded, k, ldkv, dq, lddq);
    small_product_across(n, h->size, h->queries, s.products, s.padded, q, ldq, dk, lddkv);
}

static void attention(float *context, size_t ldc, float *probabilities, const float *q, size_t ldq, const float *k,
                      const float *v, size_t ldkv, const struct head *h)
{
    if (h->size % GEMM_COLUMNS == 0)
        attention_in_panels(context, ldc, probabilities, q, ldq, k, v, ldkv, h);
    else
        attention_plain(context, ldc, probabilities, q, ldq, k, v, ldkv, h);
}

static void attention_backward(float *dq, size_t lddq, float *dk, float *dv, size_t lddkv, const float *dcontext,
                               size_t ldc, const float *probabilities, const float *q, size_t ldq, const float *k,
                               const float *v, size_t ldkv, const struct head *h)
{
    if (h->size % GEMM_COLUMNS == 0)
        attention_backward_in_panels(dq, lddq, dk, dv, lddkv, dcontext, ldc, probabilities, q, ldq, k, v, ldkv, h);
    else
        attention_backward_plain(dq, lddq, dk, dv, lddkv, dcontext, ldc, probabilities, q, ldq, k, v, ldkv, h);
}
