/* tap.c - see tap.h. */
#include "tap.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int run, failed;

static bool __attribute__((format(printf, 2, 0))) report(bool condition, const char *format, va_list args)
{
    printf("%sok %d - ", condition ? "" : "not ", ++run);
    vprintf(format, args);
    putchar('\n');
    fflush(stdout);
    failed += !condition;
    return condition;
}

bool ok(bool condition, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(condition, format, args);
    va_end(args);
    return condition;
}

bool near(double got, double expected, double tolerance, const char *format, ...)
{
    bool pass = fabs(got - expected) <= tolerance; /* false for NaN */
    va_list args;
    va_start(args, format);
    report(pass, format, args);
    va_end(args);
    if (!pass)
        note("got %.9g, expected %.9g, tolerance %.3g", got, expected, tolerance);
    return pass;
}

bool is_string(const char *got, const char *expected, const char *format, ...)
{
    bool pass = got && expected ? strcmp(got, expected) == 0 : got == expected;
    va_list args;
    va_start(args, format);
    report(pass, format, args);
    va_end(args);
    if (!pass)
        note("got '%s', expected '%s'", got ? got : "(null)", expected ? expected : "(null)");
    return pass;
}

bool is_long(long long got, long long expected, const char *format, ...)
{
    bool pass = got == expected;
    va_list args;
    va_start(args, format);
    report(pass, format, args);
    va_end(args);
    if (!pass)
        note("got %lld, expected %lld", got, expected);
    return pass;
}

void skip(const char *name, const char *reason)
{
    printf("ok %d - %s # SKIP %s\n", ++run, name, reason);
}

void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("# ", stdout);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

int done_testing(void)
{
    printf("1..%d\n", run);
    return failed != 0;
}
