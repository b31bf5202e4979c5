/* cue_spans.c - see cue_spans.h. */
#include "bert/objectives/cue_spans.h"

#include "bert/objectives/reasoning.h"

static int32_t label_of(uint8_t mark, size_t classes, int32_t reasoned)
{
    if (mark == CUE_FAVOURABLE || mark == CUE_UNFAVOURABLE)
        return classes == 2 ? mark == CUE_FAVOURABLE : reasoned;
    return mark == CUE_DECISIVE ? reasoned : -1;
}

size_t cue_spans_find(const struct rows *rows, uint64_t row, size_t classes, struct cue_span spans[CUE_SPANS_MOST])
{
    const struct column *cues = rows_find(rows, "cues");
    const int64_t *offsets = column_offsets(rows_find(rows, "ids"));
    int32_t reasoned = reasoning_label(rows, row);
    size_t length = (size_t)(offsets[row + 1] - offsets[row]), n = 0;
    if (!cues || reasoned < 0)
        return 0;
    const uint8_t *mark = column_u8(cues) + offsets[row];
    for (size_t begin = 0, end; begin < length && n < CUE_SPANS_MOST; begin = end) {
        for (end = begin + 1; end < length && mark[end] == mark[begin]; end++)
            ;
        int32_t label = label_of(mark[begin], classes, reasoned);
        if (label < 0)
            continue;
        if (spans)
            spans[n] = (struct cue_span){begin, end, label};
        n++;
    }
    return n;
}
