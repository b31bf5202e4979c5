#include "nn/cpu/gemm.h"

bool gemm_onednn(struct gemm_library *library)
{
    (void)library;
    return false;
}
