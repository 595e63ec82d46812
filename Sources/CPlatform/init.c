#define _GNU_SOURCE 1

#include "CPlatform.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int hypi_keep_first_process(void) {
#ifdef __linux__
    if (getpid() != 1) return 0;
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child < 0) {
        int reason = errno;
        sigprocmask(SIG_SETMASK, &before, NULL);
        errno = reason;
        return -1;
    }
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        return 0;
    }
    for (;;) {
        siginfo_t signal;
        if (sigwaitinfo(&all, &signal) < 0) continue;
        if (signal.si_signo != SIGCHLD) {
            // What the terminal sends reaches the child by itself, which is in the same group.
            if (signal.si_code != SI_KERNEL) kill(child, signal.si_signo);
            continue;
        }
        int status;
        pid_t ended;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
            if (ended != child) continue;
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        }
    }
#else
    return 0;
#endif
}
