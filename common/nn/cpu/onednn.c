/* onednn.c - see onednn.h. */
#include "nn/cpu/onednn.h"

#if defined(WITH_ONEDNN)

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <omp.h>

#include "base/diag.h"
#include "base/memory.h"

#define FUNCTIONS(F)                                                                                                   \
    F(version)                                                                                                         \
    F(get_effective_cpu_isa)                                                                                           \
    F(engine_create)                                                                                                   \
    F(engine_destroy)                                                                                                  \
    F(stream_create)                                                                                                   \
    F(stream_destroy)                                                                                                  \
    F(memory_desc_init_by_tag)                                                                                         \
    F(memory_desc_equal)                                                                                               \
    F(memory_desc_get_size)                                                                                            \
    F(memory_create)                                                                                                   \
    F(memory_destroy)                                                                                                  \
    F(memory_set_data_handle)                                                                                          \
    F(matmul_desc_init)                                                                                                \
    F(post_ops_create)                                                                                                 \
    F(post_ops_destroy)                                                                                                \
    F(post_ops_append_sum)                                                                                             \
    F(primitive_attr_create)                                                                                           \
    F(primitive_attr_destroy)                                                                                          \
    F(primitive_attr_set_post_ops)                                                                                     \
    F(primitive_attr_set_scratchpad_mode)                                                                              \
    F(primitive_desc_create)                                                                                           \
    F(primitive_desc_destroy)                                                                                          \
    F(primitive_desc_query)                                                                                            \
    F(primitive_desc_query_md)                                                                                         \
    F(reorder_primitive_desc_create)                                                                                   \
    F(primitive_create)                                                                                                \
    F(primitive_destroy)                                                                                               \
    F(primitive_execute)

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

enum {
    SLOTS = 4096,         /* a power of two */
    LARGEST_COUNT = 3072, /* primitives that are kept; a shape beyond them is made anew each time */
    THREADS = 1024,       /* see cpu.c */
    ARGUMENTS = 5,
    LAYOUT_ROWS = 64 /* m of the product whose favourite layout all use */
};

struct functions {
#define DECLARE(name) __typeof__(dnnl_##name) *name;
    FUNCTIONS(DECLARE)
#undef DECLARE
};

/* A primitive for one shape. */
struct primitive {
    struct onednn_shape shape;
    size_t slot; /* SLOTS: not kept */
    dnnl_primitive_t primitive;
    int count;           /* of its arguments */
    int kind[ARGUMENTS]; /* DNNL_ARG_... */
    dnnl_memory_desc_t desc[ARGUMENTS];
    size_t scratchpad; /* bytes */
};

/* A thread's memory objects for one primitive; only their addresses change. */
struct arguments {
    dnnl_exec_arg_t of[ARGUMENTS];
};

struct worker {
    dnnl_stream_t stream;
    void *scratchpad;
    size_t scratchpad_size;
    struct arguments *arguments[SLOTS];
};

/* How weights of one size are packed. */
struct packing {
    uint32_t n, k;
    bool bf16;
    dnnl_memory_desc_t layout;
    dnnl_memory_desc_t from, to, scratchpad; /* of the reorder, see packing_make */
    dnnl_primitive_t reorder;
    struct packing *next;
};

struct onednn {
    struct functions f;
    void *library;
    dnnl_engine_t engine;
    _Atomic(struct primitive *) slots[SLOTS]; /* open addressing; filled one by one, never emptied */
    size_t count;                             /* under the lock, as are packings */
    struct packing *packings;
    struct worker *workers[THREADS]; /* each thread's own */
};

static bool load(struct onednn *o)
{
    static const struct {
        const char *name;
        size_t offset;
    } table[] = {
#define ENTRY(name) {"dnnl_" #name, offsetof(struct functions, name)},
        FUNCTIONS(ENTRY)
#undef ENTRY
    };
    o->library = dlopen("libdnnl.so." TEXT(DNNL_VERSION_MAJOR), RTLD_NOW | RTLD_LOCAL);
    if (!o->library)
        return false;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        void *symbol = dlsym(o->library, table[i].name);
        if (!symbol)
            return false;
        memcpy((char *)&o->f + table[i].offset, &symbol, sizeof symbol);
    }
    return o->f.version()->major == DNNL_VERSION_MAJOR;
}

/* ---- primitives ---- */

static dnnl_memory_desc_t matrix(const struct onednn *o, size_t rows, size_t columns, bool bf16, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t desc = {0};
    o->f.memory_desc_init_by_tag(&desc, 2, (dnnl_dims_t){(dnnl_dim_t)rows, (dnnl_dim_t)columns},
                                 bf16 ? dnnl_bf16 : dnnl_f32, tag);
    return desc;
}

/* NULL where oneDNN has no kernel for it but its reference code. */
static dnnl_primitive_desc_t describe(const struct onednn *o, const struct onednn_shape *s,
                                      const dnnl_memory_desc_t *weights)
{
    dnnl_memory_desc_t a = matrix(o, s->m, s->k, s->bf16, s->a_across ? dnnl_ba : dnnl_ab);
    dnnl_memory_desc_t bias = matrix(o, 1, s->n, false, dnnl_ab), c = matrix(o, s->m, s->n, false, dnnl_ab);
    dnnl_matmul_desc_t desc;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t post = NULL;
    dnnl_primitive_desc_t result = NULL;
    const char *name = "ref";
    if (o->f.matmul_desc_init(&desc, &a, weights, s->bias ? &bias : NULL, &c) != dnnl_success ||
        o->f.primitive_attr_create(&attributes) != dnnl_success || o->f.post_ops_create(&post) != dnnl_success)
        goto out;
    if (s->accumulate)
        o->f.post_ops_append_sum(post, 1.0f);
    o->f.primitive_attr_set_post_ops(attributes, post);
    o->f.primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (o->f.primitive_desc_create(&result, &desc, attributes, o->engine, NULL) != dnnl_success)
        result = NULL;
    else if (o->f.primitive_desc_query(result, dnnl_query_impl_info_str, 0, (void *)&name) != dnnl_success ||
             strncmp(name, "ref", 3) == 0) {
        o->f.primitive_desc_destroy(result);
        result = NULL;
    }
out:
    o->f.post_ops_destroy(post);
    o->f.primitive_attr_destroy(attributes);
    return result;
}

static bool runs_with(const struct onednn *o, const struct onednn_shape *shape, const dnnl_memory_desc_t *weights)
{
    dnnl_primitive_desc_t desc = describe(o, shape, weights);
    if (desc)
        o->f.primitive_desc_destroy(desc);
    return desc != NULL;
}

/* The layout of packed weights: the one that oneDNN prefers for LAYOUT_ROWS rows, where that needs no padding and few
 * rows can be multiplied with it too; else as they are. */
static dnnl_memory_desc_t packed_layout(const struct onednn *o, uint32_t n, uint32_t k, bool bf16)
{
    struct onednn_shape shape = {.m = LAYOUT_ROWS, .n = n, .k = k, .bf16 = bf16};
    dnnl_memory_desc_t any = matrix(o, k, n, bf16, dnnl_format_tag_any), plain = matrix(o, k, n, bf16, dnnl_ba);
    dnnl_primitive_desc_t desc = describe(o, &shape, &any);
    if (!desc)
        return plain;
    any = *o->f.primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    o->f.primitive_desc_destroy(desc);
    if (o->f.memory_desc_get_size(&any) != o->f.memory_desc_get_size(&plain))
        return plain;
    static const uint32_t few[] = {1, 8, 16};
    for (size_t i = 0; i < sizeof few / sizeof few[0]; i++) {
        shape.m = few[i];
        if (!runs_with(o, &shape, &any))
            return plain;
    }
    return any;
}

/* From b[n, k] to a packed layout. oneDNN takes 76 ns a number to bring bfloat16 into its favourite one (Zen 3); that
 * one keeps neighbours in k together, so it is what floats in their pairs' place would have, which takes 0.4. */
static struct packing *packing_make(const struct onednn *o, uint32_t n, uint32_t k, bool bf16)
{
    struct packing *p = xcalloc(1, sizeof *p);
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_memory_desc_t pairs = matrix(o, k, n, true, dnnl_BA16a64b2a);
    *p = (struct packing){.n = n, .k = k, .bf16 = bf16, .layout = packed_layout(o, n, k, bf16)};
    p->from = matrix(o, k, n, bf16, dnnl_ba);
    p->to = p->layout;
    if (bf16 && o->f.memory_desc_equal(&p->layout, &pairs)) {
        p->from = matrix(o, k / 2, n, false, dnnl_ba);
        p->to = matrix(o, k / 2, n, false, dnnl_BA16a64b);
    }
    if (o->f.primitive_attr_create(&attributes) != dnnl_success ||
        o->f.primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) != dnnl_success ||
        o->f.reorder_primitive_desc_create(&desc, &p->from, o->engine, &p->to, o->engine, attributes) != dnnl_success ||
        o->f.primitive_create(&p->reorder, desc) != dnnl_success)
        die(STATUS_FAILURE, "oneDNN does not reorder a weight of %u x %u; use --gemm openblas", n, k);
    p->scratchpad = *o->f.primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    o->f.primitive_desc_destroy(desc);
    o->f.primitive_attr_destroy(attributes);
    return p;
}

/* Under the lock. */
static const struct packing *packing_of(struct onednn *o, uint32_t n, uint32_t k, bool bf16)
{
    for (struct packing *p = o->packings; p; p = p->next)
        if (p->n == n && p->k == k && p->bf16 == bf16)
            return p;
    struct packing *p = packing_make(o, n, k, bf16);
    p->next = o->packings;
    return o->packings = p;
}

static void add_argument(struct primitive *p, int kind, const dnnl_memory_desc_t *desc)
{
    p->kind[p->count] = kind;
    p->desc[p->count++] = *desc;
}

static dnnl_memory_desc_t plain_layout(const struct onednn *o, const struct onednn_shape *s)
{
    return matrix(o, s->k, s->n, s->bf16, s->b == ONEDNN_LINES ? dnnl_ba : dnnl_ab);
}

/* Under the lock. */
static struct primitive *primitive_make(struct onednn *o, const struct onednn_shape *shape)
{
    static const struct {
        dnnl_query_t query;
        int kind;
    } arguments[] = {{dnnl_query_src_md, DNNL_ARG_SRC},
                     {dnnl_query_weights_md, DNNL_ARG_WEIGHTS},
                     {dnnl_query_dst_md, DNNL_ARG_DST},
                     {dnnl_query_scratchpad_md, DNNL_ARG_SCRATCHPAD}};
    struct primitive *p = xcalloc(1, sizeof *p);
    dnnl_memory_desc_t weights =
        shape->b == ONEDNN_PACKED ? packing_of(o, shape->n, shape->k, shape->bf16)->layout : plain_layout(o, shape);
    dnnl_primitive_desc_t desc = describe(o, shape, &weights);
    p->shape = *shape;
    if (!desc || o->f.primitive_create(&p->primitive, desc) != dnnl_success)
        die(STATUS_FAILURE, "oneDNN makes no product of %u x %u x %u; use --gemm openblas", shape->m, shape->n,
            shape->k);
    for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++)
        add_argument(p, arguments[i].kind, o->f.primitive_desc_query_md(desc, arguments[i].query, 0));
    p->scratchpad = o->f.memory_desc_get_size(&p->desc[p->count - 1]);
    if (shape->bias) {
        dnnl_memory_desc_t bias = matrix(o, 1, shape->n, false, dnnl_ab);
        add_argument(p, DNNL_ARG_BIAS, &bias);
    }
    o->f.primitive_desc_destroy(desc);
    return p;
}

static void primitive_free(const struct onednn *o, struct primitive *p)
{
    o->f.primitive_destroy(p->primitive);
    free(p);
}

/* ---- the table of primitives ---- */

static size_t slot_of(const struct onednn_shape *shape)
{
    const unsigned char *byte = (const unsigned char *)shape;
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < sizeof *shape; i++)
        hash = (hash ^ byte[i]) * 1099511628211u;
    return (hash ^ hash >> 32) % SLOTS;
}

/* The primitive of that shape, or the empty slot where it belongs. Needs no lock: what a slot holds never changes. */
static struct primitive *find(struct onednn *o, const struct onednn_shape *shape, size_t *slot)
{
    for (*slot = slot_of(shape);; *slot = (*slot + 1) % SLOTS) {
        struct primitive *p = atomic_load_explicit(&o->slots[*slot], memory_order_acquire);
        if (!p || memcmp(&p->shape, shape, sizeof *shape) == 0)
            return p;
    }
}

static struct primitive *find_or_make(struct onednn *o, const struct onednn_shape *shape)
{
    size_t slot;
    struct primitive *p = find(o, shape, &slot);
    if (p)
        return p;
#pragma omp critical(onednn)
    {
        p = find(o, shape, &slot);
        if (!p) {
            p = primitive_make(o, shape);
            p->slot = o->count < LARGEST_COUNT ? slot : SLOTS;
            if (p->slot < SLOTS) {
                o->count++;
                atomic_store_explicit(&o->slots[slot], p, memory_order_release);
            }
        }
    }
    return p;
}

/* ---- execution ---- */

static struct worker *worker_of(struct onednn *o, int thread)
{
    struct worker *w = o->workers[thread];
    if (!w) {
        w = o->workers[thread] = xcalloc(1, sizeof *w);
        o->f.stream_create(&w->stream, o->engine, dnnl_stream_default_flags);
    }
    return w;
}

static struct arguments *arguments_make(const struct onednn *o, const struct primitive *p)
{
    struct arguments *a = xcalloc(1, sizeof *a);
    for (int i = 0; i < p->count; i++) {
        a->of[i].arg = p->kind[i];
        o->f.memory_create(&a->of[i].memory, &p->desc[i], o->engine, DNNL_MEMORY_NONE);
    }
    return a;
}

static void arguments_free(const struct onednn *o, struct arguments *a)
{
    for (int i = 0; i < ARGUMENTS; i++)
        if (a->of[i].memory)
            o->f.memory_destroy(a->of[i].memory);
    free(a);
}

static void reserve_scratchpad(struct worker *w, size_t size)
{
    if (w->scratchpad_size >= size)
        return;
    free(w->scratchpad);
    w->scratchpad = xaligned(size);
    w->scratchpad_size = size;
}

static void *unconst(const void *p)
{
    return (void *)(uintptr_t)p;
}

void onednn_run(struct onednn *o, int thread, const struct onednn_shape *shape, const void *a, const void *b,
                const float *bias, float *c)
{
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    struct worker *w = worker_of(o, thread);
    struct primitive *p = find_or_make(o, shape);
    struct arguments *arguments = p->slot < SLOTS ? w->arguments[p->slot] : NULL;
    if (!arguments)
        arguments = arguments_make(o, p);
    reserve_scratchpad(w, p->scratchpad);
    /* In primitive_make's order. */
    void *const data[ARGUMENTS] = {unconst(a), unconst(b), c, w->scratchpad, unconst(bias)};
    for (int i = 0; i < p->count; i++)
        o->f.memory_set_data_handle(arguments->of[i].memory, data[i]);
    o->f.primitive_execute(p->primitive, w->stream, p->count, arguments->of);
    if (p->slot < SLOTS)
        w->arguments[p->slot] = arguments;
    else {
        arguments_free(o, arguments);
        primitive_free(o, p);
    }
    omp_set_num_threads(threads);
}

void onednn_pack(struct onednn *o, int thread, void *out, const void *b, uint32_t n, uint32_t k, bool bf16)
{
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    struct worker *w = worker_of(o, thread);
    const struct packing *p;
#pragma omp critical(onednn)
    p = packing_of(o, n, k, bf16);
    reserve_scratchpad(w, o->f.memory_desc_get_size(&p->scratchpad));
    const dnnl_memory_desc_t *descs[] = {&p->from, &p->to, &p->scratchpad};
    void *const data[] = {unconst(b), out, w->scratchpad};
    dnnl_exec_arg_t arguments[] = {{.arg = DNNL_ARG_FROM}, {.arg = DNNL_ARG_TO}, {.arg = DNNL_ARG_SCRATCHPAD}};
    for (int i = 0; i < 3; i++)
        o->f.memory_create(&arguments[i].memory, descs[i], o->engine, data[i]);
    o->f.primitive_execute(p->reorder, w->stream, 3, arguments);
    for (int i = 0; i < 3; i++)
        o->f.memory_destroy(arguments[i].memory);
    omp_set_num_threads(threads);
}

/* ---- opening and closing ---- */

/* The three kinds of products, so that a library that lacks one is not chosen. */
static bool complete(const struct onednn *o, bool bf16)
{
    static const struct onednn_shape shapes[] = {
        {.m = 32, .n = 64, .k = 64, .b = ONEDNN_LINES, .bias = true},
        {.m = 32, .n = 64, .k = 64, .b = ONEDNN_COLUMNS, .accumulate = true},
        {.m = 32, .n = 64, .k = 64, .a_across = true, .b = ONEDNN_COLUMNS, .accumulate = true},
    };
    bool all = true;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct onednn_shape shape = shapes[i];
        shape.bf16 = bf16;
        dnnl_memory_desc_t weights = plain_layout(o, &shape);
        all &= runs_with(o, &shape, &weights);
    }
    return all;
}

struct onednn *onednn_open(void)
{
    struct onednn *o = xcalloc(1, sizeof *o);
    if (load(o) && o->f.engine_create(&o->engine, dnnl_cpu, 0) == dnnl_success && complete(o, false))
        return o;
    onednn_close(o);
    return NULL;
}

void onednn_close(struct onednn *o)
{
    for (size_t i = 0; i < THREADS; i++) {
        struct worker *w = o->workers[i];
        if (!w)
            continue;
        for (size_t slot = 0; slot < SLOTS; slot++)
            if (w->arguments[slot])
                arguments_free(o, w->arguments[slot]);
        o->f.stream_destroy(w->stream);
        free(w->scratchpad);
        free(w);
    }
    for (size_t slot = 0; slot < SLOTS; slot++)
        if (o->slots[slot])
            primitive_free(o, o->slots[slot]);
    for (struct packing *p = o->packings, *next; p; p = next) {
        next = p->next;
        o->f.primitive_destroy(p->reorder);
        free(p);
    }
    if (o->engine)
        o->f.engine_destroy(o->engine);
    free(o); /* the library stays loaded: it may hold thread-local memory */
}

void onednn_version(const struct onednn *o, int version[3])
{
    const dnnl_version_t *v = o->f.version();
    version[0] = v->major;
    version[1] = v->minor;
    version[2] = v->patch;
}

const char *onednn_processor(const struct onednn *o)
{
    switch (o->f.get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
        return "sse4.1";
    case dnnl_cpu_isa_avx:
        return "avx";
    case dnnl_cpu_isa_avx2:
        return "avx2";
    case dnnl_cpu_isa_avx2_vnni:
        return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core:
        return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni:
        return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
        return "avx512_core_bf16";
    case dnnl_cpu_isa_avx512_core_amx:
        return "avx512_core_amx";
    default:
        return "generic";
    }
}

bool onednn_bf16(const struct onednn *o)
{
    dnnl_cpu_isa_t isa = o->f.get_effective_cpu_isa();
    return (isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16 && complete(o, true);
}

#else /* built without oneDNN */

struct onednn *onednn_open(void)
{
    return NULL;
}

#endif
