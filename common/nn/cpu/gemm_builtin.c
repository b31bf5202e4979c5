/* gemm_builtin.c - our own matrix product: how it is cut into parts for threads and caches. The loops are in
 * gemm_body.h.
 *
 * A part is a strip of COLUMNS columns of c over some rows. Its share of the second operand is packed by the thread
 * that computes it, one block of k after the other, into memory that stays in the second-level cache; the first operand
 * is read where it lies, in groups of ROWS rows. For weight gradients, whose first operand lies across, that one is
 * packed first, by all threads. On Zen 3 this reaches 87 to 95 % of the peak of one core for the products of encoders
 * 128, 384 and 768 wide at 432 tokens, OpenBLAS 82 to 91 %. Blocks of k depend on k alone, so each element of c is the
 * same sum in the same order whatever the parts.
 */
#include "nn/cpu/gemm.h"

#include <stdio.h>
#include <string.h>

#include "nn/cpu/gemm_kernels.h"
#include "nn/cpu/operand.h"
#include "nn/cpu/state.h"

enum {
    COLUMNS = 64,   /* a multiple of every micro kernel's columns */
    ROWS = 48,      /* of every micro kernel's rows */
    BLOCK_K = 768,  /* longest block of k */
    STRIP_ROWS = 96 /* fewest rows that a strip is worth packing for a second time */
};

static const struct gemm_kernels *kernels_of(const struct cpu *cpu)
{
    return cpu->library.state;
}

static size_t block_of(size_t k)
{
    size_t blocks = (k + BLOCK_K - 1) / BLOCK_K;
    return blocks ? (k + blocks - 1) / blocks : 1;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Columns that a packed strip takes: whole panels. */
static size_t strip_width(const struct gemm_kernels *kernels, size_t columns)
{
    return (columns + kernels->columns - 1) / kernels->columns * kernels->columns;
}

/* One block of k of one strip of b, columns j.. of it. */
static void pack_block(const struct cpu *cpu, float *out, enum gemm_kind kind, const float *b, size_t ldb, size_t j,
                       size_t columns, size_t p, size_t k, bool bf16)
{
    const struct gemm_kernels *kernels = kernels_of(cpu);
    if (kind == GEMM_FORWARD)
        kernels->pack_b_lines(out, b + j * ldb + p, ldb, columns, k);
    else
        kernels->pack_b_columns(out, b + p * ldb + j, ldb, columns, k);
    if (bf16)
        cpu->kernels->round_bf16(out, out, strip_width(kernels, columns) * k);
}

/* a, as a part reads it: where it lies, or in panels. */
struct operand {
    const float *a;
    size_t lda;
    bool panels;
};

/* c[begin..end, columns of the strip at j]. */
static void strip(struct cpu *cpu, const struct gemm *g, const struct operand *a, size_t j, size_t begin, size_t end)
{
    const struct gemm_kernels *kernels = kernels_of(cpu);
    size_t columns = smaller(COLUMNS, g->n - j), block = block_of(g->k), width = strip_width(kernels, columns);
    float *scratch = g->packed ? NULL : cpu_scratch(cpu, COLUMNS * BLOCK_K + 64);
    for (size_t p = 0; p < g->k; p += block) {
        size_t k = smaller(block, g->k - p);
        const float *b = g->packed ? g->packed + j * g->k + p * width : scratch;
        if (!g->packed)
            pack_block(cpu, scratch, g->kind, g->b, g->ldb, j, columns, p, k, g->bf16);
        for (size_t i = begin; i < end; i += ROWS) {
            struct gemm_tile tile = {
                .rows = smaller(ROWS, end - i),
                .columns = columns,
                .k = k,
                .a = a->panels ? a->a + i * g->k + p * kernels->rows : a->a + i * a->lda + p,
                .lda = a->lda,
                .a_panel_stride = a->panels ? kernels->rows * g->k : 0,
                .b = b,
                .b_stride = kernels->columns * k,
                .bias = g->bias && p == 0 ? g->bias + j : NULL,
                .accumulate = g->accumulate || p > 0,
                .c = g->c + i * g->ldc + j,
                .ldc = g->ldc,
            };
            kernels->tile(&tile);
        }
    }
}

/* All strips; where there are fewer than keep the threads busy, each is cut into groups of rows. */
static void strips(struct cpu *cpu, const struct gemm *g, const struct operand *a)
{
    size_t across = (g->n + COLUMNS - 1) / COLUMNS, wanted = 4 * (size_t)cpu->threads, groups = 1;
    if (cpu->threads > 1 && across < wanted)
        groups = smaller((wanted + across - 1) / across, (g->m + STRIP_ROWS - 1) / STRIP_ROWS);
    size_t rows = ((g->m + groups - 1) / groups + ROWS - 1) / ROWS * ROWS;
    groups = (g->m + rows - 1) / rows;
#pragma omp for schedule(dynamic, 1)
    for (size_t part = 0; part < across * groups; part++) {
        size_t begin = part % groups * rows;
        strip(cpu, g, a, part / groups * COLUMNS, begin, smaller(begin + rows, g->m));
    }
}

/* a[k, m] in panels, by all threads. */
static struct operand pack_across(struct cpu *cpu, const struct gemm *g)
{
    const struct gemm_kernels *kernels = kernels_of(cpu);
    size_t group = 8 * kernels->rows;
    float *panels = cpu_shared(cpu, (g->m + group) * g->k + 64);
#pragma omp for schedule(static, 1)
    for (size_t i = 0; i < g->m; i += group) {
        size_t rows = smaller(group, g->m - i);
        kernels->pack_a_columns(panels + i * g->k, g->a + i, g->lda, rows, g->k);
        if (g->bf16)
            cpu->kernels->round_bf16(panels + i * g->k, panels + i * g->k,
                                     (rows + kernels->rows - 1) / kernels->rows * kernels->rows * g->k);
    }
    return (struct operand){panels, 0, true};
}

/* a[m, k] rounded, by all threads. */
static struct operand round_rows(struct cpu *cpu, const struct gemm *g)
{
    float *rounded = cpu_shared(cpu, g->m * g->k);
    operand_copy(cpu, rounded, OPERAND_ROUNDED, g->a, g->lda, g->m, g->k, g->k);
    return (struct operand){rounded, g->k, false};
}

static void run(struct cpu *cpu, const struct gemm *g)
{
    struct operand a = {g->a, g->lda, false};
    if (g->m == 0 || g->n == 0)
        return;
    if (g->kind == GEMM_WEIGHT_GRADIENT)
        a = pack_across(cpu, g);
    else if (g->bf16)
        a = round_rows(cpu, g);
    strips(cpu, g, &a);
}

static size_t packed_size(const struct cpu *cpu, size_t n, size_t k)
{
    return strip_width(kernels_of(cpu), n) * k + 64;
}

static void pack(struct cpu *cpu, float *out, const float *b, size_t ldb, size_t n, size_t k, bool bf16)
{
    const struct gemm_kernels *kernels = kernels_of(cpu);
#pragma omp for schedule(dynamic, 1)
    for (size_t j = 0; j < n; j += COLUMNS) {
        size_t columns = smaller(COLUMNS, n - j), block = block_of(k), width = strip_width(kernels, columns);
        for (size_t p = 0; p < k; p += block)
            pack_block(cpu, out + j * k + p * width, GEMM_FORWARD, b, ldb, j, columns, p, smaller(block, k - p), bf16);
    }
}

bool gemm_builtin(struct gemm_library *library)
{
    const struct gemm_kernels *kernels = gemm_kernels_choose();
    if (!kernels)
        return false;
    *library = (struct gemm_library){
        .row_multiple = 1, .run = run, .packed_size = packed_size, .pack = pack, .state = (void *)(uintptr_t)kernels};
    snprintf(library->name, sizeof library->name, "builtin (%s)", kernels->name);
    return true;
}
