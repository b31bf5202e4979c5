/* tap.h - the Test Anything Protocol for the compiled unit tests: each `ok` prints one line that prove reads. */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>

/* Prints "ok N - name" or "not ok N - name"; returns the condition. */
bool ok(bool condition, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* |got - expected| <= tolerance, both shown on failure. */
bool near(double got, double expected, double tolerance, const char *format, ...) __attribute__((format(printf, 4, 5)));
bool is_string(const char *got, const char *expected, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool is_long(long long got, long long expected, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A passed test with a note why it did not run. */
void skip(const char *name, const char *reason);
/* "# ..." */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints the plan; returns the exit status for main. */
int done_testing(void);

#endif
