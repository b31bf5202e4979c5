/* kernels_generic.c - the CPU kernels compiled for the build's own target processor. */
#define KERNELS kernels_generic
#define INT8_KERNELS int8_kernels_generic
#define ATTENTION attention_plain
#define ATTENTION_BACKWARD attention_backward_plain
#define KERNELS_NAME "generic"
#include "nn/cpu/kernels_body.h"
#include "nn/cpu/int8_body.h"
#include "nn/cpu/kernels_table.h"
