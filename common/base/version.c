/* version.c - the version of distil: the one place where it is written down. */
#include "base/cli.h"

const char distil_version[] = "0.1.0";
