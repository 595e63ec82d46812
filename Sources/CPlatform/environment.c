#include "CPlatform.h"

#include <stdlib.h>
#include <string.h>

void hypi_hide_variable(const char *name) {
    char *value = getenv(name);
    if (value == NULL) return;
    // The first environment of a process stays readable where it lies (/proc/<pid>/environ, ps e): it is overwritten.
    memset(value, 0, strlen(value));
    unsetenv(name);
}
