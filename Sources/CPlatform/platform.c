#define _GNU_SOURCE 1

#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif
#ifdef __GLIBC__
#include <malloc.h>
#endif

int hypi_become_subreaper(void) {
#ifdef __linux__
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
#else
    errno = ENOSYS;
    return -1;
#endif
}

void hypi_name_process(const char *name) {
#ifdef __linux__
    prctl(PR_SET_NAME, name, 0, 0, 0);
#else
    (void)name;
#endif
}

void hypi_dump_no_core(void) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
}

void hypi_release_freed_memory(void) {
#ifdef __GLIBC__
    // malloc_trim leaves the end of a thread's arena, which is given back when a larger block is freed and the threshold
    // is low. Both thresholds end as high as they get by themselves, so that long buffers are not mapped anew each time.
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
    void *volatile block = malloc(128 << 10);
    free(block);
    malloc_trim(0);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
#endif
}
