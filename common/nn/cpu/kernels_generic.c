/* kernels_generic.c - the CPU kernels compiled for the build's own target processor. */
#define KERNELS kernels_generic
#define KERNELS_NAME "generic"
#include "nn/cpu/kernels_body.h"
