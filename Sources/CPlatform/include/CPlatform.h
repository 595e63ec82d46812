#ifndef HYPI_CPLATFORM_H
#define HYPI_CPLATFORM_H

/// Makes this process inherit the orphans of its descendants (Linux `PR_SET_CHILD_SUBREAPER`).
/// Returns 0, or -1 with errno set; ENOSYS where the system has no such thing.
int hypi_become_subreaper(void);

/// Makes a pipe whose ends no child inherits. Returns 0, or -1 with errno set.
int hypi_pipe(int ends[2]);

/// Keeps every descriptor that we inherited, but for standard input, output and error, from our children.
void hypi_keep_descriptors(void);

/// The posix_spawn flag that puts the child in a session of its own; Swift does not see it on Linux.
short hypi_spawn_new_session(void);

/// The flags for opening a folder only to pass through it: no reading, no following of a link, not inherited.
int hypi_passing_folder_flags(void);

#endif
