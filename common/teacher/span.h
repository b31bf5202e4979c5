/* span.h - the ways in which servers say how long to wait: Go's time.Duration, Retry-After, and prose.
 *
 * All results are seconds. Digits are read without the locale.
 */
#ifndef TEACHER_SPAN_H
#define TEACHER_SPAN_H

#include <time.h>

/* A span as Go prints it: decimals with the units h, m, s, ms, us, µs and ns ("2m59.56s", "120ms", "1h0m0s"). Reads as
 * many of them as there are and sets *end (may be NULL) behind the last. -1 where the text starts with none. */
double span_parse(const char *text, const char **end);

/* The value of a Retry-After header: seconds, whole or fractional, or an HTTP date (then the time from now until it, at
 * least 0). -1 where it is neither. */
double span_retry_after(const char *value, time_t now);

/* The span after "try again in" in an error's text; -1 where there is none. */
double span_try_again(const char *message);

#endif
