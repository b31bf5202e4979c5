/* span.c - see span.h. */
#include "teacher/span.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

static const double longest = 1e9; /* seconds; more is junk */

/* Digits with at most one point among them; at least one digit. */
static double parse_decimal(const char *text, const char **end)
{
    const char *p = text;
    double value = 0, place = 0.1;
    int digits = 0;
    for (; *p >= '0' && *p <= '9'; p++, digits++)
        value = 10 * value + (*p - '0');
    if (p[0] == '.' && p[1] >= '0' && p[1] <= '9') {
        for (p++; *p >= '0' && *p <= '9'; p++, place /= 10, digits++)
            value += place * (*p - '0');
    }
    *end = p;
    return digits ? value : -1;
}

double span_parse(const char *text, const char **end)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {/* longer names before their beginnings */
                 {"ms", 1e-3}, {"us", 1e-6}, {"\xc2\xb5s", 1e-6}, {"\xce\xbcs", 1e-6},
                 {"ns", 1e-9}, {"h", 3600},  {"m", 60},           {"s", 1}};
    double total = -1;
    const char *p = text;
    for (;;) {
        const char *behind;
        double value = parse_decimal(p, &behind);
        size_t u = 0, n_units = sizeof units / sizeof *units;
        if (value < 0)
            break;
        while (u < n_units && strncmp(behind, units[u].name, strlen(units[u].name)) != 0)
            u++;
        if (u == n_units)
            break;
        total = (total < 0 ? 0 : total) + value * units[u].seconds;
        p = behind + strlen(units[u].name);
    }
    if (end)
        *end = p;
    return total <= longest ? total : -1;
}

double span_retry_after(const char *value, time_t now)
{
    const char *end;
    value += strspn(value, " \t");
    double seconds = parse_decimal(value, &end);
    if (seconds >= 0 && end[strspn(end, " \t\r\n")] == '\0')
        return seconds <= longest ? seconds : -1;
    if (seconds >= 0)
        return -1; /* a date starts with the name of a day */
    time_t date = curl_getdate(value, NULL);
    if (date == (time_t)-1)
        return -1;
    return date > now ? (double)(date - now) : 0;
}

double span_try_again(const char *message)
{
    static const char marker[] = "try again in ";
    for (const char *p = message; *p; p++) {
        if (strncasecmp(p, marker, sizeof marker - 1) == 0)
            return span_parse(p + sizeof marker - 1, NULL);
    }
    return -1;
}
