/* label_source.c - see label_source.h. */
#include "bert/label_source.h"

#include <string.h>

void label_source_apply(struct rows *rows, const char *source)
{
    const struct column *teacher = rows_find(rows, "teacher_label");
    int32_t *label = (int32_t *)rows_find(rows, "label")->values.data;
    if (strcmp(source, "gold") == 0)
        return;
    for (size_t i = 0; i < rows->n; i++)
        if (label[i] < 0 || strcmp(source, "teacher") == 0)
            label[i] = teacher ? column_i32(teacher)[i] : -1;
}
