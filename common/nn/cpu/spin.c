/* spin.c - see spin.h. */
#include "nn/cpu/spin.h"

#include <stdlib.h>
#include <unistd.h>

#include <omp.h>

void cpu_limit_spinning(char **argv)
{
    static const char name[] = "GOMP_SPINCOUNT"; /* rounds of a dozen nanoseconds */
    if (getenv("OMP_WAIT_POLICY") || getenv(name) || omp_get_max_threads() == 1 || setenv(name, "20000", 0) < 0)
        return;
    execv("/proc/self/exe", argv);
    /* where that is not possible, all works as before */
}
