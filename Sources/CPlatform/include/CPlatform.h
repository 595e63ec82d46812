#ifndef HYPI_CPLATFORM_H
#define HYPI_CPLATFORM_H

#include <dirent.h>
#include <spawn.h>
#include <sys/types.h>

/// Makes this process inherit the orphans of its descendants (Linux `PR_SET_CHILD_SUBREAPER`).
/// Returns 0, or -1 with errno set; ENOSYS where the system has no such thing.
int hypi_become_subreaper(void);

/// Where this process is the first of a container (pid 1), lets a child go on in its place and stays behind as its parent:
/// collects every orphan that falls to it, passes signals on, and ends as the child ends.
///
/// To be called at the start, before there are threads. Returns 0 in the process that continues, or -1 with errno set.
int hypi_keep_first_process(void);

/// Gives this process the name that lists of processes show; nothing happens where the system has no such thing.
void hypi_name_process(const char *name);

/// Lets this process leave no core dump, however it ends.
void hypi_dump_no_core(void);

/// Keeps what is in our memory, a token and conversations among it, to ourselves should we crash.
///
/// No core is left: the soft limit is set, which children inherit and anybody may raise again. The Swift runtime prints no
/// backtrace, which shows what registers point to, unless `SWIFT_BACKTRACE` asks for it.
void hypi_crash_silently(void);

/// Gives memory back to the system that this thread has freed; nothing happens where the C library does so by itself.
void hypi_release_freed_memory(void);

/// Makes a pipe whose ends no child inherits. Returns 0, or -1 with errno set.
int hypi_pipe(int ends[2]);

/// Gives a pipe room for so many bytes. Returns 0, or -1 where the system does not.
int hypi_widen_pipe(int descriptor, int bytes);

/// Gives back the memory of program text that has been used so far; what is used again is read again.
///
/// To be called once a program that stays has started: most of the text that starting takes is not needed any more. The
/// system would take it as soon as it needs it, and counts it for us until then.
void hypi_release_text(void);

/// Opens a new file without a name for reading and writing; no child inherits it.
/// Returns its descriptor, or -1 with errno set.
int hypi_unnamed_file(void);

/// Opens a descriptor that becomes readable when a process ends (Linux pidfd_open).
/// Returns it, or -1 with errno set; ENOSYS where the system has no such thing.
int hypi_open_process(pid_t process);

/// Takes a variable out of our environment, and out of what others can read of it (`ps e`).
void hypi_hide_variable(const char *name);

/// Keeps every descriptor that we inherited, but for standard input, output and error, from our children.
void hypi_keep_descriptors(void);

/// How a child begins. Of posix_spawn's own types alone Swift would need another declaration on each system.
struct hypi_child {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
};

/// Prepares a child that inherits neither the signals that this thread blocks nor those among `signals` that we ignore.
///
/// We ignore SIGPIPE, and threads of a pool block signals. `flags` are further ones of posix_spawn; `signals` is NULL for
/// all. To be ended by hypi_end_child.
void hypi_begin_child(struct hypi_child *child, const int *signals, int count, short flags);

/// Frees what hypi_begin_child took.
void hypi_end_child(struct hypi_child *child);

/// The posix_spawn flag that puts the child in a session of its own; Swift does not see it on Linux.
short hypi_spawn_new_session(void);

/// Has the child begin in an open folder, whatever its path leads to by then. Swift does not see the function on Linux.
/// Returns 0, or an error's number.
int hypi_spawn_in_folder(posix_spawn_file_actions_t *actions, int folder);

/// Has the child inherit standard input, output and error alone; to be the last action. Returns 0, or an error's number.
int hypi_spawn_without_descriptors(posix_spawn_file_actions_t *actions);

/// Opens a folder by its absolute path, component by component, without following a single symbolic link.
///
/// The descriptor serves to pass through the folder, and no child inherits it. Returns it, or -1 with errno set: ELOOP or
/// ENOTDIR where a component is a link.
int hypi_open_folder(const char *path);

/// Opens a folder by its name in an open one, in the same way.
int hypi_open_folder_in(int parent, const char *name);

/// Opens the entries of an open folder for readdir. Returns NULL with errno set.
DIR *hypi_list_folder(int folder);

/// The name of an entry of a folder, where it stands: an entry may be shorter than its type, so it must not be copied.
const char *hypi_entry_name(const struct dirent *entry);

/// Whether an open folder has been deleted.
int hypi_folder_is_gone(int folder);

/// A descriptor that becomes readable when a child has ended, which is not collected by that; no child inherits it.
/// Returns -1 with errno set where the system has none.
int hypi_watch_end(pid_t pid);

/// Makes a signal write its number as one byte into a descriptor instead of ending the process; one descriptor for all.
/// Returns 0, or -1 with errno set.
int hypi_forward_signal(int number, int descriptor);

/// Remembers a terminal's settings, and restores them when the program crashes.
/// Returns 0, or -1 with errno set.
int hypi_guard_terminal(int descriptor);

/// Gives the guarded terminal the settings back that it had; nothing happens the second time.
void hypi_restore_terminal(void);

/// The size of a terminal in character cells.
/// Returns 0, or -1 where there is none or it does not say.
int hypi_terminal_size(int descriptor, int *rows, int *columns);

/// The cells a Unicode scalar takes on a terminal: 0, 1 or 2; -1 for what cannot be shown.
int hypi_character_width(unsigned int scalar);

/// Takes the person's locale for characters, or a UTF-8 one where theirs is not.
/// Returns 0, or -1 where the system has none.
int hypi_use_unicode(void);

#endif
