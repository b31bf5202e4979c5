/* journal.c - see journal.h. */
#include "teacher/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "wire/lines.h"

static const char header[] = "{\"journal\":\"groq-reason\",\"version\":1}\n";
static const size_t longest_line = (size_t)64 << 20;
enum { SYNC_LINES = 64 };
static const double sync_seconds = 1, least_sync_seconds = 0.1;

void journal_key_hex(const unsigned char key[JOURNAL_KEY_SIZE], char out[2 * JOURNAL_KEY_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < JOURNAL_KEY_SIZE; i++) {
        out[2 * i] = digits[key[i] >> 4];
        out[2 * i + 1] = digits[key[i] & 15];
    }
    out[2 * JOURNAL_KEY_SIZE] = '\0';
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool journal_key_parse(unsigned char key[JOURNAL_KEY_SIZE], const char *hex, size_t len)
{
    if (len != 2 * JOURNAL_KEY_SIZE)
        return false;
    for (size_t i = 0; i < JOURNAL_KEY_SIZE; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        key[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static bool read_key(const struct json_node *node, unsigned char key[JOURNAL_KEY_SIZE])
{
    return node && node->type == JSON_STRING && journal_key_parse(key, node->text, node->len);
}

/* ---- the index ---- */

/* The key's slot, or the free one where it belongs. A key is a hash already. */
static struct journal_entry *find_slot(struct journal_entry *slots, size_t n_slots, const unsigned char *key)
{
    uint64_t hash;
    memcpy(&hash, key, sizeof hash);
    size_t i = hash & (n_slots - 1);
    while (slots[i].len && memcmp(slots[i].key, key, JOURNAL_KEY_SIZE) != 0)
        i = (i + 1) & (n_slots - 1);
    return &slots[i];
}

static void grow(struct journal *j)
{
    size_t n_slots = j->n_slots ? 2 * j->n_slots : 1024;
    struct journal_entry *slots = xcalloc(n_slots, sizeof *slots);
    for (size_t i = 0; i < j->n_slots; i++) {
        if (j->slots[i].len)
            *find_slot(slots, n_slots, j->slots[i].key) = j->slots[i];
    }
    free(j->slots);
    j->slots = slots;
    j->n_slots = n_slots;
}

/* A later entry of a key replaces an earlier one, except that no failure replaces an answer. */
static void index_add(struct journal *j, const struct journal_entry *entry)
{
    if (2 * (j->n_entries + 1) > j->n_slots)
        grow(j);
    struct journal_entry *slot = find_slot(j->slots, j->n_slots, entry->key);
    if (slot->len && entry->failed && !slot->failed)
        return;
    j->n_entries += slot->len == 0;
    *slot = *entry;
}

/* ---- opening ---- */

static int refuse_foreign(const struct journal *j, struct error *err)
{
    return error_set(err, STATUS_USAGE, "%s: not a journal of groq-reason; give --journal another file", j->file.path);
}

/* Indexes the whole lines and finds where the last of them ends. */
static int read_index(struct journal *j, struct error *err)
{
    struct lines lines = {.in = {.fd = j->file.fd, .name = xstrdup(j->file.path)}, .longest = longest_line};
    const char *line;
    size_t len;
    uint64_t offset = 0;
    int got;
    while ((got = lines_next(&lines, &line, &len, err)) > 0) {
        struct journal_entry entry = {.offset = offset, .len = (uint32_t)len};
        if (offset + len == j->file.size) { /* no \n: a torn line, or the beginning of a header */
            if (offset == 0 && (len >= sizeof header || memcmp(line, header, len) != 0))
                got = refuse_foreign(j, err);
            break;
        }
        offset += len + 1;
        if (lines.number == 1) {
            if (len + 1 != sizeof header - 1 || memcmp(line, header, len) != 0) {
                got = refuse_foreign(j, err);
                break;
            }
            continue;
        }
        struct record record;
        if (json_parse(&j->doc, line, len, NULL) < 0 ||
            !read_key(json_member(&j->doc, json_root(&j->doc), "key"), entry.key) || !record_read(&record, &j->doc)) {
            j->unusable++;
            continue;
        }
        entry.failed = !record.ok;
        index_add(j, &entry);
    }
    lines_close(&lines);
    if (got < 0)
        return -1;
    if (!j->read_only)
        return append_file_cut(&j->file, offset, err);
    j->file.size = offset;
    return 0;
}

static int make_folders(const char *path, struct error *err)
{
    char *folder = path_folder(path);
    int result = folder_make(folder, err);
    free(folder);
    return result;
}

static int open_file(struct journal *j, struct error *err)
{
    struct stat st;
    if (stat(j->file.path, &st) < 0 && errno == ENOENT && make_folders(j->file.path, err) < 0)
        return -1;
    /* O_NONBLOCK: a FIFO must be refused, not waited for. */
    j->file.fd = open(j->file.path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600);
    if (j->file.fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM)) {
        j->file.fd = open(j->file.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        j->read_only = true;
    }
    if (j->file.fd < 0 && (errno == EISDIR || errno == ENXIO))
        return error_set(err, STATUS_USAGE, "%s: a journal must be a regular file", j->file.path);
    if (j->file.fd < 0 || fstat(j->file.fd, &st) < 0)
        return error_set(err, STATUS_FAILURE, "%s: %s", j->file.path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(err, STATUS_USAGE, "%s: a journal must be a regular file", j->file.path);
    if (append_file_lock(&j->file, j->read_only,
                         "another run is using this journal; wait for it or give --journal another file", err) < 0)
        return -1;
    if (fstat(j->file.fd, &st) < 0) /* its size now that nobody else writes */
        return error_set(err, STATUS_FAILURE, "%s: %s", j->file.path, strerror(errno));
    j->file.size = (uint64_t)st.st_size;
    return 0;
}

int journal_open(struct journal *j, const char *path, struct error *err)
{
    *j = (struct journal){.file = {.fd = -1, .path = xstrdup(path)}, .last_sync = monotonic_seconds()};
    grow(j);
    if (open_file(j, err) == 0 && read_index(j, err) == 0) {
        if (j->file.size > 0 || j->read_only || append_file_begin(&j->file, header, sizeof header - 1, err) == 0)
            return 0;
    }
    journal_free(j);
    return -1;
}

/* ---- reading and writing ---- */

int journal_find(struct journal *j, const unsigned char key[JOURNAL_KEY_SIZE], struct record *record, bool *this_run,
                 struct error *err)
{
    if (j->file.fd < 0)
        return 0;
    const struct journal_entry *entry = find_slot(j->slots, j->n_slots, key);
    if (entry->len == 0)
        return 0;
    *this_run = entry->this_run;
    buf_reset(&j->line);
    buf_reserve(&j->line, entry->len);
    size_t got = 0;
    while (got < entry->len) {
        ssize_t n = pread(j->file.fd, j->line.data + got, entry->len - got, (off_t)(entry->offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(err, STATUS_FAILURE, "%s: %s", j->file.path,
                             n < 0 ? strerror(errno) : "the file was cut meanwhile");
        got += (size_t)n;
    }
    unsigned char found[JOURNAL_KEY_SIZE];
    if (json_parse(&j->doc, j->line.data, got, NULL) < 0 ||
        !read_key(json_member(&j->doc, json_root(&j->doc), "key"), found) || memcmp(found, key, sizeof found) != 0 ||
        !record_read(record, &j->doc))
        return error_set(err, STATUS_FAILURE, "%s: the file was changed while it was in use", j->file.path);
    return 1;
}

int journal_append(struct journal *j, const unsigned char key[JOURNAL_KEY_SIZE], const struct record *record,
                   struct error *err)
{
    char hex[2 * JOURNAL_KEY_SIZE + 1];
    if (j->file.fd < 0)
        return 0;
    assert(!j->read_only);
    journal_key_hex(key, hex);
    buf_reset(&j->line);
    record_write(&j->line, hex, record);
    buf_addch(&j->line, '\n');
    uint64_t offset = j->file.size;
    j->broken = append_file_add(&j->file, j->line.data, j->line.len, err) < 0;
    if (j->broken)
        return -1;
    struct journal_entry entry = {
        .offset = offset, .len = (uint32_t)(j->line.len - 1), .failed = !record->ok, .this_run = true};
    memcpy(entry.key, key, sizeof entry.key);
    index_add(j, &entry);
    j->unsynced++;
    j->written = true;
    return journal_sync(j, false, err);
}

int journal_sync(struct journal *j, bool now, struct error *err)
{
    if (j->file.fd < 0 || j->unsynced == 0)
        return 0;
    double since = now ? INFINITY : monotonic_seconds() - j->last_sync;
    if (since < (j->unsynced < SYNC_LINES ? sync_seconds : least_sync_seconds))
        return 0;
    j->broken = fdatasync(j->file.fd) < 0;
    if (j->broken)
        return error_set(err, STATUS_FAILURE, "%s: %s", j->file.path, strerror(errno));
    j->unsynced = 0;
    j->last_sync = monotonic_seconds();
    return 0;
}

int journal_close(struct journal *j, struct error *err)
{
    int result = journal_sync(j, true, err);
    if (j->file.fd >= 0 && close(j->file.fd) < 0 && result == 0)
        result = error_set(err, STATUS_FAILURE, "%s: %s", j->file.path, strerror(errno));
    j->file.fd = -1;
    return result;
}

void journal_free(struct journal *j)
{
    if (j->file.fd >= 0)
        close(j->file.fd);
    free(j->file.path);
    free(j->slots);
    buf_free(&j->line);
    json_free(&j->doc);
    *j = (struct journal){.file.fd = -1};
}
