/* batch_fetch.c - `--batch fetch`: what ended batches hold into the journal, then the rows that it answers. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "teacher/batch_internal.h"
#include "teacher/batch_lines.h"
#include "teacher/batch_results.h"

struct fetch {
    struct batch *batch;
    int fd; /* takes a result file */
    struct key_set open;
    struct buf text;
    uint64_t open_batches, gone, unanswered, failed; /* batches; questions */
    uint64_t rows, pending, pending_open; /* rows; without an answer; of these with a question in an open batch */
};

/* ---- batches ---- */

/* One of the result files. One that the server has removed meanwhile is of no more use, and nothing to wait for. */
static int read_file(struct fetch *f, const char *file, struct batch_results *r, struct error *err)
{
    struct batch_api *api = &f->batch->api;
    if (!file)
        return 0;
    if (api_download(api, file, f->fd, err) == 0)
        return results_read(r, f->fd, err);
    if (!api->gone)
        return -1;
    batch_complain(f->batch, "batch %s: a file of its results is gone: %s", r->part->batch, err->text);
    *err = (struct error){0};
    return 0;
}

static int read_files(struct fetch *f, const struct batch_info *info, struct batch_results *r, struct error *err)
{
    if (read_file(f, info->output_file, r, err) < 0)
        return -1;
    return read_file(f, info->error_file, r, err);
}

static void tell(const struct fetch *f, const struct batch_part *part, const struct batch_info *info,
                 const struct batch_results *r)
{
    const struct batch *b = f->batch;
    struct buf text = {0};
    buf_addf(&text, "batch %s %s: %llu answered, %llu failed", part->batch, info->state,
             (unsigned long long)r->answered, (unsigned long long)r->failed);
    if (r->unanswered)
        buf_addf(&text, ", %llu to be asked anew", (unsigned long long)r->unanswered);
    if (r->unanswered && *r->first_words)
        buf_addf(&text, " (%s)", r->first_words);
    if (r->usage.total >= 0 || r->usage.prompt >= 0)
        buf_addf(&text, "; %lld tokens in, %lld out at batch price", r->usage.prompt, r->usage.completion);
    if (r->answered + r->failed > 0)
        buf_addstr(&text, ", ");
    if (r->answered + r->failed > 0 && r->spending.price.known)
        cost_write(&text, r->spending.cost);
    else if (r->answered + r->failed > 0)
        buf_addstr(&text, "unpriced (no --price)");
    if (r->spending.unpriced)
        buf_addf(&text, "; %llu answers did not tell their tokens", (unsigned long long)r->spending.unpriced);
    batch_say(b, "%s", text.data);
    buf_free(&text);
    if (*info->errors)
        batch_complain(b, "batch %s: the server says: %s", part->batch, info->errors);
    if (r->unknown)
        batch_complain(b, "batch %s: %llu lines of no question of ours, left out", part->batch,
                       (unsigned long long)r->unknown);
    if (r->doubled)
        batch_complain(b, "batch %s: %llu lines of a question that had one already", part->batch,
                       (unsigned long long)r->doubled);
    if (r->unreadable)
        batch_complain(b, "batch %s: %llu lines that cannot be read", part->batch, (unsigned long long)r->unreadable);
}

static bool lacks_lines(const struct batch_results *r, const struct batch_info *info)
{
    long long expected = (info->completed > 0 ? info->completed : 0) + (info->failed > 0 ? info->failed : 0);
    return (long long)r->lines < expected;
}

/* Both files, read twice where they hold less than the server counts: a download may end early without a trace. */
static int take_results(struct fetch *f, struct batch_part *part, const struct batch_info *info, struct error *err)
{
    struct batch *b = f->batch;
    struct asker *a = b->settings->asker;
    struct batch_results r;
    int result = -1;
    for (int tries = 0; tries < 2; tries++) {
        if (results_init(&r, a, part, err) < 0)
            return -1;
        result = read_files(f, info, &r, err);
        if (result < 0 || !lacks_lines(&r, info) || tries == 1)
            break;
        results_free(&r);
    }
    if (result == 0)
        result = results_end(&r, err);
    if (result == 0 && lacks_lines(&r, info))
        batch_complain(b, "batch %s: the server counts %lld results, its files hold %llu", part->batch,
                       info->completed + info->failed, (unsigned long long)r.lines);
    if (result == 0) {
        tell(f, part, info, &r);
        usage_add(&a->usage, &r.usage);
        a->spending.cost += r.spending.cost;
        a->spending.unpriced += r.spending.unpriced;
        f->unanswered += r.unanswered;
        f->failed += r.failed;
        result = batch_state_note(&b->state, part, PART_FETCHED, info->state, err);
    }
    results_free(&r);
    return result;
}

static int fetch_part(struct fetch *f, struct batch_part *part, struct error *err)
{
    struct batch *b = f->batch;
    struct batch_info info = {0};
    int result = api_batch(&b->api, part->batch, &info, err);
    if (result == 0 && info.ended) {
        result = take_results(f, part, &info, err);
    } else if (result == 0) {
        f->open_batches++;
    } else if (b->api.gone) { /* the others may still be there */
        batch_complain(b, "batch %s: %s", part->batch, err->text);
        f->gone++;
        result = 0;
    }
    batch_info_free(&info);
    return result;
}

static int fetch_parts(struct fetch *f, struct error *err)
{
    struct batch *b = f->batch;
    for (size_t i = 0; i < b->state.n; i++) {
        struct batch_part *part = &b->state.parts[i];
        if (!batch_part_is_open(part) || !batch_is_here(b, part))
            continue;
        if (fetch_part(f, part, err) < 0)
            return -1;
    }
    *err = (struct error){0};
    return 0;
}

/* ---- rows ---- */

/* Whether each of the row's questions has been answered, or has failed and is not being asked again. *waits: one that
 * has not is in an open batch. */
static int is_settled(struct fetch *f, const struct batch_row *row, bool *waits, struct error *err)
{
    const struct batch_settings *s = f->batch->settings;
    unsigned char key[JOURNAL_KEY_SIZE];
    bool all = true;
    for (unsigned i = 0; i < s->samples; i++) {
        struct record record;
        asker_key(s->asker, row->sentence.at, row->sentence.len, i, key);
        buf_reset(&f->text);
        int found = asker_recall(s->asker, key, row->sentence, &record, &f->text, err);
        if (found < 0)
            return -1;
        if (found > 0 && record.ok)
            continue;
        bool is_open = key_set_find(&f->open, key) >= 0;
        all = all && found > 0 && !is_open;
        *waits = *waits || is_open;
    }
    return all;
}

static int take_row(void *user, const struct batch_row *row, struct error *err)
{
    struct fetch *f = user;
    const struct batch_settings *s = f->batch->settings;
    struct error why = {0};
    bool waits = false;
    int settled = row->sentence.at ? is_settled(f, row, &waits, err) : 1;
    if (settled < 0)
        return -1;
    f->rows++;
    f->pending += !settled;
    f->pending_open += waits;
    if (!settled || (f->pending && !s->unordered)) /* what is written is an unbroken beginning */
        return 0;
    if (window_add(s->window, s->asker, row->line, row->len, row->number, row->ask, &why, err) < 0)
        return -1;
    window_write(s->window, s->asker, s->output);
    return s->output->error.status ? -1 : 0; /* the caller looks at it */
}

/* Writes what can be written; the error says what cannot. */
static void write_rows(struct fetch *f, struct error *err)
{
    const struct batch_settings *s = f->batch->settings;
    batch_open_keys(&f->batch->state, &f->open);
    if (batch_each_row(f->batch, take_row, f, err) < 0)
        return;
    f->failed = s->window->failed;
    batch_say(f->batch, "%llu rows: %llu written, %llu of them failed", (unsigned long long)f->rows,
              (unsigned long long)s->window->written, (unsigned long long)s->window->failed);
    if (f->pending > f->pending_open)
        error_set(
            err, STATUS_RESUMABLE,
            "%llu rows have no answer yet, %llu of them in open batches; for the others run --batch submit again, "
            "or the same command without --batch to ask at once",
            (unsigned long long)f->pending, (unsigned long long)f->pending_open);
    else if (f->pending > 0)
        error_set(err, STATUS_RESUMABLE, "%llu rows wait for open batches: fetch again later",
                  (unsigned long long)f->pending);
}

/* The same where no rows were given. */
static void conclude(const struct fetch *f, struct error *err)
{
    if (f->unanswered)
        error_set(err, STATUS_RESUMABLE,
                  "%llu questions have no answer: run --batch submit again, or the same command without --batch",
                  (unsigned long long)f->unanswered);
    else if (f->open_batches)
        error_set(err, STATUS_RESUMABLE, "%llu batches have not ended yet: fetch again later",
                  (unsigned long long)f->open_batches);
}

/* ---- all ---- */

int batch_fetch(struct batch *b, struct error *err)
{
    struct fetch f = {.batch = b, .fd = file_without_name(b->settings->journal_path, err)};
    if (f.fd >= 0 && fetch_parts(&f, err) == 0) {
        if (b->settings->rows)
            write_rows(&f, err);
        else
            conclude(&f, err);
    }
    if (f.gone && (err->status == 0 || err->status == STATUS_RESUMABLE))
        error_set(err, STATUS_USAGE, "%llu batches are unknown to the server; --batch cancel gives them up",
                  (unsigned long long)f.gone);
    if (f.fd >= 0)
        close(f.fd);
    key_set_free(&f.open);
    buf_free(&f.text);
    return err->status ? err->status : f.failed ? STATUS_PARTIAL : STATUS_OK;
}
