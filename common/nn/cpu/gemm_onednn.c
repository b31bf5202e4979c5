/* gemm_onednn.c - matrix products by oneDNN: fixed tiles, each one execution of a primitive on one thread.
 *
 * oneDNN's fast kernels (AVX-512 and up; it has them in float32, bfloat16 with its instructions, and AMX) take dense
 * operands only: one whose rows are longer than a tile needs is copied first, by all threads, into dense slices, and is
 * rounded on the way where the product is one of bfloat16. Each operand is given as it lies, oneDNN transposes. A tile
 * that is as wide as c is written there; others go through scratch memory, from which they are added to c. Where a
 * tile ends depends on the shape alone, and so does each sum.
 */
#include "nn/cpu/gemm.h"

#include <stdio.h>
#include <string.h>

#include <omp.h>

#include "nn/cpu/onednn.h"
#include "nn/cpu/operand.h"
#include "nn/cpu/state.h"

enum {
    ROWS = 112,         /* of a tile as wide as c, or of a packed weight */
    ROWS_OF_PART = 224, /* of one that is not, so that preparing its part of b pays */
    WHOLE = 512,        /* widest c whose tiles are as wide */
    COLUMNS = 192,
    FEW_ROWS = 64, /* of a c whose tiles are narrow, so that there is work for several threads */
    BLOCK_K = 512  /* of a weight's gradient: k is the number of tokens there, and each k needs a primitive */
};

#if defined(WITH_ONEDNN)

/* How a product is cut. */
struct plan {
    size_t rows, columns, k; /* of a tile */
    bool whole;              /* tiles are as wide as c, and are written there */
    enum operand_form form;
    const char *a, *b; /* dense, see element() */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Of packed weights. The kernels work on 64 columns at once; hidden sizes are multiples of 128. */
static size_t packed_width(size_t n)
{
    return n % 192 == 0 ? 192 : 128;
}

static enum operand_form form_of(const struct cpu *cpu, bool bf16)
{
    return !bf16 ? OPERAND_FLOAT : cpu->library.bf16 ? OPERAND_BF16 : OPERAND_ROUNDED;
}

static void cut(struct plan *plan, const struct gemm *g)
{
    bool few = g->m <= FEW_ROWS;
    if (g->packed)
        plan->columns = packed_width(g->n);
    else
        plan->columns = few ? 128 : g->n <= WHOLE ? g->n : COLUMNS;
    plan->columns = smaller(plan->columns, g->n);
    plan->whole = plan->columns == g->n && g->ldc == g->n;
    plan->rows = smaller(gemm_part(g->m, g->packed || plan->columns == g->n ? ROWS : ROWS_OF_PART), g->m);
    plan->k = g->kind == GEMM_WEIGHT_GRADIENT ? smaller(g->k, BLOCK_K) : g->k;
}

/* Makes the operands dense and of the right form. Lines of them (rows of a, rows of b[n, k]) are cut where they lie;
 * operands that lie across are cut into slices. */
static void lay_out(struct cpu *cpu, struct plan *plan, const struct gemm *g)
{
    bool a_across = g->kind == GEMM_WEIGHT_GRADIENT, b_across = g->kind != GEMM_FORWARD;
    size_t a_lines = a_across ? g->k : g->m, a_length = a_across ? g->m : g->k;
    size_t b_lines = b_across ? g->k : g->n, b_length = b_across ? g->n : g->k;
    size_t a_width = a_across ? plan->rows : a_length, b_width = b_across ? plan->columns : b_length;
    bool convert = plan->form != OPERAND_FLOAT;
    bool copy_a = convert || g->lda != a_length || a_width != a_length;
    bool copy_b = !g->packed && (convert || g->ldb != b_length || b_width != b_length);
    size_t size = operand_size(plan->form), a_size = copy_a ? a_lines * a_length * size + 64 : 0;
    size_t b_size = copy_b ? b_lines * b_length * size + 64 : 0;
    char *room = NULL;
    if (copy_a || copy_b)
        room = (char *)cpu_shared(cpu, (a_size + b_size) / sizeof(float));
    plan->a = copy_a ? room : (const char *)g->a;
    plan->b = copy_b ? room + a_size / 64 * 64 : (const char *)(g->packed ? g->packed : g->b);
    if (copy_a)
        operand_copy(cpu, room, plan->form, g->a, g->lda, a_lines, a_length, a_width);
    if (copy_b)
        operand_copy(cpu, room + a_size / 64 * 64, plan->form, g->b, g->ldb, b_lines, b_length, b_width);
}

/* Where line or slice i of an operand begins, k numbers a line, at element p of k; in a slice k goes in steps of
 * `width`. */
static const void *element(const struct plan *plan, const char *operand, size_t i, size_t k, size_t p, size_t width)
{
    return operand + (i * k + p * width) * operand_size(plan->form);
}

/* c[rows, columns] = or += tile + bias */
static void deliver(const struct gemm *g, float *c, const float *tile, const float *bias, size_t rows, size_t columns,
                    bool accumulate)
{
    for (size_t r = 0; r < rows; r++, c += g->ldc, tile += columns) {
        if (accumulate)
            for (size_t j = 0; j < columns; j++)
                c[j] += tile[j];
        else if (bias)
            for (size_t j = 0; j < columns; j++)
                c[j] = tile[j] + bias[j];
        else
            memcpy(c, tile, columns * sizeof *c);
    }
}

static void run_tile(struct cpu *cpu, const struct gemm *g, const struct plan *plan, size_t i, size_t j)
{
    size_t rows = smaller(plan->rows, g->m - i), columns = smaller(plan->columns, g->n - j);
    bool a_across = g->kind == GEMM_WEIGHT_GRADIENT, b_across = g->kind != GEMM_FORWARD;
    float *c = g->c + i * g->ldc + j, *tile = plan->whole ? c : cpu_scratch(cpu, rows * columns);
    const float *bias = g->bias ? g->bias + j : NULL;
    for (size_t p = 0; p < g->k; p += plan->k) {
        bool accumulate = g->accumulate || p > 0;
        struct onednn_shape shape = {
            .m = (uint32_t)rows,
            .n = (uint32_t)columns,
            .k = (uint32_t)smaller(plan->k, g->k - p),
            .a_across = a_across,
            .b = g->packed  ? ONEDNN_PACKED
                 : b_across ? ONEDNN_COLUMNS
                            : ONEDNN_LINES,
            .bias = plan->whole && bias,
            .accumulate = plan->whole && accumulate,
            .bf16 = plan->form == OPERAND_BF16,
        };
        onednn_run(cpu->library.state, omp_get_thread_num(), &shape,
                   element(plan, plan->a, i, g->k, p, a_across ? rows : 1),
                   element(plan, plan->b, j, g->k, p, b_across ? columns : 1), bias, tile);
        if (!plan->whole)
            deliver(g, c, tile, bias, rows, columns, accumulate);
    }
}

static void run(struct cpu *cpu, const struct gemm *g)
{
    struct plan plan = {.form = form_of(cpu, g->bf16)};
    if (g->m == 0 || g->n == 0 || g->k == 0)
        return;
    cut(&plan, g);
    lay_out(cpu, &plan, g);
    size_t across = (g->n + plan.columns - 1) / plan.columns, count = (g->m + plan.rows - 1) / plan.rows * across;
#pragma omp for schedule(dynamic, 1)
    for (size_t tile = 0; tile < count; tile++)
        run_tile(cpu, g, &plan, tile / across * plan.rows, tile % across * plan.columns);
}

static size_t packed_size(const struct cpu *cpu, size_t n, size_t k)
{
    (void)cpu;
    return n * k;
}

static void pack(struct cpu *cpu, float *out, const float *b, size_t ldb, size_t n, size_t k, bool bf16)
{
    enum operand_form form = form_of(cpu, bf16);
    size_t width = smaller(packed_width(n), n), size = operand_size(form);
#pragma omp for schedule(dynamic, 1)
    for (size_t j = 0; j < n; j += width) {
        size_t columns = smaller(width, n - j);
        char *lines = (char *)cpu_scratch(cpu, width * k);
        for (size_t i = 0; i < columns; i++)
            operand_convert(cpu, lines + i * k * size, form, b + (j + i) * ldb, k);
        onednn_pack(cpu->library.state, omp_get_thread_num(), (char *)out + j * k * size, lines, (uint32_t)columns,
                    (uint32_t)k, form == OPERAND_BF16);
    }
}

static void close_library(struct gemm_library *library)
{
    onednn_close(library->state);
}

bool gemm_onednn(struct gemm_library *library)
{
    struct onednn *o = onednn_open();
    if (!o)
        return false;
    *library = (struct gemm_library){.row_multiple = 16,
                                     .run = run,
                                     .packed_size = packed_size,
                                     .pack = pack,
                                     .bf16 = onednn_bf16(o),
                                     .close = close_library,
                                     .state = o};
    int version[3];
    onednn_version(o, version);
    snprintf(library->name, sizeof library->name, "oneDNN %d.%d.%d (%s)", version[0], version[1], version[2],
             onednn_processor(o));
    return true;
}

#else /* built without oneDNN */

bool gemm_onednn(struct gemm_library *library)
{
    (void)library;
    return false;
}

#endif
