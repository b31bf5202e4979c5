/* batch.c - the pieces of groq-reason --batch: key sets, the state file (also torn at every byte), the file of
 * questions, and result lines on their way into a journal. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../helper/tap.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/io.h"
#include "teacher/batch_lines.h"
#include "teacher/batch_results.h"
#include "teacher/batch_state.h"
#include "teacher/key_set.h"

static char folder[] = "/tmp/batch-unit-XXXXXX";
static char journal_path[64], state_path[80];

static void make_key(unsigned char key[JOURNAL_KEY_SIZE], uint64_t number)
{
    char text[32];
    SHA2_CTX context;
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    SHA256Init(&context);
    SHA256Update(&context, (const uint8_t *)text, strlen(text));
    SHA256Final(key, &context);
}

static void test_key_sets(void)
{
    enum { N = 5000 };
    struct key_set set = {0};
    unsigned char key[JOURNAL_KEY_SIZE];
    int added = 0, again = 0, found = 0, strange = 0;
    make_key(key, 0);
    is_long(key_set_find(&set, key), -1, "an empty set has nothing");
    for (int i = 0; i < N; i++) {
        make_key(key, (uint64_t)i);
        added += key_set_add(&set, key);
        again += key_set_add(&set, key);
    }
    for (int i = 0; i < N; i++) {
        make_key(key, (uint64_t)i);
        found += key_set_find(&set, key) == i;
        make_key(key, (uint64_t)(i + N));
        strange += key_set_find(&set, key) >= 0;
    }
    is_long(added, N, "each key goes in");
    is_long(again, 0, "once");
    is_long(found, N, "and is found by its number");
    is_long(strange, 0, "no other is");
    key_set_reset(&set);
    make_key(key, 7);
    is_long(key_set_find(&set, key), -1, "an emptied set has nothing");
    ok(key_set_add(&set, key) && key_set_find(&set, key) == 0, "and takes keys again");
    key_set_free(&set);
}

static void test_key_texts(void)
{
    unsigned char key[JOURNAL_KEY_SIZE], back[JOURNAL_KEY_SIZE];
    char hex[2 * JOURNAL_KEY_SIZE + 1];
    make_key(key, 3);
    journal_key_hex(key, hex);
    ok(journal_key_parse(back, hex, strlen(hex)) && memcmp(key, back, sizeof key) == 0, "a key goes through its text");
    ok(!journal_key_parse(back, hex, strlen(hex) - 1), "not a shorter one");
    hex[5] = 'G';
    ok(!journal_key_parse(back, hex, strlen(hex)), "nor other letters");
}

/* ---- the state file ---- */

static struct batch_part given(const char *id, uint64_t first, size_t n)
{
    struct batch_part part = {.id = (char *)id,
                              .server = (char *)"https://example.com/v1",
                              .model = (char *)"m \"1\"",
                              .labels = (char *)"negative,positive",
                              .counterfactual = true,
                              .budget = 77};
    unsigned char key[JOURNAL_KEY_SIZE];
    for (size_t i = 0; i < n; i++) {
        make_key(key, first + i);
        key_set_add(&part.keys, key);
    }
    return part;
}

static struct batch_part *begin(struct batch_state *state, const char *id, uint64_t first, size_t n)
{
    struct error err = {0};
    struct batch_part part = given(id, first, n);
    struct batch_part *begun = batch_state_begin(state, &part, 1000, &err);
    key_set_free(&part.keys);
    return begun;
}

static void test_state(void)
{
    struct batch_state state, other;
    struct error err = {0};
    ok(batch_state_open(&state, journal_path, false, &err) == 0 && state.n == 0, "a state that is not there is empty");
    batch_state_close(&state);
    ok(access(state_path, F_OK) < 0, "and is not made to be read");
    is_long(batch_state_open(&state, journal_path, true, &err), 0, "it is made to be written");
    struct batch_part *part = begin(&state, "a", 0, 3);
    ok(part && part->state == PART_BEGUN && part->keys.n == 3 && !batch_part_is_open(part), "a part begins");
    ok(batch_state_note(&state, part, PART_UPLOADED, "file_1", &err) == 0 && part->state == PART_UPLOADED, "uploaded");
    ok(batch_state_note(&state, part, PART_ORDERING, NULL, &err) == 0 && part->state == PART_ORDERING, "ordering");
    ok(batch_state_note(&state, part, PART_ORDERED, "batch_1", &err) == 0 && batch_part_is_open(part), "ordered");
    part = begin(&state, "b", 10, 2);
    batch_state_note(&state, part, PART_DROPPED, NULL, &err);
    part = begin(&state, "c", 20, 1);
    batch_state_note(&state, part, PART_UPLOADED, "file_2", &err);
    batch_state_note(&state, part, PART_ORDERING, NULL, &err);
    batch_state_note(&state, part, PART_ORDERED, "batch_2", &err);
    batch_state_note(&state, part, PART_FETCHED, "expired", &err);
    is_long(err.status, 0, "all is written");
    is_long(batch_state_open(&other, journal_path, true, &err), -1, "a second writer is refused");
    is_long(err.status, STATUS_FAILURE, "at once");
    ok(batch_state_open(&other, journal_path, false, &err) == 0 && other.n == 3, "a reader is not");
    batch_state_close(&other);
    batch_state_close(&state);

    ok(batch_state_open(&state, journal_path, true, &err) == 0 && state.n == 3, "three parts are there again");
    part = &state.parts[0];
    is_string(part->server, "https://example.com/v1", "the server");
    is_string(part->model, "m \"1\"", "the model");
    is_string(part->labels, "negative,positive", "the labels");
    ok(part->counterfactual && part->budget == 77 && part->questions == 3, "the numbers");
    is_string(part->file, "file_1", "the file");
    is_string(part->batch, "batch_1", "the batch");
    unsigned char key[JOURNAL_KEY_SIZE];
    make_key(key, 2);
    is_long(key_set_find(&part->keys, key), 2, "the keys");
    ok(state.parts[1].state == PART_DROPPED && state.parts[1].keys.n == 0, "what was dropped needs no keys");
    is_string(state.parts[2].ended, "expired", "how the last one ended");
    batch_state_close(&state);
}

/* Whatever a crash leaves of the file can be opened, and holds the events whose lines are whole. */
static void test_torn_state(void)
{
    struct error err = {0};
    size_t len, opened = 0, right = 0;
    char *whole = file_read(state_path, 1 << 20, &len, &err);
    for (size_t cut = 0; cut <= len; cut++) {
        struct batch_state state;
        struct stat st;
        size_t end = cut;
        while (end > 0 && whole[end - 1] != '\n')
            end--;
        file_write(state_path, whole, cut, &err);
        if (batch_state_open(&state, journal_path, true, &err) < 0)
            continue;
        opened++;
        size_t header = (size_t)(strchr(whole, '\n') - whole) + 1;
        right += stat(state_path, &st) == 0 && (size_t)st.st_size == (end < header ? header : end);
        batch_state_close(&state);
    }
    is_long((long long)opened, (long long)len + 1, "a state that was cut anywhere is opened");
    is_long((long long)right, (long long)len + 1, "and cut back to its last whole line");
    file_write(state_path, whole, len, &err);
    free(whole);
}

static void refused(const char *text, int status, const char *name)
{
    struct batch_state state;
    struct error err = {0};
    file_write(state_path, text, strlen(text), NULL);
    is_long(batch_state_open(&state, journal_path, true, &err), -1, "%s is refused", name);
    is_long(err.status, status, "%s: status", name);
    size_t len;
    char *left = file_read(state_path, 1 << 20, &len, NULL);
    is_string(left, text, "%s is left alone", name);
    free(left);
}

static void test_bad_states(void)
{
#define HEAD "{\"batches\":\"groq-reason\",\"version\":1}\n"
    refused("{\"journal\":\"groq-reason\",\"version\":1}\n", STATUS_USAGE, "a journal");
    refused("x", STATUS_USAGE, "a torn line of something else");
    refused(HEAD "nonsense\n", STATUS_FAILURE, "a line that is no JSON");
    refused(HEAD "{\"event\":\"uploaded\",\"part\":\"a\",\"at\":1,\"file\":\"f\"}\n", STATUS_FAILURE,
            "an event of no part");
    refused(HEAD "{\"event\":\"begun\",\"part\":\"a\",\"at\":1,\"server\":\"s\",\"model\":\"m\",\"labels\":\"a,b\","
                 "\"counterfactual\":true,\"budget\":1,\"keys\":\"12\"}\n",
            STATUS_FAILURE, "a part with half a key");
    unlink(state_path);
    mkfifo(state_path, 0600);
    struct batch_state state;
    struct error err = {0};
    ok(batch_state_open(&state, journal_path, true, &err) < 0 && err.status == STATUS_USAGE, "a FIFO is refused");
    unlink(state_path);
}

/* ---- questions and results ---- */

static void test_lines(void)
{
    struct batch_lines lines;
    struct error err = {0};
    struct buf body = {0};
    unsigned char key[JOURNAL_KEY_SIZE];
    char text[2000];
    uint64_t size = 0;
    ok(batch_lines_open(&lines, journal_path, &err) == 0, "a file without a name");
    for (uint64_t i = 0; i < 3; i++) {
        make_key(key, i);
        buf_reset(&body);
        buf_addf(&body, "{\"model\":\"m%d\"}", (int)i);
        size += batch_lines_size(&body);
        batch_lines_add(&lines, key, &body, &err);
    }
    batch_lines_flush(&lines, &err);
    ssize_t got = pread(lines.fd, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    is_long((long long)got, (long long)size, "is as large as was foretold");
    ok(lines.bytes == size && lines.keys.n == 3, "and counted");
    char hex[2 * JOURNAL_KEY_SIZE + 1];
    make_key(key, 0);
    journal_key_hex(key, hex);
    buf_reset(&body);
    buf_addf(&body,
             "{\"custom_id\":\"%s\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\":\"m0\"}}",
             hex);
    *strchr(text, '\n') = '\0';
    is_string(text, body.data, "a line");
    batch_lines_reset(&lines, &err);
    ok(lines.bytes == 0 && lines.keys.n == 0 && pread(lines.fd, text, 1, 0) == 0, "emptied for the next part");
    batch_lines_close(&lines);
    buf_free(&body);
}

/* Reads one line for question 0 of a part of two. */
static void read_line(struct batch_results *results, struct asker *asker, struct batch_part *part, const char *rest)
{
    struct error err = {0};
    struct buf line = {0};
    char hex[2 * JOURNAL_KEY_SIZE + 1];
    int fd = file_without_name(journal_path, &err);
    journal_key_hex(part->keys.keys[0], hex);
    buf_addf(&line, "{\"custom_id\":\"%s\",%s}\n", hex, rest);
    write_full(fd, line.data, line.len, "lines", &err);
    results_init(results, asker, part, &err);
    is_long(results_read(results, fd, &err), 0, "%.60s", rest);
    results_end(results, &err);
    close(fd);
    buf_free(&line);
}

static void test_results(void)
{
    static const struct {
        const char *rest;
        int answered, failed;
        const char *words;
    } lines[] = {
        {"\"response\":{\"status_code\":200,\"body\":{\"choices\":[{\"message\":{\"content\":\"{\\\"reasoning\\\":"
         "\\\"r\\\","
         "\\\"label\\\":\\\"positive\\\"}\"}}]}},\"error\":null",
         1, 0, ""},
        {"\"response\":{\"status_code\":200,\"body\":{\"choices\":[{\"message\":{\"content\":\"no\"}}]}}", 0, 1, ""},
        {"\"response\":{\"status_code\":200,\"body\":{}}", 0, 0, "HTTP status 200: {}"},
        {"\"response\":{\"status_code\":400,\"body\":{\"error\":{\"message\":\"bad\"}}}", 0, 1, ""},
        {"\"response\":{\"status_code\":503,\"body\":{\"error\":{\"message\":\"busy\"}}}", 0, 0, "busy"},
        {"\"response\":{\"status_code\":404,\"body\":{\"error\":{\"message\":\"no model\",\"code\":\"gone\"}}}", 0, 0,
         "gone: no model"},
        {"\"response\":null,\"error\":{\"code\":\"batch_expired\",\"message\":\"late\"}", 0, 0, "batch_expired: late"},
        {"\"response\":{\"status_code\":99999999999,\"body\":{\"error\":{}}}", 0, 0, "HTTP status 0: {\"error\":{}}"},
        {"\"response\":7", 0, 0, ""},
        {"\"error\":\"x\"", 0, 0, ""},
    };
    struct key no_key = {0};
    struct error err = {0};
    struct batch_part part = given("p", 100, 2);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct journal journal;
        struct batch_results results;
        unlink(journal_path);
        journal_open(&journal, journal_path, &err);
        struct asker asker = {.settings = {.journal = &journal, .http = {.key = &no_key}}};
        read_line(&results, &asker, &part, lines[i].rest);
        ok((int)results.answered == lines[i].answered && (int)results.failed == lines[i].failed,
           "answered %d, failed %d", (int)results.answered, (int)results.failed);
        is_long((long long)results.unanswered, 2 - lines[i].answered - lines[i].failed, "the rest is to be asked anew");
        is_long((long long)journal.n_entries, lines[i].answered + lines[i].failed, "what counts is in the journal");
        is_string(results.first_words, lines[i].words, "the server's words");
        results_free(&results);
        read_line(&results, &asker, &part, lines[i].rest);
        is_long((long long)journal.n_entries, lines[i].answered + lines[i].failed, "once");
        results_free(&results);
        journal_close(&journal, &err);
        journal_free(&journal);
    }
    key_set_free(&part.keys);
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    snprintf(journal_path, sizeof journal_path, "%s/j.ndjson", folder);
    snprintf(state_path, sizeof state_path, "%s.batches", journal_path);
    test_key_sets();
    test_key_texts();
    test_state();
    test_torn_state();
    test_bad_states();
    test_lines();
    test_results();
    folder_remove(folder, NULL);
    return done_testing();
}
