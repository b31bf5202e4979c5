/* limit.c - see limit.h. */
#include "teacher/limit.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name, *mark, *phrase;
} kinds[LIMIT_KINDS] = {[LIMIT_RPM] = {"requests a minute", "(RPM)", "on requests per min"},
                        [LIMIT_TPM] = {"tokens a minute", "(TPM)", "on tokens per min"},
                        [LIMIT_RPD] = {"requests a day", "(RPD)", "on requests per day"},
                        [LIMIT_TPD] = {"tokens a day", "(TPD)", "on tokens per day"}};

const char *limit_name(enum limit_kind kind)
{
    return kinds[kind].name;
}

/* The whole number, which may hold commas, behind a word that numbers follow; -1 where there is none. */
static double number_after(const char *message, const char *word)
{
    const char *p = message;
    double value = 0;
    while ((p = strcasestr(p, word))) {
        p += strlen(word);
        if (*p >= '0' && *p <= '9')
            break;
    }
    if (!p)
        return -1;
    for (; (*p >= '0' && *p <= '9') || (*p == ',' && p[1] >= '0' && p[1] <= '9'); p++) {
        if (*p != ',')
            value = 10 * value + (*p - '0');
    }
    return value < 1e15 ? value : -1;
}

void limit_read(struct limit_said *said, const char *message)
{
    *said = (struct limit_said){.kind = LIMIT_KINDS,
                                .limit = number_after(message, "Limit "),
                                .used = number_after(message, "Used "),
                                .requested = number_after(message, "Requested ")};
    for (int k = 0; k < LIMIT_KINDS; k++) {
        if (strstr(message, kinds[k].mark) || strcasestr(message, kinds[k].phrase)) {
            said->kind = (enum limit_kind)k;
            return;
        }
    }
}
