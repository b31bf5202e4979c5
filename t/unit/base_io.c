/* base_io.c - common/base: digests, paths, files, how processes end, Hub names. */
#include "base/buf.h"
#include "base/diag.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hub.h"
#include "base/io.h"
#include "base/memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../helper/tap.h"

static char folder[] = "/tmp/distil-base-XXXXXX";

static char *in_folder(const char *name)
{
    return path_join(folder, name);
}

/* ---- digests ---- */

static void test_sha256(void)
{
    char hex[SHA256_HEX_SIZE];
    sha256_hex("", 0, hex);
    is_string(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "SHA-256 of nothing");
    sha256_hex("abc", 3, hex);
    is_string(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "of abc (FIPS 180-4)");
    char *million = xmalloc(1000000);
    memset(million, 'a', 1000000);
    sha256_hex(million, 1000000, hex);
    is_string(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", "of a million bytes");
    free(million);
}

/* ---- paths and folders ---- */

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n - 2;
}

static void is_path(char *got, const char *expected, const char *what)
{
    is_string(got ? got : "(none)", expected, "%s", what);
    free(got);
}

static void test_paths(void)
{
    is_path(path_join("a", "b"), "a/b", "a folder and a name");
    is_path(path_join("a/", "b"), "a/b", "a folder with a slash");
    is_path(path_join("", "b"), "b", "no folder");
    setenv("HOME", "/home/u", 1);
    setenv("XDG_CACHE_HOME", "/c", 1);
    is_path(path_cache_home(), "/c/distil", "cache by XDG_CACHE_HOME");
    setenv("XDG_CACHE_HOME", "relative", 1);
    is_path(path_cache_home(), "/home/u/.cache/distil", "a relative XDG_CACHE_HOME does not count");
    unsetenv("XDG_CACHE_HOME");
    is_path(path_cache_home(), "/home/u/.cache/distil", "cache by HOME");
    unsetenv("XDG_STATE_HOME");
    is_path(path_state_home(), "/home/u/.local/state/distil", "state by HOME");
    unsetenv("HOME");
    is_path(path_cache_home(), "(none)", "no HOME, no cache");
}

static void test_folders(void)
{
    struct error err = {0};
    char *deep = in_folder("one/two//three/"), *top = in_folder("one"), *kept = in_folder("kept");
    is_long(folder_make(deep, &err), 0, "folders are made with their parents");
    ok(path_is_folder(deep), "and are there");
    is_long(folder_make(deep, &err), 0, "making them again is no failure");
    is_long(folder_sync(deep, &err), 0, "a folder is synced");
    is_long(folder_make("/proc/no/such", &err), -1, "where none can be made");
    ok(strstr(err.text, "/proc/no"), "it is named: %s", err.text);
    is_long(file_write(kept, "x", 1, &err), 0, "a file");
    is_long(folder_make(kept, &err), -1, "is not made a folder");
    char *link = in_folder("one/two/link"), *file = in_folder("one/two/file");
    is_long(symlink(folder, link), 0, "a link to the outside");
    is_long(file_write(file, "x", 1, &err), 0, "and a file inside");
    is_long(folder_remove(top, &err), 0, "a folder is removed with what is in it");
    ok(!path_exists(top) && path_exists(kept), "links are not followed");
    is_long(folder_remove(top, &err), 0, "a missing folder is removed without failure");
    is_long(folder_remove(kept, &err), -1, "a file is not removed as a folder");
    unlink(kept);
    free(deep);
    free(top);
    free(kept);
    free(link);
    free(file);
}

/* ---- files ---- */

static void test_input(void)
{
    struct input in;
    struct error err = {0};
    is_long(input_open(&in, folder, &err), -1, "a folder is no input");
    ok(strstr(err.text, "folder") && err.status == STATUS_FAILURE, "and is called one: %s", err.text);
    is_long(input_open(&in, "/no/such", &err), -1, "nor is a missing file");
    is_string(err.text, "/no/such: No such file or directory", "it is named");
    char *path = in_folder("input"), data[16] = "";
    file_write(path, "0123456789", 10, &err);
    is_long(input_open(&in, path, &err), 0, "a file is opened");
    is_long(input_read_full(&in, data, 4, &err), 4, "four bytes");
    is_long(input_read_full(&in, data + 4, 12, &err), 6, "the rest");
    is_string(data, "0123456789", "all in order");
    is_long(input_read(&in, data, 1, &err), 0, "and the end");
    input_close(&in);
    input_close(&in);
    size_t len;
    char *text = file_read(path, 10, &len, &err);
    is_string(text, "0123456789", "a whole file");
    is_long((long long)len, 10, "its length");
    free(text);
    ok(file_read(path, 9, &len, &err) == NULL && strstr(err.text, "larger than the 9 bytes"), "a cap: %s", err.text);
    text = file_read("/dev/null", 9, &len, &err);
    ok(text && len == 0 && *text == '\0', "an empty one");
    free(text);
    ok(file_read("/dev/zero", 100000, &len, &err) == NULL, "a device without end meets the cap");
    unlink(path);
    free(path);
}

static void test_output(void)
{
    struct output out;
    struct error err = {0};
    struct stat st;
    char *path = in_folder("output"), *link = in_folder("link");
    umask(022);
    file_write(path, "old", 3, &err);
    ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0644, "a new file has the usual mode");
    chmod(path, 0640);
    is_long(symlink("output", link), 0, "a link to it");
    is_long(output_open(&out, link, true, &err), 0, "is opened for output");
    output_write(&out, "new", 3);
    is_long(count_entries(folder), 3, "what is written goes beside the file");
    is_path(file_read(path, 99, NULL, &err), "old", "which is as it was");
    is_long(output_close(&out), 0, "until the output is closed");
    is_path(file_read(path, 99, NULL, &err), "new", "then it is the new one");
    ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640, "with its mode");
    ok(lstat(link, &st) == 0 && S_ISLNK(st.st_mode), "and the link is a link");
    is_long(output_open(&out, path, false, &err), 0, "opened again");
    output_write(&out, "third", 5);
    output_abort(&out);
    is_path(file_read(path, 99, NULL, &err), "new", "an aborted output changes nothing");
    is_long(count_entries(folder), 2, "and leaves nothing");
    is_long(output_open(&out, folder, false, &err), -1, "a folder is no output");
    is_long(output_write(&out, "x", 1), -1, "and takes nothing");
    is_long(output_close(&out), -1, "nor is it closed well");
    is_long(file_write("/no/such/file", "x", 1, &err), -1, "a file in no folder");
    is_string(err.text, "/no/such/file: cannot create: No such file or directory", "is named");
    unlink(link);
    unlink(path);
    free(path);
    free(link);
}

static void test_large_output(void)
{
    struct output out;
    struct error err = {0};
    char *path = in_folder("large");
    struct buf expected = {0};
    is_long(output_open(&out, path, false, &err), 0, "an output");
    for (unsigned i = 0; i < 2000; i++) { /* pieces below and above what is kept back */
        struct buf piece = {0};
        buf_addf(&piece, "%0*u", (int)(i % 97 == 0 ? 70000 : i % 50), i);
        buf_add(&expected, piece.data, piece.len);
        output_write(&out, piece.data, piece.len);
        buf_free(&piece);
    }
    is_long(output_close(&out), 0, "of many pieces");
    size_t len = 0;
    char *text = file_read(path, 1 << 24, &len, &err);
    ok(text && len == expected.len && memcmp(text, expected.data, len) == 0, "holds them in order");
    free(text);
    buf_free(&expected);
    unlink(path);
    free(path);
}

static void test_full_device(void)
{
    struct output out;
    struct error err = {0};
    is_long(output_open(&out, "/dev/full", true, &err), 0, "/dev/full is opened as it is");
    is_long(output_write(&out, "x", 1), 0, "a byte is kept back");
    is_long(output_flush(&out), -1, "and cannot be written");
    is_string(out.error.text, "/dev/full: cannot write: No space left on device", "the reason is told");
    is_long(output_write(&out, "x", 1), -1, "later writes fail at once");
    is_long(output_close(&out), -1, "and so does closing");
    ok(path_exists("/dev/full"), "the device is still there");
    is_long(output_open(&out, "/dev/full", true, &err), 0, "again");
    output_write(&out, "x", 1);
    is_long(output_close(&out), -1, "closing alone finds it too");
    is_long(file_write("/dev/full", "x", 1, &err), -1, "a whole file to it fails");
    ok(strstr(err.text, "No space left") && err.status == STATUS_FAILURE, "with the reason");
}

static void test_terminal(void)
{
    struct output out;
    struct error err = {0};
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    const char *name = master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 ? ptsname(master) : NULL;
    if (!name) {
        skip("output to a terminal", "there is no pseudo-terminal");
        return;
    }
    int slave = open(name, O_RDWR | O_NOCTTY); /* keeps it alive */
    is_long(output_open(&out, name, true, &err), -1, "tensors are not written to a terminal");
    is_long(err.status, STATUS_USAGE, "which is a usage error");
    is_string(err.text, "refusing to write tensors to a terminal; use -o FILE or a pipe", "that names the cure");
    is_long(output_open(&out, name, false, &err), 0, "text is");
    output_write(&out, "text", 4);
    is_long(output_close(&out), 0, "without a failure");
    char text[16] = "";
    ok(read(master, text, sizeof text - 1) == 4 && strcmp(text, "text") == 0, "as it stands");
    close(slave);
    close(master);
}

/* ---- how processes end ---- */

/* Runs body(argument) in a child; returns its wait status. */
static int in_child(void (*body)(const char *), const char *argument)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int quiet = open("/dev/null", O_WRONLY);
        dup2(quiet, STDERR_FILENO);
        close(quiet);
        body(argument);
        _exit(99);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

static void start_output(const char *path)
{
    static struct output out; /* reachable at exit, so that the leak checker sees none */
    struct error err = {0};
    if (output_open(&out, path, false, &err) < 0)
        _exit(98);
    output_write(&out, "x", 1);
    output_flush(&out);
}

static void die_with_output(const char *path)
{
    start_output(path);
    die(STATUS_FAILURE, "a failure");
}

static void terminate_with_output(const char *path)
{
    start_output(path);
    raise(SIGTERM);
}

static void handle_nothing(int number)
{
    (void)number;
}

static void own_handler_with_output(const char *path)
{
    signal(SIGINT, handle_nothing);
    start_output(path);
    raise(SIGINT); /* the tool's own handler stays: we go on */
    exit(7);
}

static void write_to_closed_pipe(const char *path)
{
    struct output out;
    struct error err = {0};
    int ends[2];
    signal(SIGPIPE, SIG_IGN); /* as a parent may have left it */
    start_output(path);
    if (pipe(ends) < 0)
        _exit(98);
    close(ends[0]);
    dup2(ends[1], STDOUT_FILENO);
    if (output_open(&out, NULL, false, &err) < 0)
        _exit(97);
    output_write(&out, "x", 1);
    output_close(&out);
    _exit(96);
}

static void write_to_closed_stdout(const char *path)
{
    struct output out;
    struct error err = {0};
    close(STDOUT_FILENO);
    diag_init("tool");
    int fd = open(path, O_WRONLY | O_CREAT, 0666);
    if (fd == STDOUT_FILENO)
        _exit(97);
    _exit(output_open(&out, NULL, false, &err) < 0 && strcmp(err.text, "standard output is closed") == 0 ? 0 : 1);
}

static void read_closed_stdin(const char *path)
{
    struct input in;
    struct error err = {0};
    (void)path;
    close(STDIN_FILENO);
    diag_init("tool");
    _exit(input_open(&in, "-", &err) < 0 && strcmp(err.text, "standard input is closed") == 0 ? 0 : 1);
}

static void write_by_descriptor(const char *path)
{
    struct output out;
    struct error err = {0};
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    dup2(fd, 9);
    if (write(9, "before ", 7) != 7 || output_open(&out, "/dev/fd/9", false, &err) < 0)
        _exit(98);
    output_write(&out, "after", 5);
    _exit(output_close(&out) == 0 && fcntl(9, F_GETFD) >= 0 ? 0 : 1);
}

static void allocate_too_much(const char *path)
{
    (void)path;
    free(xmalloc_array(SIZE_MAX / 2, 3));
}

static void test_ends(void)
{
    char *path = in_folder("unfinished");
    int status = in_child(die_with_output, path);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == STATUS_FAILURE, "die ends with its status");
    is_long(count_entries(folder), 0, "an unfinished file goes with it");
    status = in_child(terminate_with_output, path);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "SIGTERM ends a process as ever");
    is_long(count_entries(folder), 0, "and the unfinished file too");
    status = in_child(own_handler_with_output, path);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 7, "a tool's own handler is kept");
    is_long(count_entries(folder), 0, "exit removes the file");
    status = in_child(write_to_closed_pipe, path);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE, "EPIPE on stdout ends as SIGPIPE does, even where ignored");
    is_long(count_entries(folder), 0, "and removes unfinished files");
    status = in_child(write_to_closed_stdout, path);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a closed stdout is named, and no file takes its place");
    unlink(path);
    status = in_child(read_closed_stdin, path);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a closed stdin is named");
    status = in_child(write_by_descriptor, path);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "/dev/fd/N is the descriptor");
    is_path(file_read(path, 99, NULL, NULL), "before after", "at its place in the file");
    unlink(path);
    status = in_child(allocate_too_much, path);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == STATUS_FAILURE, "a size that overflows ends the process");
    free(path);
}

/* ---- Hub names ---- */

static void make_file(const char *path, const char *text)
{
    char *name = in_folder(path), *slash = strrchr(name, '/');
    struct error err = {0};
    *slash = '\0';
    folder_make(name, &err);
    *slash = '/';
    if (file_write(name, text, strlen(text), &err) < 0)
        note("%s", err.text);
    free(name);
}

static void resolves(const char *model, const char *expected, const char *what)
{
    struct error err = {0};
    char *got = hub_resolve(model, &err), *path = in_folder(expected);
    is_string(got ? got : err.text, path, "%s", what);
    free(got);
    free(path);
}

static void test_hub(void)
{
    struct error err = {0};
    char *cache = in_folder("hub"), *home = in_folder("");
    setenv("HF_HUB_CACHE", cache, 1);
    make_file("hub/models--google-bert--bert-base-uncased/refs/main", "abc123\n");
    make_file("hub/models--google-bert--bert-base-uncased/snapshots/abc123/config.json", "{}");
    make_file("hub/models--google-bert--bert-base-uncased/snapshots/old/config.json", "{}");
    make_file("hub/models--bert-base-cased/refs/main", "f00");
    make_file("hub/models--bert-base-cased/snapshots/f00/config.json", "{}");
    make_file("hub/models--me--pinned/snapshots/0a1/config.json", "{}");
    make_file("hub/models--me--evil/refs/main", "../..");
    make_file("hub/models--me--gone/refs/main", "fff");
    resolves("google-bert/bert-base-uncased", "hub/models--google-bert--bert-base-uncased/snapshots/abc123",
             "full name");
    resolves("bert-base-uncased", "hub/models--google-bert--bert-base-uncased/snapshots/abc123", "short name");
    resolves("google-bert/bert-base-cased", "hub/models--bert-base-cased/snapshots/f00", "cached under the short name");
    resolves("bert-base-uncased@old", "hub/models--google-bert--bert-base-uncased/snapshots/old", "a commit");
    resolves("me/pinned", "hub/models--me--pinned/snapshots/0a1", "the only snapshot, without refs/main");
    ok(!hub_resolve("me/evil", &err), "a ref that points elsewhere is not followed");
    ok(!hub_resolve("me/gone", &err), "nor one to a snapshot that is not there");
    ok(!hub_resolve("google-bert/bert-large-uncased", &err) && err.status == STATUS_USAGE, "a name that is not there");
    ok(strstr(err.text, "pipelines/fetch-model google-bert/bert-large-uncased"), "names the command: %s", err.text);
    ok(strstr(err.text, cache) != NULL, "and the cache");
    ok(!hub_resolve("me/pinned@v2", &err) && strstr(err.text, "fetch-model --revision v2 me/pinned"),
       "of a revision: %s", err.text);
    ok(!hub_resolve("./missing", &err) && strcmp(err.text, "./missing: no such file or folder") == 0,
       "what cannot be a name is a path");
    ok(!hub_resolve("a/b/c", &err) && strstr(err.text, "fetch-model") == NULL, "so is one with two slashes");
    resolves(cache, "hub", "a folder is itself");
    unsetenv("HF_HUB_CACHE");
    setenv("HF_HOME", home, 1);
    resolves("me/pinned", "hub/models--me--pinned/snapshots/0a1", "the cache by HF_HOME");
    unsetenv("HF_HOME");
    unsetenv("XDG_CACHE_HOME");
    ok(!hub_resolve("me/pinned", &err), "without HOME there is no cache");
    folder_remove(cache, NULL);
    free(cache);
    free(home);
}

int main(void)
{
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    test_sha256();
    test_paths();
    test_folders();
    test_input();
    test_output();
    test_large_output();
    test_full_device();
    test_terminal();
    test_ends();
    test_hub();
    is_long(count_entries(folder), 0, "nothing is left in the test's folder");
    folder_remove(folder, NULL);
    return done_testing();
}
