#define _GNU_SOURCE

#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif
#ifdef __APPLE__
#include <sys/event.h>
#endif

int hypi_pipe(int ends[2]) {
#ifdef __linux__
    return pipe2(ends, O_CLOEXEC);
#else
    if (pipe(ends) != 0) return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
#endif
}

int hypi_widen_pipe(int descriptor, int bytes) {
#ifdef F_SETPIPE_SZ
    return fcntl(descriptor, F_SETPIPE_SZ, bytes) < 0 ? -1 : 0;
#else
    (void)descriptor;
    (void)bytes;
    return -1;
#endif
}

int hypi_unnamed_file(void) {
#ifdef __linux__
    int memory = memfd_create("hyper-pi", MFD_CLOEXEC);
    if (memory >= 0) return memory;
#endif
    char name[] = "/tmp/hyper-pi-XXXXXX";
    int descriptor = mkostemp(name, O_CLOEXEC);
    if (descriptor >= 0) unlink(name);
    return descriptor;
}

void hypi_begin_child(struct hypi_child *child, const int *signals, int count, short flags) {
    sigset_t set;
    posix_spawn_file_actions_init(&child->actions);
    posix_spawnattr_init(&child->attributes);
    sigemptyset(&set);
    posix_spawnattr_setsigmask(&child->attributes, &set);
    if (!signals) sigfillset(&set);
    for (int place = 0; place < count; place++) sigaddset(&set, signals[place]);
    posix_spawnattr_setsigdefault(&child->attributes, &set);
    posix_spawnattr_setflags(&child->attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | flags);
}

void hypi_end_child(struct hypi_child *child) {
    posix_spawn_file_actions_destroy(&child->actions);
    posix_spawnattr_destroy(&child->attributes);
}

short hypi_spawn_new_session(void) {
    return POSIX_SPAWN_SETSID;
}

int hypi_spawn_in_folder(posix_spawn_file_actions_t *actions, int folder) {
    return posix_spawn_file_actions_addfchdir_np(actions, folder);
}

int hypi_spawn_without_descriptors(posix_spawn_file_actions_t *actions) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    return posix_spawn_file_actions_addclosefrom_np(actions, 3);
#else
    (void)actions;
    hypi_keep_descriptors();
    return 0;
#endif
}

int hypi_watch_end(pid_t pid) {
#if defined(__linux__) && defined(SYS_pidfd_open)
    return (int)syscall(SYS_pidfd_open, pid, 0U);
#elif defined(__APPLE__)
    int queue = kqueue();
    if (queue < 0) return -1;
    fcntl(queue, F_SETFD, FD_CLOEXEC);
    struct kevent change;
    EV_SET(&change, pid, EVFILT_PROC, EV_ADD | EV_ONESHOT, NOTE_EXIT, 0, NULL);
    if (kevent(queue, &change, 1, NULL, 0, NULL) == 0) return queue;
    close(queue);
    return -1;
#else
    errno = ENOSYS;
    return -1;
#endif
}

void hypi_keep_descriptors(void) {
#if defined(__linux__) && defined(SYS_close_range)
    // CLOSE_RANGE_CLOEXEC, which older headers do not name.
    if (syscall(SYS_close_range, 3U, ~0U, 1U << 2) == 0) return;
#endif
    // Before Linux 5.11, and elsewhere: what a parent leaves open has a small number.
    for (int descriptor = 3; descriptor < 1024; descriptor++) {
        int flags = fcntl(descriptor, F_GETFD);
        if (flags != -1) fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC);
    }
}
