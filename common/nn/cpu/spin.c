/* spin.c - see spin.h. */
#include "nn/cpu/spin.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <omp.h>

void cpu_limit_spinning(char **argv)
{
    static const char name[] = "GOMP_SPINCOUNT"; /* rounds of a dozen nanoseconds */
    if (getenv("OMP_WAIT_POLICY") || getenv(name) || omp_get_max_threads() == 1 || setenv(name, "20000", 0) < 0)
        return;
    /* By its own path, so that it keeps its name in ps; where that is not possible, all works as before. */
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n > 0) {
        path[n] = '\0';
        execv(path, argv);
    }
}
