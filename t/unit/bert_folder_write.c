/* bert_folder_write.c - writing a model folder: what is in it, and that it is whole or not there whatever happens. */
#include "bert_folder.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../helper/tap.h"
#include "bert/checkpoint.h"
#include "bert/model_folder_swap.h"
#include "wire/json.h"

static char *trash, *out; /* out: trash/out, where models are written to */
static struct bert_config config;
static struct parameters parameters;
static struct checkpoint checkpoint;
static char *source; /* testdata/bert/classifier */

static int write_model(const char *path, const char *tokenizer, bool replace, struct error *err)
{
    struct model_folder m = {.config = &config,
                             .parameters = &parameters,
                             .tokenizer_source = tokenizer,
                             .do_lower_case = true,
                             .model_max_length = 40,
                             .card = "# a card\n"};
    *err = (struct error){0};
    return model_folder_write(path, &m, replace, err);
}

/* How many names in the folder begin with this. */
static size_t count(const char *folder, const char *prefix)
{
    DIR *dir = opendir(folder);
    size_t n = 0;
    for (const struct dirent *entry; dir && (entry = readdir(dir));)
        n += strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return n;
}

static bool has(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    bool there = path_exists(path);
    free(path);
    return there;
}

static bool same_file(const char *folder_a, const char *folder_b, const char *name)
{
    size_t a_len, b_len;
    char *a_path = path_join(folder_a, name), *b_path = path_join(folder_b, name);
    char *a = file_read(a_path, 1 << 24, &a_len, NULL), *b = file_read(b_path, 1 << 24, &b_len, NULL);
    bool same = a && b && a_len == b_len && memcmp(a, b, a_len) == 0;
    free(a);
    free(b);
    free(a_path);
    free(b_path);
    return same;
}

/* A mark tells an old folder from a new one, since a new one does not have it. */
static void mark(const char *folder)
{
    put(folder, "mark", "old");
}

static bool is_whole(const char *folder)
{
    static const char *const names[] = {"config.json",           "model.safetensors",       "vocab.txt",
                                        "tokenizer_config.json", "special_tokens_map.json", "README.md"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!has(folder, names[i]))
            return false;
    }
    return true;
}

static void clear(void)
{
    folder_remove(trash, NULL);
    folder_make(trash, NULL);
}

/* The id of a process that has ended. */
static long dead_pid(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    return (long)pid;
}

/* ---- what is in it ---- */

static void test_round_trip(void)
{
    struct error err;
    struct bert_config again;
    struct checkpoint c;
    struct parameters p;
    is_long(write_model(out, source, false, &err), 0, "a folder is written");
    ok(is_whole(out) && count(out, "") == 6, "with its six files and no other");
    is_long((long long)count(trash, "out"), 1, "and nothing beside it");
    is_long(bert_config_read(&again, out, &err), 0, "its config.json is read");
    ok(again.hidden_size == 24 && again.n_labels == 2 && strcmp(again.labels[1], "positive") == 0, "... the same");
    is_long(checkpoint_open(&c, out, &err), 0, "its weights are read");
    parameters_init(&p, &again, 2);
    is_long(checkpoint_attach(&c, &p, NULL, NULL, &err), 0, "... every one");
    bool same = true;
    for (size_t i = 0; i < p.n; i++)
        same = same && memcmp(p.list[i].value, parameters.list[i].value, p.list[i].size * sizeof(float)) == 0;
    ok(same, "... with its values");
    is_string(st_metadata(&c.files[0], "format"), "pt", "metadata format is pt");
    ok(c.files[0].n_tensors == p.n, "no tensor is written that a classifier does not have");
    parameters_free(&p);
    checkpoint_close(&c);
    bert_config_free(&again);
    clear();
}

/* Compares one member of a JSON file with its source text. */
static void is_member(const char *folder, const char *name, const char *member, const char *expected)
{
    struct json doc = {0};
    size_t len;
    char *path = path_join(folder, name);
    char *text = file_read(path, 1 << 20, &len, NULL);
    const struct json_node *node = NULL;
    if (text && json_parse(&doc, text, len, NULL) == 0)
        node = json_member(&doc, json_root(&doc), member);
    ok(node && node->end - node->begin == strlen(expected) &&
           memcmp(text + node->begin, expected, strlen(expected)) == 0,
       "%s: %s is %s", name, member, expected);
    json_free(&doc);
    free(text);
    free(path);
}

static void test_tokenizer_files(void)
{
    struct error err;
    char *folder = path_join(trash, "tokenizer"), *vocabulary = path_join(source, "vocab.txt");
    write_model(out, source, false, &err);
    ok(same_file(out, source, "vocab.txt") && same_file(out, source, "tokenizer_config.json"),
       "the tokenizer's files are copied");
    is_member(out, "special_tokens_map.json", "cls_token", "\"[CLS]\"");

    write_model(out, vocabulary, true, &err);
    ok(same_file(out, source, "vocab.txt") && !has(out, "tokenizer.json"), "from a vocab.txt alone the rest is made");
    is_member(out, "tokenizer_config.json", "tokenizer_class", "\"BertTokenizer\"");
    is_member(out, "tokenizer_config.json", "do_lower_case", "true");
    is_member(out, "tokenizer_config.json", "model_max_length", "40");
    is_member(out, "special_tokens_map.json", "unk_token", "\"[UNK]\"");

    put(folder, "tokenizer.json", "{\"t\": 1}");
    put(folder, "special_tokens_map.json", "{\"s\": 1}");
    put(folder, "added_tokens.json", "{}");
    put(folder, "other.txt", "not copied");
    write_model(out, folder, true, &err);
    ok(same_file(out, folder, "tokenizer.json") && same_file(out, folder, "special_tokens_map.json") &&
           same_file(out, folder, "added_tokens.json"),
       "what a source folder has is copied");
    ok(!has(out, "vocab.txt") && !has(out, "other.txt") && has(out, "tokenizer_config.json"), "and nothing else");

    char *json = path_join(folder, "tokenizer.json");
    write_model(out, json, true, &err);
    ok(same_file(out, folder, "tokenizer.json") && !has(out, "vocab.txt"), "a tokenizer.json alone is a source too");

    char *nothing = path_join(trash, "nothing");
    is_long(write_model(out, nothing, true, &err), -1, "no vocabulary: no folder");
    ok(err.status == STATUS_USAGE && strstr(err.text, "neither vocab.txt nor tokenizer.json"), "... said: %s",
       err.text);
    ok(has(out, "config.json") && count(trash, "out") == 1, "... the old one stays, and nothing lies about");
    free(nothing);
    free(json);
    free(vocabulary);
    free(folder);
    clear();
}

static void test_lacking_value(void)
{
    struct error err;
    const float *value = parameters.list[3].value;
    parameters.list[3].value = NULL;
    ok(write_model(out, source, false, &err) == -1 && strstr(err.text, "has no value") && count(trash, "") == 0,
       "a parameter without a value is an error: %s", err.text);
    parameters.list[3].value = value;
}

/* ---- whether it may be written ---- */

static void is_refused(const char *path, bool replace, const char *part, const char *name)
{
    struct error check = {0}, err;
    int checked = model_folder_check(path, replace, &check);
    int written = write_model(path, source, replace, &err);
    ok(checked == -1 && check.status == STATUS_USAGE && strstr(check.text, part), "refused before: %s", name);
    ok(written == -1 && err.status == STATUS_USAGE && strstr(err.text, part), "refused: %s", name);
    if (!strstr(check.text, part) || !strstr(err.text, part))
        note("'%s', '%s'", check.text, err.text);
}

static void test_refusals(void)
{
    struct error err = {0};
    is_long(model_folder_check(out, false, &err), 0, "a new name is fine");
    is_long(model_folder_check(out, true, &err), 0, "to replace nothing is fine");
    write_model(out, source, false, &err);
    mark(out);
    is_refused(out, false, "exists; choose another name, or -f", "an existing model");
    ok(has(out, "mark"), "it is left alone");
    is_long(model_folder_check(out, true, &err), 0, "with -f it may be replaced");

    char *other = path_join(trash, "photos"), *missing = path_join(trash, "no/model");
    put(other, "1.jpg", "a");
    is_refused(other, false, "exists", "a folder of something else");
    is_refused(other, true, "no config.json", "a folder of something else, even with -f");
    ok(has(other, "1.jpg"), "nothing in it is lost");
    put(trash, "file", "a");
    char *file = path_join(trash, "file");
    is_refused(file, true, "is not a folder", "a file");
    is_refused(missing, false, "there is no folder", "a folder in no folder");
    if (geteuid() != 0) {
        chmod(other, 0500);
        char *inside = path_join(other, "model");
        is_refused(inside, false, "cannot be written to", "a folder that is read-only");
        chmod(other, 0700);
        free(inside);
    } else {
        skip("a folder that is read-only", "root may write anywhere");
    }
    char *empty = path_join(trash, "empty");
    folder_make(empty, &err);
    is_refused(empty, false, "exists", "an empty folder");
    is_long(write_model(empty, source, true, &err), 0, "an empty folder is filled with -f");
    ok(is_whole(empty), "... whole");
    free(empty);
    free(file);
    free(other);
    free(missing);
    clear();
}

static void test_replacing(void)
{
    struct error err;
    write_model(out, source, false, &err);
    mark(out);
    is_long(write_model(out, source, true, &err), 0, "a model is replaced");
    ok(is_whole(out) && !has(out, "mark") && count(trash, "out") == 1, "by the whole new one, the old one is gone");

    mark(out);
    is_long(write_model(out, out, true, &err), 0, "a model is replaced by one with its own vocabulary");
    ok(is_whole(out) && !has(out, "mark") && same_file(out, source, "vocab.txt"), "... whole");

    char *link = path_join(trash, "link"), *slash = path_join(trash, "out///");
    mark(out);
    ok(symlink("out", link) == 0 && write_model(link, source, true, &err) == 0, "a model behind a link is replaced");
    struct stat st;
    ok(lstat(link, &st) == 0 && S_ISLNK(st.st_mode) && is_whole(out) && !has(out, "mark"),
       "... where it lies, and the link stays");
    mark(out);
    is_long(write_model(slash, source, true, &err), 0, "slashes at the end of the name do not matter");
    ok(is_whole(out) && !has(out, "mark") && count(trash, "out") == 1, "... there");
    free(link);
    free(slash);
    clear();
    is_long(write_model(slash = path_join(trash, "out/"), source, false, &err), 0, "nor do they for a new one");
    ok(is_whole(out) && count(trash, "") == 1, "... there");
    free(slash);
    clear();
}

/* ---- when things go wrong ---- */

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* A writer that is killed halfway: the tokenizer's vocabulary is a FIFO, on which it waits after config.json. */
static void test_killed(void)
{
    struct error err;
    char *slow = path_join(trash, "slow"), *fifo, *temporary;
    struct buf name = {0};
    write_model(out, source, false, &err);
    mark(out);
    folder_make(slow, &err);
    fifo = path_join(slow, "vocab.txt");
    if (mkfifo(fifo, 0600) < 0) {
        skip("a killed writer", "no FIFO here");
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        write_model(out, slow, true, &err);
        _exit(0);
    }
    buf_addf(&name, "%s.tmp-%ld", out, (long)pid);
    temporary = name.data;
    for (int i = 0; i < 5000 && !has(temporary, "config.json"); i++)
        pause_briefly();
    ok(has(temporary, "config.json") && !has(temporary, "model.safetensors"), "a writer is caught halfway");

    is_long(write_model(out, source, true, &err), 0, "another one does not mind");
    ok(has(temporary, "config.json"), "and leaves the living one's folder alone");
    mark(out);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ok(is_whole(out) && has(out, "mark"), "killed: the old model is whole and in its place");
    ok(path_exists(temporary), "a part of the new one lies beside it");
    is_long(write_model(out, source, true, &err), 0, "the next write succeeds");
    ok(is_whole(out) && !has(out, "mark") && count(trash, "out") == 1, "and takes away what the dead one left");
    buf_free(&name);
    free(fifo);
    free(slow);
    clear();
}

static void test_leftovers(void)
{
    struct error err;
    struct buf dead = {0}, alive = {0}, own = {0}, old = {0}, similar = {0};
    long pid = dead_pid();
    buf_addf(&dead, "%s.tmp-%ld", out, pid);
    buf_addf(&alive, "%s.tmp-%ld", out, (long)getppid());
    buf_addf(&own, "%s.tmp-%ld", out, (long)getpid());
    buf_addf(&old, "%s.old-%ld", out, pid);
    buf_addf(&similar, "%s.tmp-%ld-mine", out, pid);
    put(dead.data, "config.json", "{");
    put(alive.data, "config.json", "{");
    put(own.data, "config.json", "{");
    put(similar.data, "config.json", "{");
    is_long(write_model(out, source, false, &err), 0, "a write among leftovers");
    ok(is_whole(out), "gives a whole model");
    ok(!path_exists(dead.data) && !path_exists(own.data),
       "a dead process's folder is removed, and one of this process's number");
    ok(path_exists(alive.data), "a living process's folder stays");
    ok(path_exists(similar.data), "a folder of another name stays");

    rename(out, old.data);
    is_long(write_model(out, source, false, &err), -1, "a crash between two renames: the old model is put back first");
    ok(err.status == STATUS_USAGE && is_whole(out) && !path_exists(old.data), "... and so it exists");
    put(old.data, "config.json", "{");
    is_long(write_model(out, source, true, &err), 0, "an old model whose successor is there");
    ok(is_whole(out) && !path_exists(old.data), "... is removed");
    buf_free(&dead);
    buf_free(&alive);
    buf_free(&own);
    buf_free(&old);
    buf_free(&similar);
    clear();
}

static void test_no_space(void)
{
    struct error err;
    int status = -1;
    write_model(out, source, false, &err);
    mark(out);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){20000, 20000}); /* less than the weights, more than the rest */
        int result = write_model(out, source, true, &err);
        _exit(result == -1 && err.status == STATUS_FAILURE && strstr(err.text, strerror(EFBIG)) ? 7 : 8);
    }
    waitpid(pid, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 7, "no space: an error with the reason");
    ok(is_whole(out) && has(out, "mark") && count(trash, "out") == 1, "the old model stays, nothing lies beside it");
    clear();
}

/* The way for file systems that cannot exchange two names. */
static void test_swap_by_renames(void)
{
    struct error err = {0};
    char *new = path_join(trash, "new");
    put(out, "config.json", "old");
    put(new, "config.json", "new");
    is_long(folder_publish(new, out, true, false, &err), 0, "a swap by two renames");
    char *path = path_join(out, "config.json");
    size_t len;
    char *text = file_read(path, 100, &len, &err);
    is_string(text, "new", "the new one is there");
    is_long((long long)count(trash, ""), 1, "the old one is gone");
    is_long(folder_publish(new, out, true, false, &err), -1, "nothing to put there");
    ok(has(out, "config.json") && count(trash, "") == 1, "what was there is back");
    put(new, "config.json", "late");
    ok(folder_publish(new, out, false, true, &err) == -1 && err.status == STATUS_USAGE &&
           strstr(err.text, "exists now"),
       "a name that was taken meanwhile is not overwritten");
    ok(has(new, "config.json") && has(out, "config.json"), "... both are still there");
    free(text);
    free(path);
    free(new);
    clear();
}

int main(void)
{
    struct error err = {0};
    trash = make_trash();
    out = path_join(trash, "out");
    source = testdata("classifier");
    if (bert_config_read(&config, source, &err) < 0 || checkpoint_open(&checkpoint, source, &err) < 0) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }
    parameters_init(&parameters, &config, 2);
    if (checkpoint_attach(&checkpoint, &parameters, NULL, NULL, &err) < 0) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }
    test_round_trip();
    test_tokenizer_files();
    test_lacking_value();
    test_refusals();
    test_replacing();
    test_killed();
    test_leftovers();
    test_no_space();
    test_swap_by_renames();
    parameters_free(&parameters);
    checkpoint_close(&checkpoint);
    bert_config_free(&config);
    folder_remove(trash, NULL);
    free(source);
    free(out);
    free(trash);
    return done_testing();
}
