/* selection.c - see selection.h. */
#include "bert/selection.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const struct metric {
    const char *name;
    size_t offset;
    bool greater_is_better;
} metrics[] = {
    {"loss", offsetof(struct train_scores, loss), false},
    {"accuracy", offsetof(struct train_scores, accuracy), true},
    {"macro_f1", offsetof(struct train_scores, macro_f1), true},
    {"mcc", offsetof(struct train_scores, mcc), true},
    {"brier", offsetof(struct train_scores, brier), false},
    {"ece", offsetof(struct train_scores, ece), false},
};
enum { METRICS = sizeof metrics / sizeof metrics[0] };

static const struct metric *find(const char *name)
{
    if (strncmp(name, "eval_", 5) == 0)
        name += 5;
    for (size_t i = 0; i < METRICS; i++)
        if (strcmp(metrics[i].name, name) == 0)
            return &metrics[i];
    return NULL;
}

int selection_check(const char *metric, struct error *err)
{
    if (find(metric))
        return 0;
    return error_set(err, STATUS_USAGE,
                     "--metric-for-best-model: there is no metric '%s'; the metrics are: loss, accuracy, macro_f1, "
                     "mcc, brier, ece",
                     metric);
}

double selection_value(const char *metric, const struct train_scores *scores)
{
    double value;
    memcpy(&value, (const char *)scores + find(metric)->offset, sizeof value);
    return value;
}

bool selection_improves(const char *metric, const struct train_scores *now, const struct train_scores *best)
{
    double value = selection_value(metric, now), before = best ? selection_value(metric, best) : NAN;
    if (!isfinite(value))
        return false;
    if (!isfinite(before))
        return true;
    return find(metric)->greater_is_better ? value > before : value < before;
}
