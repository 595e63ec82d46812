// What the sanitizers do by default, linked into every program of a build for one of them (Tests/Scripts/sanitize.sh).
//
// An environment would not reach them all: hypivisor gives an agent only what agents need, tests give programs what
// cron would give them, and some programs run as another user.

const char *__asan_default_options(void);
const char *__tsan_default_options(void);

// Leaks are not looked for: what lives as long as the process, such as NIO's thread pool, is none.
const char *__asan_default_options(void) {
    return "detect_leaks=0:log_path='" REPORTS "/address'";
}

// The status is the program's own, so that one finding does not fail tests that have nothing to do with it.
const char *__tsan_default_options(void) {
    return "exitcode=0:suppressions='" SUPPRESSIONS "':log_path='" REPORTS "/thread'";
}
