/* batch_state.c - see batch_state.h. */
#include "teacher/batch_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "wire/json.h"
#include "wire/lines.h"

static const char header[] = "{\"batches\":\"groq-reason\",\"version\":1}\n";
static const size_t longest_line = (size_t)64 << 20;

static const struct {
    const char *event, *member; /* the member that holds its name */
} events[] = {[PART_BEGUN] = {"begun", NULL},           [PART_UPLOADED] = {"uploaded", "file"},
              [PART_ORDERING] = {"ordering", NULL},     [PART_ORDERED] = {"ordered", "batch"},
              [PART_CANCELLING] = {"cancelling", NULL}, [PART_FETCHED] = {"fetched", "state"},
              [PART_DROPPED] = {"dropped", NULL}};

bool batch_part_is_open(const struct batch_part *part)
{
    return part->state == PART_ORDERED || part->state == PART_CANCELLING;
}

static void free_part(struct batch_part *part)
{
    free(part->id);
    free(part->server);
    free(part->model);
    free(part->labels);
    free(part->file);
    free(part->batch);
    free(part->ended);
    key_set_free(&part->keys);
}

/* What an event changes in memory. */
static void apply(struct batch_part *part, enum part_state what, const char *name, long long at)
{
    char **place = what == PART_UPLOADED  ? &part->file
                   : what == PART_ORDERED ? &part->batch
                   : what == PART_FETCHED ? &part->ended
                                          : NULL;
    part->state = what;
    part->at = at;
    if (place) {
        free(*place);
        *place = xstrdup(name);
    }
    if (what == PART_FETCHED || what == PART_DROPPED)
        key_set_free(&part->keys);
}

static struct batch_part *add_part(struct batch_state *s)
{
    s->parts = xrealloc_array(s->parts, s->n + 1, sizeof *s->parts);
    s->parts[s->n] = (struct batch_part){0};
    return &s->parts[s->n++];
}

static struct batch_part *find_part(const struct batch_state *s, const char *id)
{
    for (size_t i = s->n; i-- > 0;) {
        if (strcmp(s->parts[i].id, id) == 0)
            return &s->parts[i];
    }
    return NULL;
}

/* ---- reading ---- */

static const struct json_node *text_member(const struct json *doc, const char *name)
{
    const struct json_node *node = json_member(doc, json_root(doc), name);
    return node && node->type == JSON_STRING ? node : NULL;
}

static bool read_keys(struct key_set *keys, const struct json_node *hex)
{
    unsigned char key[JOURNAL_KEY_SIZE];
    if (!hex || hex->len % (2 * JOURNAL_KEY_SIZE) != 0)
        return false;
    for (size_t i = 0; i < hex->len; i += 2 * JOURNAL_KEY_SIZE) {
        if (!journal_key_parse(key, hex->text + i, 2 * JOURNAL_KEY_SIZE) || !key_set_add(keys, key))
            return false;
    }
    return true;
}

static bool read_begun(struct batch_part *part, const struct json *doc)
{
    const struct json_node *id = text_member(doc, "part"), *server = text_member(doc, "server");
    const struct json_node *model = text_member(doc, "model"), *labels = text_member(doc, "labels");
    if (!id || !server || !model || !labels || !read_keys(&part->keys, text_member(doc, "keys")))
        return false;
    part->id = xstrdup(id->text);
    part->server = xstrdup(server->text);
    part->model = xstrdup(model->text);
    part->labels = xstrdup(labels->text);
    part->questions = (long long)part->keys.n;
    return json_get_bool(json_member(doc, json_root(doc), "counterfactual"), &part->counterfactual) &&
           json_get_long(json_member(doc, json_root(doc), "budget"), &part->budget) &&
           json_get_long(json_member(doc, json_root(doc), "at"), &part->at);
}

static bool read_event(struct batch_state *s, const struct json *doc)
{
    const struct json_node *event = text_member(doc, "event"), *id = text_member(doc, "part");
    long long at;
    size_t what = 0;
    while (what < sizeof events / sizeof *events && !json_is(event, events[what].event))
        what++;
    if (what == sizeof events / sizeof *events || !id)
        return false;
    if (what == PART_BEGUN)
        return !find_part(s, id->text) && read_begun(add_part(s), doc);
    struct batch_part *part = find_part(s, id->text);
    const struct json_node *name = events[what].member ? text_member(doc, events[what].member) : NULL;
    if (!part || (events[what].member && !name) || !json_get_long(json_member(doc, json_root(doc), "at"), &at))
        return false;
    apply(part, (enum part_state)what, name ? name->text : NULL, at);
    return true;
}

static int refuse_foreign(const struct batch_state *s, struct error *err)
{
    return error_set(err, STATUS_USAGE, "%s: not a list of batches of groq-reason", s->file.path);
}

/* Reads the whole lines; *end is where the last of them ends. */
static int read_events(struct batch_state *s, uint64_t *end, struct error *err)
{
    struct lines lines = {.in = {.fd = s->file.fd, .name = s->file.path}, .longest = longest_line};
    struct json doc = {0};
    const char *line;
    size_t len;
    int got;
    *end = 0;
    while ((got = lines_next(&lines, &line, &len, err)) > 0) {
        bool torn = *end + len >= s->file.size; /* no \n, or another run is just writing it */
        bool is_header = len <= sizeof header - 2 && memcmp(line, header, len) == 0;
        if (lines.number == 1 && (!is_header || (!torn && len != sizeof header - 2)))
            got = refuse_foreign(s, err);
        else if (!torn && lines.number > 1 && (json_parse(&doc, line, len, NULL) < 0 || !read_event(s, &doc)))
            got = error_set(err, STATUS_FAILURE, "%s:%llu: not an event that this version knows; nothing is done",
                            s->file.path, (unsigned long long)lines.number);
        if (got < 0 || torn)
            break;
        *end += len + 1;
    }
    free(lines.data);
    json_free(&doc);
    return got < 0 ? -1 : 0;
}

/* ---- opening ---- */

static int open_file(struct batch_state *s, bool to_write, struct error *err)
{
    struct append_file *f = &s->file;
    struct stat st;
    uint64_t end;
    if (f->fd < 0 || fstat(f->fd, &st) < 0)
        return error_set(err, STATUS_FAILURE, "%s: %s", f->path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse_foreign(s, err);
    if (to_write && append_file_lock(f, false, "another run is at work on these batches; wait for it", err) < 0)
        return -1;
    if (fstat(f->fd, &st) < 0) /* its size now that nobody else writes */
        return error_set(err, STATUS_FAILURE, "%s: %s", f->path, strerror(errno));
    f->size = (uint64_t)st.st_size;
    if (read_events(s, &end, err) < 0)
        return -1;
    if (to_write)
        return append_file_cut(f, end, err);
    f->size = end;
    return 0;
}

int batch_state_open(struct batch_state *s, const char *journal_path, bool to_write, struct error *err)
{
    struct buf path = {0};
    buf_addf(&path, "%s.batches", journal_path);
    *s = (struct batch_state){.file = {.fd = -1, .path = path.data}};
    int flags = to_write ? O_RDWR | O_CREAT | O_APPEND : O_RDONLY;
    /* O_NONBLOCK: a FIFO is refused, not waited for */
    s->file.fd = open(s->file.path, flags | O_CLOEXEC | O_NONBLOCK, 0600);
    if (s->file.fd < 0 && !to_write && errno == ENOENT)
        return 0;
    int result = open_file(s, to_write, err);
    if (result == 0 && to_write && s->file.size == 0)
        result = append_file_begin(&s->file, header, sizeof header - 1, err);
    if (result < 0)
        batch_state_close(s);
    return result;
}

void batch_state_close(struct batch_state *s)
{
    for (size_t i = 0; i < s->n; i++)
        free_part(&s->parts[i]);
    free(s->parts);
    free(s->file.path);
    buf_free(&s->line);
    if (s->file.fd >= 0)
        close(s->file.fd);
    *s = (struct batch_state){.file.fd = -1};
}

/* ---- writing ---- */

static long long begin_line(struct batch_state *s, enum part_state what, const char *id)
{
    long long now = time(NULL);
    buf_reset(&s->line);
    buf_addf(&s->line, "{\"event\":\"%s\",\"part\":\"%s\",\"at\":%lld", events[what].event, id, now);
    return now;
}

static void add_text(struct buf *line, const char *name, const char *text)
{
    buf_addf(line, ",\"%s\":", name);
    json_add_string(line, text, strlen(text));
}

/* On failure the file is cut back to its last whole line. */
static int end_line(struct batch_state *s, struct error *err)
{
    buf_addstr(&s->line, "}\n");
    if (append_file_add(&s->file, s->line.data, s->line.len, err) < 0)
        return -1;
    if (fdatasync(s->file.fd) < 0)
        return error_set(err, STATUS_FAILURE, "%s: %s", s->file.path, strerror(errno));
    return 0;
}

struct batch_part *batch_state_begin(struct batch_state *s, const struct batch_part *given, uint64_t bytes,
                                     struct error *err)
{
    char hex[2 * JOURNAL_KEY_SIZE + 1];
    long long at = begin_line(s, PART_BEGUN, given->id);
    add_text(&s->line, "server", given->server);
    add_text(&s->line, "model", given->model);
    add_text(&s->line, "labels", given->labels);
    buf_addf(&s->line, ",\"counterfactual\":%s,\"budget\":%lld,\"questions\":%zu,\"bytes\":%llu,\"keys\":\"",
             given->counterfactual ? "true" : "false", given->budget, given->keys.n, (unsigned long long)bytes);
    for (size_t i = 0; i < given->keys.n; i++) {
        journal_key_hex(given->keys.keys[i], hex);
        buf_addstr(&s->line, hex);
    }
    buf_addch(&s->line, '"');
    if (end_line(s, err) < 0)
        return NULL;
    struct batch_part *part = add_part(s);
    *part = (struct batch_part){.id = xstrdup(given->id),
                                .server = xstrdup(given->server),
                                .model = xstrdup(given->model),
                                .labels = xstrdup(given->labels),
                                .counterfactual = given->counterfactual,
                                .budget = given->budget,
                                .questions = (long long)given->keys.n,
                                .at = at};
    for (size_t i = 0; i < given->keys.n; i++)
        key_set_add(&part->keys, given->keys.keys[i]);
    return part;
}

int batch_state_note(struct batch_state *s, struct batch_part *part, enum part_state what, const char *name,
                     struct error *err)
{
    long long at = begin_line(s, what, part->id);
    if (events[what].member)
        add_text(&s->line, events[what].member, name);
    if (end_line(s, err) < 0)
        return -1;
    apply(part, what, name, at);
    return 0;
}
