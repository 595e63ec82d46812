#define _GNU_SOURCE 1

#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int passing_flags(void) {
#if defined(O_PATH)
    return O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
#else
    return O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
#endif
}

int hypi_open_folder_in(int parent, const char *name) {
    return openat(parent, name, passing_flags());
}

int hypi_open_folder(const char *path) {
    if (path[0] != '/') {
        errno = EINVAL;
        return -1;
    }
    int folder = open("/", passing_flags());
    while (folder >= 0) {
        char name[NAME_MAX + 1];
        path += strspn(path, "/");
        size_t length = strcspn(path, "/");
        if (length == 0) return folder;
        int next = -1;
        if (length > NAME_MAX) {
            errno = ENAMETOOLONG;
        } else {
            memcpy(name, path, length);
            name[length] = 0;
            next = openat(folder, name, passing_flags());
        }
        int reason = errno;
        close(folder);
        errno = reason;
        folder = next;
        path += length;
    }
    return -1;
}

int hypi_folder_is_gone(int folder) {
    struct stat status;
    return fstat(folder, &status) == 0 && status.st_nlink == 0;
}

DIR *hypi_list_folder(int folder) {
    int descriptor = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return NULL;
    DIR *stream = fdopendir(descriptor);
    if (stream == NULL) {
        int reason = errno;
        close(descriptor);
        errno = reason;
    }
    return stream;
}

const char *hypi_entry_name(const struct dirent *entry) {
    return entry->d_name;
}
