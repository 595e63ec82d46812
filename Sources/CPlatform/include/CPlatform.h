#ifndef HYPI_CPLATFORM_H
#define HYPI_CPLATFORM_H

/// Makes this process inherit the orphans of its descendants (Linux `PR_SET_CHILD_SUBREAPER`).
/// Returns 0, or -1 with errno set; ENOSYS where the system has no such thing.
int hypi_become_subreaper(void);

#endif
