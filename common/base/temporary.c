/* temporary.c - the list of unfinished files and the handlers that remove them. */
#include "base/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"

enum { MAX_FILES = 64 };

/* Read by signal handlers, hence a fixed table of pointers that each change in one store. */
static char *volatile files[MAX_FILES];
static volatile pid_t owner; /* a forked child must not remove its parent's files */
static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

void temporary_remove_all(void)
{
    if (owner != getpid())
        return;
    for (int i = 0; i < MAX_FILES; i++)
        if (files[i])
            unlink(files[i]);
}

static void on_signal(int number)
{
    temporary_remove_all();
    signal(number, SIG_DFL);
    raise(number); /* taken when the handler returns, because the signal is blocked meanwhile */
}

static void install(void)
{
    if (owner == getpid())
        return;
    owner = getpid();
    atexit(temporary_remove_all);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction old, action = {.sa_handler = on_signal};
        sigemptyset(&action.sa_mask);
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            sigaction(signals[i], &action, NULL);
    }
}

int temporary_create(const char *target, char **name)
{
    static unsigned counter;
    struct buf path = {0};
    int slot = 0;
    install();
    while (slot < MAX_FILES && files[slot])
        slot++;
    if (slot == MAX_FILES) {
        errno = EMFILE;
        return -1;
    }
    for (int attempt = 0; attempt < 100; attempt++) {
        buf_reset(&path);
        buf_addf(&path, "%s.tmp-%ld-%u", target, (long)getpid(), counter++);
        int fd = open(path.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
        if (fd >= 0) {
            files[slot] = path.data;
            *name = path.data;
            return fd;
        }
        if (errno != EEXIST)
            break;
    }
    int reason = errno;
    buf_free(&path);
    errno = reason;
    return -1;
}

void temporary_forget(char *name)
{
    for (int i = 0; i < MAX_FILES; i++)
        if (files[i] == name)
            files[i] = NULL;
    free(name);
}

void temporary_remove(char *name)
{
    unlink(name);
    temporary_forget(name);
}
