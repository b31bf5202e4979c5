/* batch_submit.c - `--batch submit`: questions into files, files to the server, batches ordered of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/progress.h"
#include "teacher/batch_internal.h"
#include "teacher/batch_lines.h"

static const uint64_t most_bytes = 95 * 1000 * 1000; /* the limit is 100 MB by one page of Groq's, 200 by another */

struct submit {
    struct batch *batch;
    struct batch_lines lines;
    struct key_set open, seen; /* questions of open batches; of the rows so far */
    struct buf body, text;
    char *labels;
    bool capped; /* --max-cost or --max-tokens-total ends the reading */
    uint64_t rows, unaskable, answered, waiting, ordered, parts;
};

/* ---- one part ---- */

static void make_part_id(char id[17])
{
    unsigned char random[8];
    if (getrandom(random, sizeof random, 0) != sizeof random) {
        double now = monotonic_seconds();
        memcpy(random, &now, sizeof random);
    }
    for (size_t i = 0; i < sizeof random; i++) {
        id[2 * i] = "0123456789abcdef"[random[i] >> 4];
        id[2 * i + 1] = "0123456789abcdef"[random[i] & 15];
    }
    id[16] = '\0';
}

static int upload(struct submit *s, struct batch_part *part, struct error *err)
{
    struct batch *b = s->batch;
    struct buf name = {0};
    buf_addf(&name, "groq-reason-%s.jsonl", part->id);
    const struct http_file file = {.purpose = "batch", .name = name.data, .fd = s->lines.fd, .size = s->lines.bytes};
    char *id = api_upload(&b->api, &file, err);
    int result = id ? batch_state_note(&b->state, part, PART_UPLOADED, id, err) : -1;
    free(id);
    buf_free(&name);
    return result;
}

/* What is unknown after a failure stays so in the state file, and the next run looks at the server first. */
static int order(struct submit *s, struct batch_part *part, struct error *err)
{
    struct batch *b = s->batch;
    struct error ignored = {0};
    if (batch_state_note(&b->state, part, PART_ORDERING, NULL, err) < 0)
        return -1;
    char *id = api_order(&b->api, part->file, b->settings->completion_window, err);
    if (!id && !b->api.unknown) {
        api_delete(&b->api, part->file, &ignored);
        batch_state_note(&b->state, part, PART_DROPPED, NULL, &ignored);
    }
    if (!id)
        return -1;
    int result = batch_state_note(&b->state, part, PART_ORDERED, id, err);
    batch_say(b, "batch %s: %lld questions", id, part->questions);
    free(id);
    return result;
}

/* Uploads what has been gathered and orders a batch of it. */
static int ship(struct submit *s, struct error *err)
{
    struct batch *b = s->batch;
    const struct prompt_settings *p = &b->settings->asker->settings.prompt;
    char id[17];
    if (s->lines.keys.n == 0)
        return 0;
    make_part_id(id);
    const struct batch_part given = {.id = id,
                                     .server = b->api.http_settings.endpoint->identity,
                                     .model = (char *)p->model,
                                     .labels = s->labels,
                                     .counterfactual = p->rules.counterfactual,
                                     .budget = p->budget,
                                     .keys = s->lines.keys};
    struct batch_part *part = NULL;
    if (batch_lines_flush(&s->lines, err) == 0)
        part = batch_state_begin(&b->state, &given, s->lines.bytes, err);
    if (!part || upload(s, part, err) < 0 || order(s, part, err) < 0)
        return -1;
    s->ordered += s->lines.keys.n;
    s->parts++;
    return batch_lines_reset(&s->lines, err);
}

/* ---- questions ---- */

/* The request: the first, or after an answer that was off schema the next of the same question. */
static int write_body(struct submit *s, const struct batch_row *row, unsigned sample, const unsigned char *key,
                      bool *cut, struct error *err)
{
    struct asker *a = s->batch->settings->asker;
    struct record before;
    unsigned tries = 0;
    bool this_run;
    *cut = false;
    int found = journal_find(a->settings.journal, key, &before, &this_run, err);
    if (found < 0)
        return -1;
    if (found > 0 && !before.ok) {
        *cut = strcmp(before.kind, "truncated") == 0;
        if (*cut || strcmp(before.kind, "bad_json") == 0 || strcmp(before.kind, "bad_label") == 0)
            tries = before.attempts > 0 && before.attempts < 1000 ? (unsigned)before.attempts : 1;
    }
    buf_reset(&s->body);
    asker_body(a, row->sentence.at, row->sentence.len, sample, tries, *cut, &s->body);
    return 0;
}

/* Counts what the question may cost; -1 where that is more than the caps leave. */
static int reserve(struct submit *s, bool cut, struct error *err)
{
    struct asker *a = s->batch->settings->asker;
    struct spending *spending = &a->spending;
    const struct stake stake = {.prompt = (long)ceil(gate_prompt_tokens(&a->gate, s->body.len)),
                                .completion = a->settings.prompt.budget << cut};
    if (spending_allows(spending, stake)) {
        spending_stake(spending, stake);
        return 0;
    }
    struct buf text = {0};
    buf_addf(&text, "%s%s%s is reached: what is ordered may take %lld tokens",
             spending->max_cost >= 0 ? "--max-cost" : "",
             spending->max_cost >= 0 && spending->max_tokens >= 0 ? " or " : "",
             spending->max_tokens >= 0 ? "--max-tokens-total" : "", spending->staked_tokens);
    if (spending->price.known) {
        buf_addstr(&text, " and cost ");
        cost_write(&text, spending->staked_cost);
    }
    error_set(err, STATUS_RESUMABLE, "%s; run it again for the rest", text.data);
    buf_free(&text);
    s->capped = true;
    return -1;
}

static int add_question(struct submit *s, const struct batch_row *row, unsigned sample, struct error *err)
{
    const struct batch_settings *settings = s->batch->settings;
    unsigned char key[JOURNAL_KEY_SIZE];
    struct record record;
    bool cut;
    asker_key(settings->asker, row->sentence.at, row->sentence.len, sample, key);
    if (!key_set_add(&s->seen, key))
        return 0;
    if (key_set_find(&s->open, key) >= 0) {
        s->waiting++;
        return 0;
    }
    buf_reset(&s->text);
    int answered = asker_recall(settings->asker, key, row->sentence, &record, &s->text, err);
    if (answered != 0) {
        s->answered += answered > 0;
        return answered < 0 ? -1 : 0;
    }
    if (write_body(s, row, sample, key, &cut, err) < 0 || reserve(s, cut, err) < 0)
        return -1;
    if ((s->lines.keys.n == settings->most_lines || s->lines.bytes + batch_lines_size(&s->body) > most_bytes) &&
        ship(s, err) < 0)
        return -1;
    return batch_lines_add(&s->lines, key, &s->body, err);
}

static int take_row(void *user, const struct batch_row *row, struct error *err)
{
    struct submit *s = user;
    s->rows++;
    s->unaskable += row->ask && !row->sentence.at;
    for (unsigned i = 0; row->sentence.at && i < s->batch->settings->samples; i++) {
        if (add_question(s, row, i, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- all ---- */

static char *join_labels(const struct class_names *labels)
{
    struct buf text = {0};
    for (size_t i = 0; i < labels->n; i++)
        buf_addf(&text, "%s%s", i ? "," : "", labels->names[i]);
    return text.data;
}

static void summarise(const struct submit *s)
{
    struct buf text = {0};
    buf_addf(&text, "%llu rows: %llu questions in %llu batches", (unsigned long long)s->rows,
             (unsigned long long)s->ordered, (unsigned long long)s->parts);
    if (s->answered)
        buf_addf(&text, ", %llu answered already", (unsigned long long)s->answered);
    if (s->waiting)
        buf_addf(&text, ", %llu in open batches already", (unsigned long long)s->waiting);
    if (s->unaskable)
        buf_addf(&text, ", %llu that cannot be asked", (unsigned long long)s->unaskable);
    if (s->ordered || s->waiting)
        buf_addstr(&text, "; look with --batch status, get the answers with --batch fetch");
    batch_say(s->batch, "%s", text.data);
    buf_free(&text);
}

int batch_submit(struct batch *b, struct error *err)
{
    struct submit s = {.batch = b, .labels = join_labels(&b->settings->asker->settings.prompt.rules.labels)};
    struct error end = {0}; /* what ends the reading of rows early */
    batch_open_keys(&b->state, &s.open);
    if (batch_lines_open(&s.lines, b->settings->journal_path, err) == 0) {
        bool stops = batch_each_row(b, take_row, &s, &end) < 0 && !s.capped;
        if (stops || ship(&s, err) == 0) /* what keeps within a cap is ordered */
            *err = end;
    }
    summarise(&s);
    batch_lines_close(&s.lines);
    key_set_free(&s.open);
    key_set_free(&s.seen);
    buf_free(&s.body);
    buf_free(&s.text);
    free(s.labels);
    return err->status ? err->status : s.unaskable ? STATUS_PARTIAL : STATUS_OK;
}
