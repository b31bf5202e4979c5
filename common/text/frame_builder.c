/* frame_builder.c - one row into columns, or into a line. */
#include "text/frame_builder.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const struct {
    const char *name;
    enum st_dtype dtype;
    enum column_kind kind;
    bool always;
} frame_columns[FRAME_COLUMNS] = {
    [FRAME_IDS] = {"ids", ST_I32, COLUMN_LIST, true},
    [FRAME_IDX] = {"idx", ST_I64, COLUMN_ROW, true},
    [FRAME_LABEL] = {"label", ST_I32, COLUMN_ROW, true},
    [FRAME_TYPES] = {"types", ST_U8, COLUMN_TOKEN, false},
    [FRAME_TEACHER_LABEL] = {"teacher_label", ST_I32, COLUMN_ROW, false},
    [FRAME_CONFIDENCE] = {"confidence", ST_F32, COLUMN_ROW, false},
    [FRAME_TEACHER_PROBS] = {"teacher_probs", ST_F32, COLUMN_ROW, false},
    [FRAME_REASON_IDS] = {"reason_ids", ST_I32, COLUMN_LIST, false},
    [FRAME_CUES] = {"cues", ST_U8, COLUMN_TOKEN, false},
    [FRAME_EDIT_IDS] = {"edit_ids", ST_I32, COLUMN_LIST, false},
};

static void prepare(struct frame_builder *b, const struct frame_options *o)
{
    if (b->rows.n_columns > 0)
        return;
    for (int i = 0; i < FRAME_COLUMNS; i++) {
        size_t width = i == FRAME_TEACHER_PROBS ? o->n_labels : 1;
        rows_column(&b->rows, frame_columns[i].name, frame_columns[i].dtype, frame_columns[i].kind, width);
    }
}

static void add_value(struct frame_builder *b, enum frame_column column, const void *value, size_t size, bool known)
{
    buf_add(&b->rows.columns[column].values, value, size);
    b->used[column] |= known;
}

static void add_list(struct frame_builder *b, enum frame_column column, const int32_t *ids, size_t n)
{
    struct column *c = &b->rows.columns[column];
    int64_t end;

    if (n > 0)
        buf_add(&c->values, ids, n * sizeof *ids);
    end = (int64_t)(c->values.len / sizeof *ids);
    buf_add(&c->offsets, &end, sizeof end);
    b->used[column] |= n > 0;
}

static void add_teacher(struct frame_builder *b, const struct frame_options *o, const struct sentence *s)
{
    const int32_t label = s->teacher_label;
    const float unknown = -1;

    add_value(b, FRAME_TEACHER_LABEL, &label, sizeof label, label >= 0);
    add_value(b, FRAME_CONFIDENCE, &s->confidence, sizeof s->confidence, s->confidence >= 0);
    for (size_t k = 0; k < o->n_labels; k++)
        add_value(b, FRAME_TEACHER_PROBS, s->probs ? &s->probs[k] : &unknown, sizeof unknown, s->probs != NULL);
    b->extra.n = 0;
    if (s->reasoning)
        tokenizer_encode_plain(o->tokenizer, b->scratch, s->reasoning, s->reasoning_len, &b->extra);
    add_list(b, FRAME_REASON_IDS, b->extra.ids, b->extra.n);
    b->extra.n = 0;
    if (s->edit && s->edit_len > 0)
        tokenizer_encode(o->tokenizer, b->scratch, s->edit, s->edit_len, o->max_len, &b->extra);
    add_list(b, FRAME_EDIT_IDS, b->extra.ids, b->extra.n);
}

/* The columns that only a teacher fills are begun with the first row that has one; the rows before it have none. */
static void begin_teacher(struct frame_builder *b, const struct frame_options *o)
{
    static const struct sentence none = {.teacher_label = -1, .confidence = -1};
    struct buf *cues = &b->rows.columns[FRAME_CUES].values;
    size_t tokens = b->rows.columns[FRAME_IDS].values.len / sizeof(int32_t);

    for (size_t i = 0; i < b->rows.n; i++)
        add_teacher(b, o, &none);
    buf_reserve(cues, tokens);
    memset(cues->data, CUE_ROW_UNMARKED, tokens);
    cues->len = tokens;
    b->teacher = true;
}

static void add_to_rows(struct frame_builder *b, const struct frame_options *o, const struct sentence *s)
{
    const struct encoding *e = &b->encoding;
    const int64_t idx = s->idx;
    const int32_t label = s->label;

    if (s->has_teacher && !b->teacher)
        begin_teacher(b, o);
    add_list(b, FRAME_IDS, e->ids, e->n);
    add_value(b, FRAME_IDX, &idx, sizeof idx, true);
    add_value(b, FRAME_LABEL, &label, sizeof label, true);
    if (o->pair)
        add_value(b, FRAME_TYPES, e->types, e->n, true);
    if (b->teacher) {
        struct buf *cues = &b->rows.columns[FRAME_CUES].values;
        size_t marks = cues->len;
        add_teacher(b, o, s);
        cue_marks_add(&b->cues, s, e->spans, o->pair ? e->types : NULL, e->n, cues);
        b->used[FRAME_CUES] |= (uint8_t)cues->data[marks] != CUE_ROW_UNMARKED;
    }
    b->rows.n++;
}

static void list_ids(struct buf *out, const struct encoding *e)
{
    buf_addch(out, '[');
    for (size_t i = 0; i < e->n; i++) {
        if (i > 0)
            buf_addch(out, ',');
        json_add_long(out, e->ids[i]);
    }
    buf_addch(out, ']');
}

static void list_offsets(struct buf *out, const struct encoding *e)
{
    buf_addch(out, '[');
    for (size_t i = 0; i < e->n; i++) {
        buf_addstr(out, i > 0 ? ",[" : "[");
        json_add_long(out, e->spans[i].begin);
        buf_addch(out, ',');
        json_add_long(out, e->spans[i].end);
        buf_addch(out, ']');
    }
    buf_addch(out, ']');
}

static void list_types(struct buf *out, const struct encoding *e)
{
    buf_addch(out, '[');
    for (size_t i = 0; i < e->n; i++) {
        if (i > 0)
            buf_addch(out, ',');
        buf_addch(out, (char)('0' + e->types[i]));
    }
    buf_addch(out, ']');
}

/* Puts "name":b->member at the end of the object that b->text holds from `begin` on, in place of one that is there. */
static void put_member(struct frame_builder *b, size_t begin, const char *name, const struct json *doc)
{
    struct buf line = {0};

    if (!json_member(doc, json_root(doc), name)) {
        b->text.len--; /* the brace; the row has members already */
        buf_addf(&b->text, ",\"%s\":", name);
        buf_add(&b->text, b->member.data, b->member.len);
        buf_addch(&b->text, '}');
        return;
    }
    buf_add(&line, b->text.data + begin, b->text.len - begin);
    if (json_parse(&b->doc, line.data, line.len, NULL) == 0) {
        b->text.len = begin;
        json_replace_member(&b->text, &b->doc, name, b->member.data, b->member.len);
    }
    buf_free(&line);
}

/* The row as it came, and the members that this tool writes. */
static void add_passed_through(struct frame_builder *b, const struct frame_options *o, const struct json *doc)
{
    size_t begin = b->text.len;

    list_ids(&b->member, &b->encoding);
    json_replace_member(&b->text, doc, "input_ids", b->member.data, b->member.len);
    if (o->pair) {
        buf_reset(&b->member);
        list_types(&b->member, &b->encoding);
        put_member(b, begin, "token_type_ids", doc);
    }
    if (o->offsets) {
        buf_reset(&b->member);
        list_offsets(&b->member, &b->encoding);
        put_member(b, begin, "offsets", doc);
    }
}

/* A row of text or TSV. */
static void add_made(struct frame_builder *b, const struct frame_options *o, const struct sentence *s)
{
    buf_addch(&b->text, '{');
    if (s->idx_is_number)
        buf_addf(&b->text, "\"idx\":%lld,", s->idx);
    buf_addstr(&b->text, "\"sentence\":");
    json_add_string(&b->text, s->text, s->len);
    if (s->label >= 0)
        buf_addf(&b->text, ",\"label\":%d", s->label);
    buf_addstr(&b->text, ",\"input_ids\":");
    list_ids(&b->text, &b->encoding);
    if (o->pair) {
        buf_addstr(&b->text, ",\"token_type_ids\":");
        list_types(&b->text, &b->encoding);
    }
    if (o->offsets) {
        buf_addstr(&b->text, ",\"offsets\":");
        list_offsets(&b->text, &b->encoding);
    }
    buf_addch(&b->text, '}');
}

void frame_builder_add(struct frame_builder *b, const struct frame_options *o, const struct sentence *s,
                       const struct json *doc)
{
    struct encoding *e = &b->encoding;

    prepare(b, o);
    if (o->pair && s->pair) {
        tokenizer_encode_pair(o->tokenizer, b->scratch, s->text, s->len, s->pair, s->pair_len, o->max_len, e);
    } else {
        tokenizer_encode(o->tokenizer, b->scratch, s->text, s->len, o->max_len, e);
        memset(e->types, 0, e->n);
    }
    b->n++;
    b->tokens += e->n;
    b->truncated += e->dropped > 0;
    b->odd_idx += s->idx_is_odd;
    b->unpaired += o->pair && !s->pair;
    if (!o->ndjson) {
        add_to_rows(b, o, s);
        return;
    }
    buf_reset(&b->member);
    if (doc)
        add_passed_through(b, o, doc);
    else
        add_made(b, o, s);
    buf_addch(&b->text, '\n');
}

struct rows frame_builder_rows(struct frame_builder *b, struct column columns[FRAME_COLUMNS])
{
    struct rows rows = {.n = b->rows.n, .columns = columns};

    for (size_t i = 0; i < b->rows.n_columns; i++)
        if (b->used[i] || frame_columns[i].always)
            columns[rows.n_columns++] = b->rows.columns[i];
    return rows;
}

void frame_builder_reset(struct frame_builder *b)
{
    rows_reset(&b->rows);
    buf_reset(&b->text);
    memset(b->used, 0, sizeof b->used);
    b->teacher = false;
    b->n = b->tokens = b->truncated = b->odd_idx = b->unpaired = 0;
}

void frame_builder_free(struct frame_builder *b)
{
    rows_free(&b->rows);
    buf_free(&b->text);
    encoding_free(&b->encoding);
    encoding_free(&b->extra);
    cue_finder_free(&b->cues);
    json_free(&b->doc);
    buf_free(&b->member);
    *b = (struct frame_builder){0};
}
