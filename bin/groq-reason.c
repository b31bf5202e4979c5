/* groq-reason - asks a large language model for each row's label and its reasons.
 *
 * NDJSON in, the same rows with a `teacher` member out, in order. It sends, waits, retries and remembers
 * (common/teacher); it trains nothing and prints nothing but rows on stdout. What it has paid for is in the journal
 * before anybody sees it.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/cli.h"
#include "base/diag.h"
#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/utf8.h"
#include "teacher/asker.h"
#include "teacher/batch.h"
#include "teacher/dry_run.h"
#include "teacher/plain.h"
#include "teacher/row_report.h"
#include "teacher/window.h"
#include "wire/lines.h"

enum { MOST_COMPLAINTS = 10, ROWS_BETWEEN_WAITS = 64 };
static const double drain_seconds = 10; /* for what is under way when a run ends early */
static const double trouble_pause = 30; /* when rows fail one after another */
static const size_t longest_line = (size_t)64 << 20;
static const size_t longest_prompt = 1 << 20;

struct options {
    const char *output, *profile, *base_url, *model, *key_file, *labels, *prompt_file, *format, *effort, *ca_file,
        *journal, *price, *report, *batch, *batch_window;
    bool counterfactual, keep_journal, keep_errors, strict_input, reparse, dry_run, unordered, temperature_given,
        max_cost_given;
    long ask, samples, seed, budget, concurrency, retries, timeout, max_tokens, batch_lines;
    double temperature, max_wait, max_cost, limits[LIMIT_KINDS];
};

/* A run: what main opens and the loop works on. */
struct run {
    struct options options;
    struct endpoint endpoint;
    struct key key;
    struct answer_rules rules;
    char *template, *sends_nothing, *journal_path; /* the last NULL: no journal */
    int sends_nothing_status;
    struct price price;
    struct journal journal;
    struct lines lines;
    struct output output;
    struct asker asker;
    struct window window;
    struct progress progress;
    struct row_report report;
    uint64_t asked, complaints;
    bool input_ended, partial; /* partial: rows of a batch could not be asked, or failed */
    struct error refused;      /* the line at which --strict-input ends the run; status 0: none */
    double drain_until;        /* 0: the run is not ending early */
};

/* ---- signals: the first ends the run gently, the second at once ---- */

static volatile sig_atomic_t signal_number, signal_count;
static int signal_pipe[2];

static void on_signal(int number)
{
    int saved = errno;
    signal_number = number;
    signal_count = signal_count + 1;
    ssize_t ignored = write(signal_pipe[1], "", 1); /* wakes the loop; a full pipe does too */
    (void)ignored;
    errno = saved;
}

static void catch_signals(void)
{
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        die(STATUS_FAILURE, "pipe: %s", strerror(errno));
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
        struct sigaction before;
        sigaction(caught[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) /* nohup, background jobs */
            sigaction(caught[i], &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN); /* a server that hangs up; stdout's EPIPE is base/io's business */
    signal(SIGXFSZ, SIG_IGN); /* a full journal is an error, not a death */
}

/* ---- opening ---- */

static void notice(const char *text)
{
    warn("%s", text);
}

static void check_utf8(const char *option, const char *text)
{
    if (text && utf8_check(text, strlen(text)) < strlen(text))
        cli_usage_error("--%s: not UTF-8", option);
}

static void open_endpoint(struct run *r, const struct profile *profile)
{
    struct options *o = &r->options;
    struct error err = {0};
    if (!o->base_url)
        o->base_url = profile->base_url;
    if (!o->model)
        o->model = profile->model;
    if (!o->base_url || !o->model)
        cli_usage_error("--profile %s needs --%s", profile->name, o->base_url ? "model" : "base-url");
    check_utf8("model", o->model);
    if (o->ca_file && access(o->ca_file, R_OK) < 0)
        cli_usage_error("--cacert %s: %s", o->ca_file, strerror(errno));
    if (endpoint_open(&r->endpoint, o->base_url, &err) < 0 || answer_rules_labels(&r->rules, o->labels, &err) < 0)
        cli_usage_error("%s", err.text);
    r->rules.counterfactual = o->counterfactual;
}

static void read_template(struct run *r)
{
    struct error err = {0};
    size_t len;
    if (!r->options.prompt_file)
        return;
    r->template = file_read(r->options.prompt_file, longest_prompt, &len, &err);
    if (!r->template)
        err.status = STATUS_USAGE;
    else if (prompt_check_template(r->template, len, &err) < 0)
        error_prefix(&err, "%s", r->options.prompt_file);
    if (err.status)
        die_error(&err);
}

/* The default journal lies in the state folder. */
static char *journal_path(const struct options *o)
{
    if (o->journal)
        return xstrdup(o->journal);
    char *folder = path_state_home();
    if (!folder)
        die(STATUS_USAGE, "neither XDG_STATE_HOME nor HOME is set: give --journal FILE or --no-journal");
    char *path = path_join(folder, "groq-reason.ndjson");
    free(folder);
    return path;
}

/* Why nothing can be sent: no key, or --reparse. */
static void find_hindrance(struct run *r, const struct profile *profile)
{
    struct buf text = {0};
    r->sends_nothing_status = STATUS_USAGE;
    if (r->options.reparse) {
        buf_addstr(&text, "the journal does not answer all rows, and --reparse asks for none; leave it out to ask");
        r->sends_nothing_status = STATUS_RESUMABLE;
    } else if (!r->key.text && profile->key_variable && (!r->endpoint.loopback || profile->key_on_loopback)) {
        buf_addf(&text, "%s is not set: export it, or give --key-file FILE (mode 0600)", profile->key_variable);
    }
    r->sends_nothing = text.data;
}

/* A dry run makes no journal. */
static bool opens_journal(const struct options *o, const char *path)
{
    return path && (!o->dry_run || path_exists(path));
}

static void open_key(struct run *r, const struct profile *profile)
{
    struct error err = {0};
    if (key_load(&r->key, r->options.key_file, profile->key_variable, &err) < 0)
        die_error(&err);
    find_hindrance(r, profile);
    r->journal.file.fd = -1;
    r->journal_path = r->options.keep_journal ? journal_path(&r->options) : NULL;
}

/* Where nothing can be sent, only a journal that may hold the answers is worth a start: nothing is read from stdin
 * before that is clear. */
static void open_journal(struct run *r)
{
    const struct options *o = &r->options;
    struct error err = {0};
    const char *path = r->journal_path;
    bool needed = r->sends_nothing && o->ask != 0 && !o->dry_run;
    if (needed && (!path || !path_exists(path)))
        die(r->sends_nothing_status, "%s", r->sends_nothing);
    if (opens_journal(o, path) && journal_open(&r->journal, path, &err) < 0)
        die_error(&err);
    if (needed && r->journal.n_entries == 0)
        die(r->sends_nothing_status, "%s", r->sends_nothing);
    if (r->journal.file.fd >= 0 && !o->journal)
        inform(0, "journal %s (%zu answers; --no-journal to do without)", path, r->journal.n_entries);
    if (r->journal.unusable)
        warn("%s: %llu lines are no entries and were left alone", path, (unsigned long long)r->journal.unusable);
}

/* Prices, caps and where they are told. */
static void open_accounts(struct run *r)
{
    const struct options *o = &r->options;
    struct error err = {0};
    if (o->price && price_parse(&r->price, o->price, &err) < 0)
        cli_usage_error("%s", err.text);
    if (o->max_cost_given && !r->price.known)
        cli_usage_error("--max-cost needs --price IN,OUT: no prices are built in");
    if (o->reparse && !o->keep_journal)
        cli_usage_error("--reparse reads the journal: leave out --no-journal");
    if (o->report && row_report_open(&r->report, o->report, &r->price, &err) < 0)
        die_error(&err);
}

/* Samples at a low temperature would all be one answer. OpenAI's reasoning models refuse the field. */
static double temperature_of(const struct options *o)
{
    if (o->temperature_given)
        return o->temperature;
    return strcmp(o->profile, "openai") == 0 ? -1 : o->samples > 1 ? 0.7 : o->temperature;
}

static void open_asker(struct run *r, const struct profile *profile)
{
    const struct options *o = &r->options;
    static const char *const formats[] = {"strict", "schema", "object", "text"};
    enum answer_format format = profile_format(profile, o->model);
    size_t window = 8 * (size_t)o->concurrency < 64 ? 64 : 8 * (size_t)o->concurrency;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(o->format, formats[i]) == 0)
            format = (enum answer_format)i;
    }
    const struct asker_settings settings = {
        .prompt = {.profile = profile,
                   .model = o->model,
                   .rules = r->rules,
                   .template = r->template,
                   .temperature = temperature_of(o),
                   .effort = o->effort ? o->effort : profile_effort(profile, o->model),
                   .seed = o->seed,
                   .budget = o->budget,
                   .format = format},
        .http = {.endpoint = &r->endpoint,
                 .key = &r->key,
                 .ca_file = o->ca_file,
                 .timeout = o->timeout,
                 .concurrency = (unsigned)o->concurrency},
        .gate = {.most = (unsigned)o->concurrency,
                 .limits = {o->limits[LIMIT_RPM], o->limits[LIMIT_TPM], o->limits[LIMIT_RPD], o->limits[LIMIT_TPD]},
                 .requests_by_day = profile->groq_fields,
                 .pause = fmin(trouble_pause, o->max_wait)},
        .journal = &r->journal,
        .keep_errors = o->keep_errors || (o->batch && batch_command_find(o->batch) == BATCH_FETCH),
        .format_fixed = strcmp(o->format, "auto") != 0,
        .retries = (unsigned)o->retries,
        .max_wait = o->max_wait,
        .price = o->batch ? price_in_batch(&r->price) : r->price,
        .max_cost = o->max_cost_given ? o->max_cost : -1,
        .max_tokens = o->max_tokens > 0 ? o->max_tokens : -1,
        .sends_nothing = r->sends_nothing,
        .sends_nothing_status = r->sends_nothing_status,
        .notice = notice};
    const struct window_settings rows = {.cap = window,
                                         .samples = (unsigned)o->samples,
                                         .unordered = o->unordered,
                                         .strict = o->strict_input,
                                         .classes = r->rules.labels.n,
                                         .report = o->report ? &r->report : NULL};
    asker_init(&r->asker, &settings, window * rows.samples);
    window_init(&r->window, &rows);
}

/* ---- the loop ---- */

static bool is_blank(const char *line, size_t len)
{
    return plain_trim((struct span_of_text){line, len}).len == 0;
}

static void complain_of_row(void *user, const char *text)
{
    struct run *r = user;
    if (r->complaints++ < MOST_COMPLAINTS)
        complain("%s: %s", r->lines.in.name, text);
}

/* Takes in the rows that are there, as far as they fit; the loop comes round again for more. */
static void read_rows(struct run *r)
{
    struct error err = {0};
    const char *line;
    size_t len;
    for (int i = 0; i < ROWS_BETWEEN_WAITS; i++) {
        if (r->input_ended || r->asker.stop_status || window_full(&r->window) || !lines_ready(&r->lines))
            return;
        int got = lines_next(&r->lines, &line, &len, &err);
        if (got < 0)
            asker_stop(&r->asker, err.status, "%s", err.text);
        r->input_ended = got <= 0;
        if (got <= 0 || is_blank(line, len))
            continue;
        struct error why = {0};
        bool ask = r->options.ask < 0 || r->asked < (uint64_t)r->options.ask;
        got = window_add(&r->window, &r->asker, line, len, r->lines.number, ask, &why, &err);
        if (got < 0)
            asker_stop(&r->asker, err.status, "%s", err.text);
        r->asked += got > 0;
        if (why.status && r->options.strict_input) { /* what came before is finished first */
            error_set(&r->refused, STATUS_USAGE, "%s: %s", r->lines.in.name, why.text);
            r->input_ended = true;
            continue;
        }
        if (why.status)
            complain_of_row(r, why.text);
    }
}

/* True once the run has ended early and nothing is left to wait for. */
static bool is_drained(struct run *r)
{
    double now = monotonic_seconds();
    if (signal_count > 0)
        asker_stop(&r->asker, 128 + signal_number, "%s", strsignal(signal_number));
    if (!r->asker.stop_status)
        return false;
    if (r->drain_until == 0) {
        r->drain_until = now + drain_seconds;
        if (asker_under_way(&r->asker) > 0 && r->asker.stop_status > 128)
            inform(0, "finishing the %u requests under way; once more to stop at once", asker_under_way(&r->asker));
    }
    /* What cannot be kept is not waited for. */
    return signal_count > 1 || r->journal.broken || asker_under_way(&r->asker) == 0 || now >= r->drain_until;
}

static void work(struct run *r)
{
    struct error err = {0};
    struct pollfd fds[2] = {{.fd = signal_pipe[0], .events = POLLIN}, {.fd = r->lines.in.fd, .events = POLLIN}};
    bool want_input = !r->input_ended && !r->asker.stop_status && !window_full(&r->window);
    bool more = want_input && lines_ready(&r->lines);
    char drained[16];
    if (!more && output_flush(&r->output) < 0)
        return;
    double seconds = more ? 0 : r->drain_until > 0 ? r->drain_until - monotonic_seconds() : INFINITY;
    if (asker_work(&r->asker, fds, want_input && !more ? 2 : 1, fmax(seconds, 0), &err) < 0)
        asker_stop(&r->asker, err.status, "%s", err.text);
    while (read(signal_pipe[0], drained, sizeof drained) > 0) {
    }
}

/* How many rows there will be, from the bytes read so far; 0 where the input is no file. */
static uint64_t estimate_rows(const struct run *r)
{
    struct stat st;
    off_t read_up_to = lseek(r->lines.in.fd, 0, SEEK_CUR);
    double consumed = (double)read_up_to - (double)(r->lines.end - r->lines.begin);
    if (fstat(r->lines.in.fd, &st) < 0 || !S_ISREG(st.st_mode) || read_up_to < 0 || consumed <= 0)
        return 0;
    uint64_t taken = r->window.written + r->window.n;
    return r->input_ended ? taken : (uint64_t)((double)taken * (double)st.st_size / consumed);
}

/* What the run costs in time and money, and what holds it up. */
static void show_progress(struct run *r)
{
    const struct asker *a = &r->asker;
    double now = monotonic_seconds(), minutes = (now - r->progress.started) / 60;
    struct buf note = {0};
    if (!progress_due(&r->progress))
        return;
    r->progress.total = estimate_rows(r);
    if (a->usage.total > 0)
        buf_addf(&note, "%.0f tokens/min, ", (double)a->usage.total / minutes);
    if (a->spending.price.known) {
        cost_write(&note, a->spending.cost);
        buf_addstr(&note, ", ");
    }
    gate_describe(&a->gate, now, &note);
    progress_update(&r->progress, r->window.written, note.data);
    buf_free(&note);
}

/* What batches hold is not waited for. */
static void warn_of_batches(const struct run *r)
{
    struct key_set open = {0};
    struct error err = {0};
    if (!r->journal_path || r->sends_nothing)
        return;
    if (batch_open_questions(r->journal_path, &open, &err) < 0)
        warn("%s", err.text);
    else if (open.n > 0)
        warn("%zu questions are in open batches; those among these rows are asked, and paid for, once more (--batch "
             "fetch waits for them)",
             open.n);
    key_set_free(&open);
}

static void label_rows(struct run *r)
{
    warn_of_batches(r);
    progress_start(&r->progress, "rows", 0);
    while (!r->output.error.status) {
        read_rows(r);
        window_write(&r->window, &r->asker, &r->output);
        show_progress(r);
        if (r->window.n == 0 && r->input_ended && r->refused.status)
            asker_stop(&r->asker, r->refused.status, "%s", r->refused.text);
        if ((r->window.n == 0 && r->input_ended) || is_drained(r))
            break;
        work(r);
    }
    window_write(&r->window, &r->asker, &r->output);
    progress_finish(&r->progress);
}

static void complain_of(const char *text)
{
    complain("%s", text);
}

/* Tells what a run would ask, in place of rows. */
static void look_ahead(struct run *r)
{
    struct dry_run dry = {0};
    struct buf text = {0};
    struct key_set ordered = {0};
    struct error err = {0};
    const struct options *o = &r->options;
    if ((o->batch && batch_open_questions(r->journal_path, &ordered, &err) < 0) ||
        dry_run_read(&dry, &r->asker, &r->lines, o->ask, (unsigned)o->samples, &ordered, complain_of_row, r, &err) < 0)
        asker_stop(&r->asker, err.status, "%s", err.text);
    dry_run_write(&dry, &r->asker, &text);
    if (!r->asker.stop_status)
        output_write(&r->output, text.data, text.len);
    buf_free(&text);
    key_set_free(&ordered);
    dry_run_free(&dry);
}

/* ---- batches ---- */

static void say(const char *text)
{
    inform(0, "%s", text);
}

/* Which of submit, status, fetch and cancel it is; their usage. */
static enum batch_command check_batch(const struct options *o, const char *operand)
{
    enum batch_command command = (enum batch_command)batch_command_find(o->batch);
    if (!o->keep_journal)
        cli_usage_error("--batch needs a journal: it is where the answers go");
    if (o->reparse || (o->dry_run && command != BATCH_SUBMIT))
        cli_usage_error("--batch %s and --%s do not go together", o->batch, o->reparse ? "reparse" : "dry-run");
    if (o->strict_input)
        cli_usage_error("--batch %s and --strict-input do not go together", o->batch);
    if (operand && (command == BATCH_STATUS || command == BATCH_CANCEL))
        cli_usage_error("--batch %s takes no rows", o->batch);
    if (o->output && !o->dry_run && (command != BATCH_FETCH || !operand))
        cli_usage_error("--batch %s writes no rows%s", o->batch, command == BATCH_FETCH ? " without FILE" : "");
    return command;
}

static void run_batch(struct run *r, enum batch_command command, const char *operand)
{
    struct options *o = &r->options;
    struct error err = {0};
    const struct batch_settings settings = {
        .asker = &r->asker,
        .journal_path = r->journal_path,
        .rows = command == BATCH_SUBMIT || (command == BATCH_FETCH && operand) ? &r->lines : NULL,
        .window = &r->window,
        .output = &r->output,
        .ask = o->ask,
        .samples = (unsigned)o->samples,
        .unordered = o->unordered,
        .completion_window = o->batch_window                     ? o->batch_window
                             : strcmp(o->profile, "openai") == 0 ? "24h"
                                                                 : "7d",
        .most_lines = (size_t)o->batch_lines,
        .signals = {.fd = signal_pipe[0], .number = &signal_number, .count = &signal_count},
        .say = say,
        .complain = complain_of};
    int status = batch_run(command, &settings, &err);
    if (err.status)
        asker_stop(&r->asker, err.status, "%s", err.text);
    r->partial = status == STATUS_PARTIAL;
}

/* ---- the end ---- */

/* What is known of it, and what is not. */
static void add_cost(struct buf *text, const struct spending *s)
{
    buf_addstr(text, "; ");
    if (s->price.known)
        cost_write(text, s->cost);
    else
        buf_addstr(text, "unpriced (no --price)");
    if (s->unpriced)
        buf_addf(text, "; %llu requests did not tell their tokens", (unsigned long long)s->unpriced);
}

static void summarise(const struct run *r, int status)
{
    const struct asker *a = &r->asker;
    struct buf text = {0};
    buf_addf(&text, "%llu rows: %llu asked", (unsigned long long)r->window.written, (unsigned long long)a->questions);
    if (a->requests > a->questions)
        buf_addf(&text, " in %llu requests", (unsigned long long)a->requests);
    buf_addf(&text, ", %llu from the journal, %llu failed", (unsigned long long)a->replayed,
             (unsigned long long)r->window.failed);
    if (a->reread)
        buf_addf(&text, ", %llu read anew", (unsigned long long)a->reread);
    if (r->window.passed)
        buf_addf(&text, ", %llu passed untouched", (unsigned long long)r->window.passed);
    if (a->usage.total >= 0 || a->usage.prompt >= 0)
        buf_addf(&text, "; %lld tokens in, %lld out", a->usage.prompt, a->usage.completion);
    if (a->requests > 0)
        add_cost(&text, &a->spending);
    inform(0, "%s", text.data);
    buf_free(&text);
    if (status != STATUS_OK && r->journal.file.path)
        inform(0, "to go on, run the same command again: answers so far are in %s", r->journal.file.path);
}

/* Closes everything; the exit status. */
static int finish(struct run *r)
{
    struct error err = {0};
    struct asker *a = &r->asker;
    int status = a->stop_status ? a->stop_status : r->window.failed || r->partial ? STATUS_PARTIAL : STATUS_OK;
    if (r->output.error.status == 0 && a->stop_status && r->output.temporary)
        output_abort(&r->output); /* a named file is complete or absent */
    else if (output_close(&r->output) < 0)
        err = r->output.error;
    if (err.status == 0 && a->stop_status)
        error_set(&err, a->stop_status, "%s", a->stop_text);
    struct error journal_error = {0};
    if (journal_close(&r->journal, &journal_error) < 0 && err.status == 0)
        err = journal_error;
    if (err.status) {
        complain("%s", err.text);
        status = err.status;
    }
    if (!r->options.dry_run && !r->options.batch)
        summarise(r, status);
    if (r->options.report) {
        struct error report_error = {0};
        row_report_end(&r->report, a, status, r->window.written, r->window.failed);
        if (row_report_close(&r->report, &report_error) < 0) {
            complain("%s", report_error.text);
            status = report_error.status;
        }
    }
    window_free(&r->window, a);
    asker_close(a);
    lines_close(&r->lines);
    journal_free(&r->journal);
    key_free(&r->key);
    endpoint_free(&r->endpoint);
    answer_rules_free(&r->rules);
    free(r->template);
    free(r->sends_nothing);
    free(r->journal_path);
    return status;
}

static const char examples[] = "sst2-dump --split train --sample 200 | groq-reason > answers.ndjson\n"
                               "groq-reason --ask 10 rows.ndjson\n"
                               "groq-reason --batch submit rows.ndjson\n"
                               "groq-reason --profile generic --base-url http://localhost:8080/v1 --model m";

/* Fills the options; the index of the first operand. */
static int parse_options(struct options *o, int argc, char **argv)
{
    const struct cli_option table[] = {
        {'o', "output", CLI_FILE, &o->output, "FILE", .help = "write there instead of stdout; complete or absent"},
        {'\0', "profile", CLI_CHOICE, &o->profile, "NAME", .choices = "groq|openai|generic", .help = "kind of server"},
        {'\0', "base-url", CLI_STRING, &o->base_url, "URL",
         .help = "where the API is, up to before /chat/completions (default: the profile's)"},
        {'\0', "model", CLI_STRING, &o->model, "NAME", .help = "model to ask (default for groq: openai/gpt-oss-120b)"},
        {'\0', "key-file", CLI_FILE, &o->key_file, "FILE",
         .help = "file of mode 0600 with the API key (default: GROQ_API_KEY, for openai OPENAI_API_KEY)"},
        {'\0', "labels", CLI_STRING, &o->labels, "A,B,...", .help = "names of the classes, in order"},
        {'\0', "ask", CLI_LONG, &o->ask, "N", .max = 1e15, .no_default = true,
         .help = "ask for the first N rows, pass the rest through untouched (default: ask for all)"},
        {'\0', "prompt-file", CLI_FILE, &o->prompt_file, "FILE",
         .help = "template of the question, with {sentence} and {labels}"},
        {'\0', "no-counterfactual", CLI_UNFLAG, &o->counterfactual,
         .help = "do not ask for the edit that flips the label"},
        {'\0', "answer-format", CLI_CHOICE, &o->format, "FORM", .choices = "auto|strict|schema|object|text",
         .help = "how JSON is asked for"},
        {'\0', "temperature", CLI_DOUBLE, &o->temperature, "X", .max = 2, .given = &o->temperature_given,
         .help = "sampling temperature; openai: only sent if given"},
        {'\0', "seed", CLI_LONG, &o->seed, "N", .max = 1e9, .help = "seed sent with each request"},
        {'\0', "max-completion-tokens", CLI_LONG, &o->budget, "N", .min = 16, .max = 1e6,
         .help = "most tokens of thinking and answer; counts against the rate limit"},
        {'\0', "reasoning-effort", CLI_CHOICE, &o->effort, "LEVEL", .choices = "none|default|minimal|low|medium|high",
         .help = "how much the model thinks (default for gpt-oss at groq: low)"},
        {'\0', "concurrency", CLI_LONG, &o->concurrency, "N", .min = 1, .max = 1000, .help = "requests at a time"},
        {'\0', "rpm", CLI_DOUBLE, &o->limits[LIMIT_RPM], "N", .min = 0.01, .max = 1e9, .no_default = true,
         .help = "requests a minute (default: learnt from the server)"},
        {'\0', "tpm", CLI_DOUBLE, &o->limits[LIMIT_TPM], "N", .min = 1, .max = 1e12, .no_default = true,
         .help = "tokens a minute, in and out (default: learnt)"},
        {'\0', "rpd", CLI_DOUBLE, &o->limits[LIMIT_RPD], "N", .min = 1, .max = 1e12, .no_default = true,
         .help = "requests a day; once they are used up the run ends with status 4 (default: learnt)"},
        {'\0', "tpd", CLI_DOUBLE, &o->limits[LIMIT_TPD], "N", .min = 1, .max = 1e12, .no_default = true,
         .help = "tokens a day, likewise (default: learnt)"},
        {'\0', "retries", CLI_LONG, &o->retries, "N", .max = 100, .help = "retries of a row that meets server errors"},
        {'\0', "max-wait", CLI_DOUBLE, &o->max_wait, "SECONDS", .max = 1e6,
         .help = "longest wait for a limit or a connection; beyond it the run ends with status 4"},
        {'\0', "timeout", CLI_LONG, &o->timeout, "SECONDS", .min = 1, .max = 3600,
         .help = "longest silence of the server"},
        {'\0', "cacert", CLI_FILE, &o->ca_file, "FILE", .help = "certificates to trust instead of the system's"},
        {'\0', "journal", CLI_FILE, &o->journal, "FILE",
         .help = "where answers are kept (default: distil/groq-reason.ndjson in the state folder)"},
        {'\0', "no-journal", CLI_UNFLAG, &o->keep_journal, .help = "keep no answers"},
        {'\0', "keep-errors", CLI_FLAG, &o->keep_errors,
         .help = "do not ask again for rows that failed in an earlier run"},
        {'\0', "strict-input", CLI_FLAG, &o->strict_input,
         .help = "end the run at a line that cannot be asked, instead of passing it on as failed"},
        {'\0', "dry-run", CLI_FLAG, &o->dry_run,
         .help = "ask for nothing; tell how much would be asked, and the first request"},
        {'\0', "reparse", CLI_FLAG, &o->reparse,
         .help = "make the rows from the journal's raw answers alone; ask for nothing"},
        {'\0', "samples", CLI_LONG, &o->samples, "K", .min = 1, .max = 64,
         .help = "ask K times for each sentence and let the answers vote"},
        {'\0', "unordered", CLI_FLAG, &o->unordered, .help = "write rows as they are finished, not in their order"},
        {'\0', "price", CLI_STRING, &o->price, "IN,OUT[,CACHED]", .help = "dollars a million tokens, to tell the cost"},
        {'\0', "max-cost", CLI_DOUBLE, &o->max_cost, "DOLLARS", .max = 1e9, .no_default = true,
         .given = &o->max_cost_given, .help = "end the run, resumable, before it can cost more"},
        {'\0', "max-tokens-total", CLI_LONG, &o->max_tokens, "N", .min = 1, .max = 1e15, .no_default = true,
         .help = "the same for tokens of prompts and answers"},
        {'\0', "report", CLI_FILE, &o->report, "FILE",
         .help = "write what each row took: milliseconds, attempts, request ids, tokens, cost"},
        {'\0', "batch", CLI_CHOICE, &o->batch, "COMMAND", .choices = BATCH_COMMANDS,
         .help = "use the server's batch API: half the price, answers within a day or a week"},
        {'\0', "batch-window", CLI_STRING, &o->batch_window, "TIME",
         .help = "how long a batch may take (default: 7d, for openai 24h)"},
        {'\0', "batch-lines", CLI_LONG, &o->batch_lines, "N", .min = 1, .max = 50000,
         .help = "most questions of one batch"},
        CLI_END};
    const struct cli cli = {.tool = "groq-reason",
                            .summary = "ask a language model for labels with reasons",
                            .usage = "[options] [FILE]",
                            .examples = examples,
                            .options = table,
                            .max_operands = 1,
                            .features = curl_version()};
    return cli_parse(&cli, argc, argv);
}

int main(int argc, char **argv)
{
    struct run r = {.options = {.profile = "groq",
                                .labels = "negative,positive",
                                .format = "auto",
                                .counterfactual = true,
                                .keep_journal = true,
                                .ask = -1,
                                .samples = 1,
                                .seed = 1,
                                .budget = 1024,
                                .concurrency = 8,
                                .retries = 5,
                                .batch_lines = 50000,
                                .timeout = 60,
                                .temperature = 0.2,
                                .max_wait = 300}};
    struct error err = {0};
    int operand = parse_options(&r.options, argc, argv);
    const struct profile *profile = profile_find(r.options.profile);

    enum batch_command command = r.options.batch ? check_batch(&r.options, argv[operand]) : BATCH_SUBMIT;
    bool only_state = r.options.batch && (command == BATCH_STATUS || command == BATCH_CANCEL);

    open_endpoint(&r, profile);
    read_template(&r);
    open_accounts(&r);
    catch_signals();
    if (!only_state && lines_open(&r.lines, argv[operand], longest_line, &err) < 0)
        die_error(&err);
    open_key(&r, profile);
    if (!only_state)
        open_journal(&r);
    if (output_open(&r.output, r.options.output, false, &err) < 0)
        die_error(&err);
    open_asker(&r, profile);
    if (r.options.dry_run)
        look_ahead(&r);
    else if (r.options.batch)
        run_batch(&r, command, argv[operand]);
    else
        label_rows(&r);
    return finish(&r);
}
