/* tokenize.c - reads tasks, shares them out, writes them in order. */
#include "text/tokenize.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

enum { TASK_BYTES = 1 << 20, TASKS_PER_THREAD = 2 };

struct failure {
    size_t line; /* of the task */
    struct error err;
};

/* The lines of one frame and what became of them. */
struct task {
    struct buf bytes;
    size_t *ends; /* [n] where each line ends in bytes */
    size_t n, cap;
    uint64_t first_line; /* its number in the input, from 1 */
    uint64_t first_row;  /* counted from 0 */
    struct failure *failures;
    size_t n_failures;
    uint64_t replaced; /* lines with invalid UTF-8 */
    struct frame_builder builder;
};

/* What a thread works with. */
struct worker {
    struct encoder_scratch *scratch;
    struct sentence_parser parser;
    struct buf line;
    struct word_counter *counter; /* not owned; NULL: tokenise */
};

struct run {
    struct tokenize_options options;
    struct lines *lines;
    struct output *out;
    struct stream_writer writer;
    struct task *tasks;
    size_t n_tasks;
    struct worker *workers;
    struct tokenize_summary *summary;
    uint64_t rows_read;
    bool at_end;
};

/* ---- reading ---- */

static void task_reset(struct task *task)
{
    buf_reset(&task->bytes);
    frame_builder_reset(&task->builder);
    task->n = task->n_failures = 0;
    task->replaced = 0;
}

static void task_add(struct run *run, struct task *task, const char *line, size_t len)
{
    if (task->n == 0) {
        task->first_line = run->lines->number;
        task->first_row = run->rows_read;
    }
    if (task->n == task->cap) {
        task->cap = 2 * task->cap + 64;
        task->ends = xrealloc_array(task->ends, task->cap, sizeof *task->ends);
    }
    if (len > 0)
        buf_add(&task->bytes, line, len);
    task->ends[task->n++] = task->bytes.len;
    run->rows_read++;
}

/* Fills tasks until all are full, the input ends or pauses; *used says how many hold lines. */
static int read_tasks(struct run *run, size_t *used, struct error *err)
{
    bool some = run->tasks[0].n > 0; /* the first line of all, if it was no header */
    const char *line;
    size_t len;

    for (*used = 0; *used < run->n_tasks; ++*used) {
        struct task *task = &run->tasks[*used];
        while (task->n < (size_t)run->options.frame_rows && task->bytes.len < TASK_BYTES) {
            int rc = 0;
            if (!run->at_end && !(some && !lines_ready(run->lines)))
                rc = lines_next(run->lines, &line, &len, err);
            else if (!run->at_end)
                rc = 2; /* a pause */
            run->at_end |= rc == 0;
            if (rc != 1) {
                *used += task->n > 0;
                return rc < 0 ? -1 : 0;
            }
            task_add(run, task, line, len);
            some = true;
        }
    }
    return 0;
}

/* ---- working ---- */

static void task_fail(struct task *task, size_t line, const struct error *err)
{
    task->failures = xrealloc_array(task->failures, task->n_failures + 1, sizeof *task->failures);
    task->failures[task->n_failures++] = (struct failure){line, *err};
}

static void count_row(struct task *task, struct worker *w, const struct sentence *sentence)
{
    word_counter_add(w->counter, sentence->text, sentence->len);
    if (sentence->pair)
        word_counter_add(w->counter, sentence->pair, sentence->pair_len);
    task->builder.n++;
}

static int work_on_line(const struct run *run, struct task *task, struct worker *w, size_t i, struct error *err)
{
    const struct tokenize_options *o = &run->options;
    size_t begin = i > 0 ? task->ends[i - 1] : 0, len = task->ends[i] - begin;
    const char *line = task->bytes.data ? task->bytes.data + begin : "";
    struct sentence sentence;

    if (o->replace_invalid && utf8_check(line, len) < len) {
        buf_reset(&w->line);
        sentence_replace_invalid(&w->line, line, len);
        line = w->line.data;
        len = w->line.len;
        task->replaced++;
    }
    if (sentence_parse(&o->format, &w->parser, line, len, task->first_row + i, &sentence, err) < 0)
        return -1;
    if (w->counter)
        count_row(task, w, &sentence);
    else
        frame_builder_add(&task->builder, &o->frame, &sentence,
                          o->format.kind == SENTENCES_NDJSON ? &w->parser.doc : NULL);
    return 0;
}

static void work_on_task(const struct run *run, struct task *task, struct worker *w)
{
    struct error err = {0};

    task->builder.scratch = w->scratch;
    for (size_t i = 0; i < task->n; i++) {
        if (work_on_line(run, task, w, i, &err) == 0)
            continue;
        task_fail(task, i, &err);
        if (!run->options.keep_going || err.status == STATUS_USAGE)
            return;
    }
}

static void work_on_tasks(const struct run *run, size_t n)
{
    const int threads = run->options.threads;

#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (n > 1)
    for (size_t i = 0; i < n; i++)
        work_on_task(run, &run->tasks[i], &run->workers[omp_get_thread_num()]);
}

/* ---- writing ---- */

static int write_rows(struct run *run, struct task *task)
{
    struct column columns[FRAME_COLUMNS];

    if (run->options.counters)
        return 0;
    if (!run->options.frame.ndjson) {
        const struct rows rows = frame_builder_rows(&task->builder, columns);
        return stream_batch(&run->writer, &rows);
    }
    return task->builder.text.len > 0 ? output_write(run->out, task->builder.text.data, task->builder.text.len) : 0;
}

static void count(struct tokenize_summary *s, const struct task *task)
{
    s->rows += task->builder.n;
    s->tokens += task->builder.tokens;
    s->truncated += task->builder.truncated;
    s->odd_idx += task->builder.odd_idx;
    s->unpaired += task->builder.unpaired;
    s->replaced += task->replaced;
}

static int report_failures(struct run *run, struct task *task, struct error *err)
{
    for (size_t i = 0; i < task->n_failures; i++) {
        struct failure *f = &task->failures[i];
        error_prefix(&f->err, "%s:%llu", run->lines->in.name, (unsigned long long)(task->first_line + f->line));
        if (!run->options.keep_going || f->err.status == STATUS_USAGE) {
            *err = f->err;
            return -1;
        }
        run->summary->skipped++;
        run->options.skipped(&f->err);
    }
    return 0;
}

static int write_tasks(struct run *run, size_t n, struct error *err)
{
    const long expected = run->options.expect_rows;

    for (size_t i = 0; i < n; i++) {
        struct task *task = &run->tasks[i];
        count(run->summary, task);
        if (expected >= 0 && run->summary->rows > (uint64_t)expected)
            return error_set(err, STATUS_FAILURE, "%s: more than the %ld rows of --expect-rows", run->lines->in.name,
                             expected);
        if (write_rows(run, task) < 0) {
            *err = run->out->error;
            return -1;
        }
        if (report_failures(run, task, err) < 0)
            return -1;
        task_reset(task);
    }
    return 0;
}

/* ---- the run ---- */

static bool writes_stream(const struct tokenize_options *o)
{
    return !o->counters && !o->frame.ndjson;
}

static int flush_before_wait(struct run *run, struct error *err)
{
    if (run->options.counters || lines_ready(run->lines) || output_flush(run->out) == 0)
        return 0;
    *err = run->out->error;
    return -1;
}

/* The first line says what the others are; if it is a row, it is the first of the first task. */
static int begin(struct run *run, struct error *err)
{
    struct tokenize_options *o = &run->options;
    const char *line;
    size_t len;
    int rc;

    if (writes_stream(o) && stream_begin(&run->writer, run->out, o->head) < 0) {
        *err = run->out->error;
        return -1;
    }
    if (flush_before_wait(run, err) < 0) /* the head goes out before the first wait */
        return -1;
    rc = lines_next(run->lines, &line, &len, err);
    if (rc < 0)
        return -1;
    run->at_end = rc == 0;
    if (run->at_end)
        return 0;
    if (sentence_format_sniff(&o->format, o->input_format, line, len, err) < 0)
        return error_prefix(err, "%s:1", run->lines->in.name);
    if (!o->format.has_header)
        task_add(run, &run->tasks[0], line, len);
    return 0;
}

static int finish(struct run *run, struct error *err)
{
    const struct tokenize_options *o = &run->options;

    if (o->expect_rows >= 0 && run->summary->rows < (uint64_t)o->expect_rows)
        return error_set(err, STATUS_FAILURE, "%s: %llu rows where --expect-rows says %ld; the input is not complete",
                         run->lines->in.name, (unsigned long long)run->summary->rows, o->expect_rows);
    if (writes_stream(o) && stream_end(&run->writer) < 0) {
        *err = run->out->error;
        return -1;
    }
    return 0;
}

static int loop(struct run *run, struct progress *progress, struct error *err)
{
    while (!run->at_end) {
        size_t n;
        struct error read_error = {0};
        int rc = read_tasks(run, &n, &read_error);
        work_on_tasks(run, n);
        if (write_tasks(run, n, err) < 0)
            return -1;
        if (rc < 0) {
            *err = read_error;
            return -1;
        }
        progress_update(progress, run->summary->rows, NULL);
        if (!run->at_end && flush_before_wait(run, err) < 0)
            return -1;
    }
    return 0;
}

static void free_run(struct run *run)
{
    for (size_t i = 0; i < run->n_tasks; i++) {
        buf_free(&run->tasks[i].bytes);
        free(run->tasks[i].ends);
        free(run->tasks[i].failures);
        frame_builder_free(&run->tasks[i].builder);
    }
    for (int i = 0; i < run->options.threads; i++) {
        encoder_scratch_free(run->workers[i].scratch);
        sentence_parser_free(&run->workers[i].parser);
        buf_free(&run->workers[i].line);
    }
    free(run->tasks);
    free(run->workers);
}

int tokenize_run(const struct tokenize_options *options, struct lines *lines, struct output *out,
                 struct progress *progress, struct tokenize_summary *summary, struct error *err)
{
    struct run run = {.options = *options, .lines = lines, .out = out, .summary = summary};
    int rc;

    *summary = (struct tokenize_summary){0};
    run.n_tasks = (size_t)options->threads * TASKS_PER_THREAD;
    run.tasks = xcalloc(run.n_tasks, sizeof *run.tasks);
    run.workers = xcalloc((size_t)options->threads, sizeof *run.workers);
    for (int i = 0; i < options->threads; i++) {
        run.workers[i].scratch = encoder_scratch_new();
        run.workers[i].counter = options->counters ? &options->counters[i] : NULL;
    }
    rc = begin(&run, err);
    if (rc == 0)
        rc = loop(&run, progress, err);
    if (rc == 0)
        rc = finish(&run, err);
    free_run(&run);
    return rc;
}
