/* dry_run.c - see dry_run.h. */
#include "teacher/dry_run.h"

#include <string.h>

#include "teacher/window.h"

struct reader {
    struct dry_run *run;
    struct asker *asker;
    const struct key_set *ordered;
    struct key_set seen;
    struct buf body, text;
};

/* An answer that is there tells what such questions take. */
static void learn(struct reader *r, const struct record *record)
{
    struct dry_run *run = r->run;
    if (!record->ok || record->attempts != 1 || record->usage.prompt < 0 || record->usage.completion < 0)
        return;
    run->known++;
    run->known_bytes += (double)r->body.len;
    run->known_prompt += (double)record->usage.prompt;
    run->known_completion += (double)record->usage.completion;
}

static int count_question(struct reader *r, const struct json_node *sentence, unsigned sample, struct error *err)
{
    unsigned char key[JOURNAL_KEY_SIZE];
    struct record record;
    struct dry_run *run = r->run;
    asker_key(r->asker, sentence->text, sentence->len, sample, key);
    if (!key_set_add(&r->seen, key))
        return 0;
    buf_reset(&r->body);
    buf_reset(&r->text);
    asker_body(r->asker, sentence->text, sentence->len, sample, 0, false, &r->body);
    int found =
        asker_recall(r->asker, key, (struct span_of_text){sentence->text, sentence->len}, &record, &r->text, err);
    if (found < 0)
        return -1;
    run->questions++;
    if (found > 0) {
        run->answered++;
        learn(r, &record);
        return 0;
    }
    if (key_set_find(r->ordered, key) >= 0) {
        run->ordered++;
        return 0;
    }
    run->bytes += (double)r->body.len;
    if (run->request.len == 0)
        buf_add(&run->request, r->body.data, r->body.len);
    return 0;
}

static int count_row(struct reader *r, const struct json_node *sentence, unsigned samples, struct error *err)
{
    for (unsigned k = 0; k < samples; k++)
        if (count_question(r, sentence, k, err) < 0)
            return -1;
    return 0;
}

int dry_run_read(struct dry_run *run, struct asker *asker, struct lines *lines, long ask, unsigned samples,
                 const struct key_set *ordered, void (*complain)(void *user, const char *text), void *user,
                 struct error *err)
{
    struct reader r = {.run = run, .asker = asker, .ordered = ordered};
    struct json doc = {0};
    const char *line;
    size_t len;
    int got;
    while ((got = lines_next(lines, &line, &len, err)) > 0) {
        struct error why = {0};
        bool unreadable = false, wanted = ask < 0 || run->rows - run->passed - run->unaskable < (uint64_t)ask;
        if (plain_trim((struct span_of_text){line, len}).len == 0)
            continue;
        run->rows++;
        const struct json_node *sentence =
            wanted ? row_sentence(&doc, line, len, lines->number, &unreadable, &why) : NULL;
        run->passed += !wanted;
        run->unaskable += wanted && !sentence;
        if (why.status)
            complain(user, why.text);
        if (sentence && count_row(&r, sentence, samples, err) < 0) {
            got = -1;
            break;
        }
    }
    key_set_free(&r.seen);
    buf_free(&r.body);
    buf_free(&r.text);
    json_free(&doc);
    return got < 0 ? -1 : 0;
}

static void write_cost(const struct dry_run *run, const struct asker *a, double prompt, double completion, double most,
                       struct buf *out)
{
    const struct price *p = &a->spending.price;
    buf_addstr(out, "cost                 ");
    if (!p->known) {
        buf_addstr(out, "unpriced (no --price)\n");
        return;
    }
    if (run->known > 0) {
        buf_addstr(out, "about ");
        cost_write(out, prompt * p->prompt + completion * p->completion);
        buf_addstr(out, ", ");
    }
    buf_addstr(out, "at most about ");
    cost_write(out, prompt * p->prompt + most * p->completion);
    buf_addch(out, '\n');
}

void dry_run_write(const struct dry_run *run, const struct asker *a, struct buf *out)
{
    uint64_t ask = run->questions - run->answered - run->ordered;
    double prompt = run->known ? run->bytes * (run->known_prompt / run->known_bytes)
                               : gate_prompt_tokens(&a->gate, (size_t)run->bytes);
    double most = (double)ask * (double)a->settings.prompt.budget;
    double completion = run->known ? (double)ask * run->known_completion / (double)run->known : most;
    buf_addf(out, "rows                 %llu\n", (unsigned long long)run->rows);
    if (run->passed > 0)
        buf_addf(out, "passed untouched     %llu\n", (unsigned long long)run->passed);
    if (run->unaskable > 0)
        buf_addf(out, "cannot be asked      %llu\n", (unsigned long long)run->unaskable);
    buf_addf(out, "distinct questions   %llu\n", (unsigned long long)run->questions);
    buf_addf(out, "in the journal       %llu\n", (unsigned long long)run->answered);
    if (run->ordered > 0)
        buf_addf(out, "in open batches      %llu\n", (unsigned long long)run->ordered);
    buf_addf(out, "to ask               %llu\n", (unsigned long long)ask);
    if (run->known > 0)
        buf_addf(out, "tokens in            about %.0f, by %llu answers in the journal\n", prompt,
                 (unsigned long long)run->known);
    else
        buf_addf(out, "tokens in            about %.0f, four bytes a token\n", prompt);
    if (run->known > 0)
        buf_addf(out, "tokens out           about %.0f, at most %.0f\n", completion, most);
    else
        buf_addf(out, "tokens out           at most %.0f\n", most);
    write_cost(run, a, prompt, completion, most, out);
    if (run->request.len > 0)
        buf_addf(out, "first request        POST %s\n%s\n", a->settings.http.endpoint->url, run->request.data);
}

void dry_run_free(struct dry_run *run)
{
    buf_free(&run->request);
    *run = (struct dry_run){0};
}
