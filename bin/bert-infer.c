/* bert-infer.c - classifies text lines, NDJSON rows or a token stream: one record out for each record in, in order.
 * With --as-teacher its answers take a teacher's place, with --attribution they say which words carried them.
 *
 * The work is in common/bert/classifier; here are the three kinds of input, and when to stop gathering rows: when there
 * is enough for one pass, or when the input pauses, so that a person who types a line gets its answer at once.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/diag.h"
#include "base/hub.h"
#include "base/progress.h"
#include "base/utf8.h"
#include "bert/classifier.h"
#include "bert/precision.h"
#include "bert/spool.h"
#include "wire/json.h"
#include "wire/lines.h"
#include "wire/stream.h"

struct options {
    const char *model, *input_format, *output, *weights, *gemm, *pair, *method;
    bool logits, keep_going, as_teacher, attribution, method_given, steps_given;
    long max_len, threads, steps;
    double temperature;
};

/* A gathered row: where its text ends, and its line or row number. */
struct record {
    size_t end;
    uint64_t number;
};

struct session {
    const struct options *o;
    struct classifier classifier;
    struct lines lines;
    struct output out;
    struct json doc;
    struct buf text;    /* of the gathered rows, one after another */
    struct buf records; /* struct record: where each ends in it */
    struct buf line;    /* the record being written */
    struct buf prediction;
    bool ndjson, stream;
    const char *input_name;
    uint64_t rows, skipped, unpaired;
    struct progress progress;
};

enum { FRAME_START = 9 };

static size_t byte_order_mark(const char *text, size_t len)
{
    return len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

static void parse(struct options *o, int argc, char **argv, const char **path)
{
    const struct cli_option table[] = {
        {'m', "model", CLI_STRING, &o->model, "MODEL", .help = "the classifier: a folder or a Hub name"},
        {'o', "output", CLI_FILE, &o->output, "FILE", .help = "write here instead of stdout"},
        {'\0', "input-format", CLI_CHOICE, &o->input_format, "FORMAT", .choices = "auto|text|ndjson|stream",
         .help = "auto: by the first bytes"},
        {'\0', "logits", CLI_FLAG, &o->logits, .help = "add the logits to each prediction"},
        {'\0', "temperature", CLI_DOUBLE, &o->temperature, "X", .min = 0.01, .max = 100,
         .help = "divide the logits by X before they become probabilities"},
        {'\0', "as-teacher", CLI_FLAG, &o->as_teacher, .help = "write a member teacher instead of pred"},
        {'\0', "pair", CLI_STRING, &o->pair, "MEMBER", .no_default = true,
         .help = "second text of each NDJSON row, such as teacher.reasoning"},
        {'\0', "attribution", CLI_FLAG, &o->attribution, .help = "tell how much each word spoke for the decision"},
        {'\0', "attribution-method", CLI_CHOICE, &o->method, "METHOD", .choices = ATTRIBUTION_CHOICES,
         .given = &o->method_given,
         .help = "by the head that tags cues, or by gradient; auto: by the head if there is one"},
        {'\0', "attribution-steps", CLI_LONG, &o->steps, "N", .min = 1, .max = 10000, .given = &o->steps_given,
         .help = "points at which the gradient is computed"},
        {'\0', "max-len", CLI_LONG, &o->max_len, "N", .min = 2, .max = 1e6, .no_default = true,
         .help = "cut sentences to N tokens, [CLS] and [SEP] included; default: the tokenizer's limit"},
        {'\0', "weights", CLI_CHOICE, &o->weights, "FORM", .choices = NN_WEIGHTS_CHOICES,
         .help = "how the layers' weights are kept; bf16 and int8 are rounded"},
        {'\0', "gemm", CLI_CHOICE, &o->gemm, "LIBRARY", .choices = NN_GEMM_CHOICES,
         .help = "matrix library; auto: by the processor"},
        {'\0', "threads", CLI_LONG, &o->threads, "N", .min = 1, .max = 1024, .no_default = true,
         .help = "instead of OMP_NUM_THREADS or all cores"},
        {'\0', "keep-going", CLI_FLAG, &o->keep_going, .help = "skip rows that cannot be read; then exit 3"},
        CLI_END};
    const struct cli cli = {.tool = "bert-infer",
                            .summary = "classify sentences with a trained BERT",
                            .usage = "-m MODEL [options] [FILE]",
                            .examples = "echo \"I am very happy today!\" | bert-infer -m student\n"
                                        "sst2-dump --split validation | bert-infer -m student | sst2-score",
                            .options = table,
                            .max_operands = 1,
                            .describe = nn_cpu_features};
    int first = cli_parse(&cli, argc, argv);
    *path = first < argc ? argv[first] : NULL;
    if (!o->model)
        cli_usage_error("which model is missing: -m MODEL");
    if (o->as_teacher && (o->logits || o->attribution))
        cli_usage_error("--as-teacher writes no pred: --%s cannot be used with it",
                        o->logits ? "logits" : "attribution");
    if ((o->method_given || o->steps_given) && !o->attribution)
        cli_usage_error("--attribution-%s needs --attribution", o->method_given ? "method" : "steps");
    if (o->pair && strcmp(o->input_format, "text") == 0)
        cli_usage_error("--pair '%s': text lines have no members; NDJSON is needed", o->pair);
}

static void check_output(struct session *s)
{
    if (s->out.error.status)
        die_error(&s->out.error);
}

static const struct record *record_of(const struct session *s, size_t i)
{
    return (const struct record *)(const void *)s->records.data + i;
}

/* Puts FILE:LINE, or FILE and a stream's row number, before a message. */
static void name_place(const struct session *s, uint64_t number, struct error *err)
{
    error_prefix(err, s->stream ? "%s: row %" PRIu64 : "%s:%" PRIu64, s->input_name, number);
}

/* Writes the gathered record i with its prediction. */
static int write_record(struct session *s, size_t i, struct error *err)
{
    const char *member = s->o->as_teacher ? "teacher" : "pred";
    size_t begin = i ? record_of(s, i - 1)->end : 0, len = record_of(s, i)->end - begin;
    const char *record = s->text.data + begin;
    buf_reset(&s->line);
    buf_reset(&s->prediction);
    int rc = s->o->as_teacher ? classifier_teacher(&s->classifier, i, s->o->model, &s->prediction, err)
                              : classifier_prediction(&s->classifier, i, s->o->logits, &s->prediction, err);
    if (rc < 0)
        return -1;
    if (s->ndjson) {
        if (json_parse(&s->doc, record, len, err) < 0)
            return -1;
        json_replace_member(&s->line, &s->doc, member, s->prediction.data, s->prediction.len);
    } else {
        buf_add(&s->line, record, len);
        buf_addf(&s->line, ",\"%s\":", member);
        buf_add(&s->line, s->prediction.data, s->prediction.len);
        buf_addch(&s->line, '}');
    }
    buf_addch(&s->line, '\n');
    output_write(&s->out, s->line.data, s->line.len);
    check_output(s);
    return 0;
}

/* Ends the run; the rows before are right, so they are written. */
_Noreturn static void give_up(struct session *s, const struct error *err)
{
    output_flush(&s->out);
    die_error(err);
}

/* Classifies what was gathered and writes it. */
static void answer(struct session *s)
{
    struct error err = {0};
    size_t n = classifier_gathered(&s->classifier);
    classifier_run(&s->classifier);
    for (size_t i = 0; i < n; i++)
        if (write_record(s, i, &err) < 0) {
            name_place(s, record_of(s, i)->number, &err);
            give_up(s, &err);
        }
    s->rows += n;
    classifier_reset(&s->classifier);
    buf_reset(&s->text);
    buf_reset(&s->records);
    progress_update(&s->progress, s->rows, NULL);
}

static void keep_record(struct session *s, uint64_t number)
{
    struct record record = {s->text.len, number};
    buf_add(&s->records, &record, sizeof record);
}

/* A row that cannot be read: ends the run, or is named and counted. */
static void refuse(struct session *s, uint64_t number, struct error *err)
{
    name_place(s, number, err);
    if (!s->o->keep_going) {
        answer(s);
        give_up(s, err);
    }
    complain("%s", err->text);
    s->skipped++;
}

/* Adds a line of text: its record is begun as {"sentence":"..." and ended with the prediction. */
static int gather_text(struct session *s, const char *line, size_t len, struct error *err)
{
    if (len > 0 && line[len - 1] == '\r')
        len--;
    size_t bad = utf8_check(line, len);
    if (bad < len)
        return error_set(err, STATUS_FAILURE, "byte %zu is not UTF-8 (0x%02x); convert the text, as with iconv(1)",
                         bad + 1, (unsigned)(unsigned char)line[bad]);
    buf_addstr(&s->text, "{\"sentence\":");
    json_add_string(&s->text, line, len);
    keep_record(s, s->lines.number);
    classifier_add_text(&s->classifier, line, len);
    return 0;
}

/* The string at a path like "teacher.reasoning": NULL where a member of it is missing or null, or where the teacher's
 * status says that it has not answered. */
static int find_pair(struct session *s, const struct json_node **pair, struct error *err)
{
    const struct json_node *object = json_root(&s->doc);
    const char *name = s->o->pair, *dot;
    char part[64];
    while (!json_member(&s->doc, object, name) && (dot = strchr(name, '.')) && (size_t)(dot - name) < sizeof part) {
        memcpy(part, name, (size_t)(dot - name));
        part[dot - name] = '\0';
        object = json_member(&s->doc, object, part);
        const struct json_node *status = json_member(&s->doc, object, "status");
        if (strcmp(part, "teacher") == 0 && status && status->type != JSON_NULL && !json_is(status, "ok"))
            object = NULL;
        name = dot + 1;
    }
    *pair = json_member(&s->doc, object, name);
    if (*pair && (*pair)->type == JSON_NULL)
        *pair = NULL;
    if (*pair && (*pair)->type != JSON_STRING)
        return error_set(err, STATUS_FAILURE, "'%s' is %s, not a string", s->o->pair, json_type_name((*pair)->type));
    return 0;
}

static int gather_ndjson(struct session *s, const char *line, size_t len, struct error *err)
{
    if (s->lines.number == 1) {
        size_t mark = byte_order_mark(line, len);
        line += mark;
        len -= mark;
    }
    if (json_parse(&s->doc, line, len, err) < 0)
        return -1;
    const struct json_node *root = json_root(&s->doc), *sentence = json_member(&s->doc, root, "sentence");
    const struct json_node *pair = NULL;
    if (root->type != JSON_OBJECT)
        return error_set(err, STATUS_FAILURE, "%s where a JSON object is due", json_type_name(root->type));
    if (!sentence)
        return error_set(err, STATUS_FAILURE, "no member \"sentence\"");
    if (sentence->type != JSON_STRING)
        return error_set(err, STATUS_FAILURE, "sentence is %s, not a string", json_type_name(sentence->type));
    if (s->o->attribution && utf8_check(sentence->text, sentence->len) < sentence->len)
        return error_set(err, STATUS_FAILURE, "sentence holds half a surrogate pair; its words cannot be written");
    if (s->o->pair && find_pair(s, &pair, err) < 0)
        return -1;
    buf_add(&s->text, line, len);
    keep_record(s, s->lines.number);
    if (pair) {
        classifier_add_pair(&s->classifier, sentence->text, sentence->len, pair->text, pair->len);
    } else {
        classifier_add_text(&s->classifier, sentence->text, sentence->len);
        s->unpaired += s->o->pair != NULL;
    }
    return 0;
}

static void infer_lines(struct session *s)
{
    const char *line;
    size_t len;
    int more;
    struct error err = {0};
    for (;;) {
        if (classifier_full(&s->classifier) || !lines_ready(&s->lines)) {
            answer(s);
            if (!lines_ready(&s->lines) && output_flush(&s->out) < 0)
                check_output(s);
        }
        more = lines_next(&s->lines, &line, &len, &err);
        if (more <= 0)
            break;
        if ((s->ndjson ? gather_ndjson : gather_text)(s, line, len, &err) < 0)
            refuse(s, s->lines.number, &err);
    }
    answer(s);
    if (more < 0)
        give_up(s, &err);
}

static void gather_frame(struct session *s, const struct rows *rows, uint64_t before)
{
    const struct column *ids = rows_find(rows, "ids"), *types = rows_find(rows, "types");
    const int64_t *idx = column_i64(rows_find(rows, "idx"));
    const int32_t *label = column_i32(rows_find(rows, "label"));
    struct error err = {0};
    for (size_t i = 0; i < rows->n; i++) {
        size_t begin = (size_t)column_offsets(ids)[i], n = (size_t)column_offsets(ids)[i + 1] - begin;
        const uint8_t *type = types ? column_u8(types) + begin : NULL;
        if (classifier_add_ids(&s->classifier, column_i32(ids) + begin, type, n, &err) < 0) {
            refuse(s, before + i + 1, &err);
            continue;
        }
        buf_addf(&s->text, "{\"idx\":%" PRId64 ",\"label\":%" PRId32, idx[i], label[i]);
        keep_record(s, before + i + 1);
        if (classifier_full(&s->classifier))
            answer(s);
    }
}

static void infer_stream(struct session *s)
{
    struct stream_reader reader;
    struct rows rows = {0};
    struct error err = {0};
    const struct bert_config *config = &s->classifier.model.config;
    int more;
    if (stream_open_lines(&reader, &s->lines, &err) < 0 ||
        spool_check_vocabulary(&reader.head, s->classifier.vocabulary.sha256, reader.in.name, &err) < 0 ||
        spool_check_labels(&reader.head, config->labels, config->n_labels, true, "the model", reader.in.name, &err) < 0)
        die_error(&err);
    while ((more = stream_next(&reader, &rows, &err)) > 0) {
        gather_frame(s, &rows, reader.rows - rows.n);
        if (stream_ready(&reader))
            continue; /* so that it does not matter where frames end */
        answer(s);
        if (output_flush(&s->out) < 0)
            check_output(s);
    }
    answer(s);
    if (more < 0)
        give_up(s, &err);
    rows_free(&rows);
    stream_close(&reader);
}

/* By the first bytes. A frame is a small number in eight bytes, little-endian, and a brace; a row of NDJSON begins with
 * a brace. No more is waited for than a line, so that a short first line is answered at once. */
static const char *sniff(struct session *s)
{
    struct error err = {0};
    const char *data;
    size_t len, at, want = FRAME_START;
    if (lines_peek(&s->lines, 1, &data, &len, &err) < 0)
        die_error(&err);
    if (lines_ready(&s->lines) && s->lines.end - s->lines.begin < want)
        want = s->lines.end - s->lines.begin;
    if (lines_peek(&s->lines, want, &data, &len, &err) < 0)
        die_error(&err);
    if (len == FRAME_START && memcmp(data + 4, "\0\0\0\0{", 5) == 0)
        return "stream";
    at = byte_order_mark(data, len);
    while (at < len && (data[at] == ' ' || data[at] == '\t'))
        at++;
    return at < len && data[at] == '{' ? "ndjson" : "text";
}

static void infer(struct session *s)
{
    const char *format = strcmp(s->o->input_format, "auto") == 0 ? sniff(s) : s->o->input_format;
    s->ndjson = strcmp(format, "ndjson") == 0;
    s->stream = strcmp(format, "stream") == 0;
    s->input_name = s->lines.in.name; /* which a stream's reader takes over */
    if (s->stream && (s->o->attribution || s->o->pair))
        die(STATUS_USAGE, "%s: a token stream has no text for --%s; give the rows as NDJSON", s->input_name,
            s->o->pair ? "pair" : "attribution");
    if (!s->ndjson && s->o->pair)
        die(STATUS_USAGE, "%s: --pair '%s': text lines have no members; NDJSON is needed", s->input_name, s->o->pair);
    if (s->stream)
        infer_stream(s);
    else
        infer_lines(s);
}

static int finish(struct session *s)
{
    progress_finish(&s->progress);
    if (output_close(&s->out) < 0)
        die_error(&s->out.error);
    if (s->classifier.truncated)
        warn("%" PRIu64 " sentences were cut to %ld tokens", s->classifier.truncated, s->classifier.max_len);
    if (s->unpaired)
        warn("%" PRIu64 " rows have no '%s'; their sentences were read alone", s->unpaired, s->o->pair);
    if (s->skipped)
        warn("%" PRIu64 " rows were skipped, %" PRIu64 " answered", s->skipped, s->rows);
    int status = s->skipped ? STATUS_PARTIAL : STATUS_OK;
    classifier_close(&s->classifier);
    lines_close(&s->lines);
    json_free(&s->doc);
    buf_free(&s->text);
    buf_free(&s->records);
    buf_free(&s->line);
    buf_free(&s->prediction);
    return status;
}

static int open_classifier(struct session *s, const char *folder, struct error *err)
{
    const struct classifier_options options = {.threads = s->o->threads,
                                               .gemm = s->o->gemm,
                                               .weights = nn_weights_of(s->o->weights),
                                               .max_len = s->o->max_len,
                                               .temperature = s->o->temperature,
                                               .attribution = s->o->attribution ? s->o->method : NULL,
                                               .attribution_steps = s->o->steps};
    if (classifier_open(&s->classifier, folder, &options, err) < 0 ||
        (s->o->pair && classifier_check_pairs(&s->classifier, err) < 0))
        return -1;
    inform_of_slow_bf16(&s->classifier.nn);
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = {
        .input_format = "auto", .weights = "f32", .gemm = "auto", .method = "auto", .steps = 32, .temperature = 1};
    struct session s = {.o = &o};
    struct error err = {0};
    const char *path;
    parse(&o, argc, argv, &path);
    char *folder = hub_resolve(o.model, &err);
    if (!folder || open_classifier(&s, folder, &err) < 0 || lines_open(&s.lines, path, 0, &err) < 0 ||
        output_open(&s.out, o.output, false, &err) < 0)
        die_error(&err);
    free(folder);
    progress_start(&s.progress, "rows", 0);
    infer(&s);
    return finish(&s);
}
