#define _GNU_SOURCE
#include "CTerminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __linux__
#include <poll.h>
#include <sys/syscall.h>
#else
#include <sys/event.h>
#endif

int hypi_open_terminal(char *name, int capacity) {
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0) return -1;
    const char *other = grantpt(terminal) == 0 && unlockpt(terminal) == 0 ? ptsname(terminal) : NULL;
    if (other == NULL) {
        close(terminal);
        return -1;
    }
    snprintf(name, (size_t)capacity, "%s", other);
    return terminal;
}

int hypi_spawn_in(posix_spawn_file_actions_t *actions, const char *folder) {
    return posix_spawn_file_actions_addchdir_np(actions, folder);
}

int hypi_spawn_with_three(posix_spawn_file_actions_t *actions) {
#ifdef __linux__
    return posix_spawn_file_actions_addclosefrom_np(actions, 3);
#else
    (void)actions;
    return 0;
#endif
}

int hypi_wait_for_end(int pid, int milliseconds) {
#ifdef __linux__
    int descriptor = (int)syscall(SYS_pidfd_open, pid, 0);
    if (descriptor < 0) return errno == ESRCH ? 0 : -1;
    struct pollfd poll_entry = {.fd = descriptor, .events = POLLIN};
    int count = poll(&poll_entry, 1, milliseconds);
#else
    int descriptor = kqueue();
    if (descriptor < 0) return -1;
    struct kevent event;
    EV_SET(&event, pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL);
    struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    int count = kevent(descriptor, &event, 1, &event, 1, &limit);
    if (count == 1 && event.flags & EV_ERROR) count = event.data == ESRCH ? 1 : -1;
#endif
    close(descriptor);
    return count < 0 ? -1 : count == 0;
}
