/* row.c - a row as NDJSON. */
#include "data/row.h"

#include <string.h>

#include "wire/json.h"

void data_row_write(const struct data_row *row, struct buf *out)
{
    buf_addstr(out, "{\"idx\":");
    json_add_long(out, row->idx);
    buf_addstr(out, ",\"sentence\":");
    if (row->sentence_json)
        buf_add(out, row->sentence_json, row->sentence_json_len);
    else
        json_add_string(out, row->sentence, row->sentence_len);
    buf_addstr(out, ",\"label\":");
    json_add_long(out, row->label);
    if (row->label_text) {
        buf_addstr(out, ",\"label_text\":");
        json_add_string(out, row->label_text, strlen(row->label_text));
    }
    if (row->members_len > 0)
        buf_add(out, row->members, row->members_len);
    buf_addstr(out, "}\n");
}
