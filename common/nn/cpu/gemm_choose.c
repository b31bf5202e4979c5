/* gemm_choose.c - which matrix library a run uses: the one that is asked for, or a fixed table of processor features.
 * Never by timing: a run is a function of its inputs.
 */
#include "nn/cpu/gemm.h"

#include <string.h>

#include "nn/cpu/kernels.h"

struct entry {
    const char *name, *missing;
    bool (*open)(struct gemm_library *library);
};

static const struct entry entries[] = {
    {"builtin", "this processor has no AVX2, which the built-in kernels need", gemm_builtin},
    {"openblas", "", gemm_openblas},
    {"onednn", "no oneDNN here: install libdnnl2, or, where this was built without it, libdnnl-dev and build again",
     gemm_onednn},
};
enum { ENTRIES = sizeof entries / sizeof entries[0] };

/* Measured: with AVX2 the built-in kernels reach 87 to 95 % of the peak, oneDNN about as much, OpenBLAS 82 to 91 %;
 * with AVX-512 oneDNN 95 to 99 % and it alone knows bf16; elsewhere OpenBLAS has kernels for the processor. */
static bool choose(struct gemm_library *library)
{
    const struct cpu_kernels *kernels = cpu_kernels_choose();
    if (kernels == &kernels_avx512 && gemm_onednn(library))
        return true;
    return gemm_builtin(library) || gemm_openblas(library);
}

int gemm_choose(struct gemm_library *library, const char *name, struct error *err)
{
    if (strcmp(name, "auto") == 0) {
        choose(library);
        return 0;
    }
    for (size_t i = 0; i < ENTRIES; i++)
        if (strcmp(entries[i].name, name) == 0) {
            if (entries[i].open(library))
                return 0;
            return error_set(err, STATUS_USAGE, "--gemm %s: %s", name, entries[i].missing);
        }
    return error_set(err, STATUS_USAGE,
                     "--gemm: there is no matrix library '%s'; there are auto, builtin, openblas, "
                     "onednn",
                     name);
}
