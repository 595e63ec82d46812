#define _GNU_SOURCE

#include "CPlatform.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HYPI_SANITIZED 1
#endif
#endif

static void leave_no_core(void) {
    struct rlimit cores;
    if (getrlimit(RLIMIT_CORE, &cores) != 0) return;
    // One byte is too little for a core. Not none: a Linux whose core_pattern is a program hands it every core, however
    // small the limit, but for this one (fs/coredump.c).
    cores.rlim_cur = cores.rlim_max < 1 ? cores.rlim_max : 1;
    setrlimit(RLIMIT_CORE, &cores);
}

/// Gives signals of a crash their default action back where the Swift runtime has taken them.
static void print_no_backtrace(void) {
#ifndef HYPI_SANITIZED
    // Whoever asks for it gets it.
    if (getenv("SWIFT_BACKTRACE") != NULL) return;
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGQUIT};
    for (size_t index = 0; index < sizeof crashes / sizeof *crashes; index++) {
        struct sigaction action;
        if (sigaction(crashes[index], NULL, &action) != 0 || action.sa_handler == SIG_IGN) continue;
        memset(&action, 0, sizeof action);
        action.sa_handler = SIG_DFL;
        sigaction(crashes[index], &action, NULL);
    }
#endif
}

void hypi_crash_silently(void) {
    leave_no_core();
    print_no_backtrace();
}
