#ifndef HYPI_CREADLINE_SHIM_H
#define HYPI_CREADLINE_SHIM_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include <readline/history.h>
#include <readline/readline.h>

// Readline keeps its state in globals, which Swift 6 rightly refuses to touch. Everything goes through these functions,
// and all of them are called from one thread.

#ifdef RL_READLINE_VERSION
#define HYPI_IS_GNU_READLINE (RL_READLINE_VERSION >= 0x0800)
#else
#define HYPI_IS_GNU_READLINE 0
#endif

#if !HYPI_IS_GNU_READLINE
typedef void rl_compdisp_func_t(char **, int, int);
#endif

/// Whether this is GNU readline 8 or later; libedit lacks what a moving screen needs.
static inline int hypi_rl_is_gnu(void) { return HYPI_IS_GNU_READLINE; }

/// Readies readline: reads the inputrc, leaves signals and the environment to us, writes to `out`.
static inline void hypi_rl_begin(FILE *out) {
    // Readline keeps these pointers; a text from Swift would be gone after the call.
    rl_readline_name = "hypi-attach";
    rl_outstream = out;
    rl_catch_signals = 0;
#if HYPI_IS_GNU_READLINE
    rl_catch_sigwinch = 0;
    rl_change_environment = 0;
#endif
    rl_initialize();
    clear_history();
    using_history();
}

static inline void hypi_rl_install(const char *prompt, rl_vcpfunc_t *handler) {
    rl_callback_handler_install(prompt, handler);
}

/// Where readline gets its bytes from, and how it sees whether there are more: it must not look at the keyboard.
static inline void hypi_rl_read_from(rl_getc_func_t *next, rl_hook_func_t *is_available) {
    rl_getc_function = next;
#if HYPI_IS_GNU_READLINE
    rl_input_available_hook = is_available;
#else
    (void)is_available;
#endif
}

/// Ends the line and keeps the terminal's settings: between two lines an Enter must stay what it is.
static inline void hypi_rl_remove_keeping_terminal(void) {
    rl_vintfunc_t *prepare = rl_prep_term_function;
    rl_voidfunc_t *restore = rl_deprep_term_function;
    rl_deprep_term_function = NULL;
    rl_callback_handler_remove();
    rl_prep_term_function = prepare;
    rl_deprep_term_function = restore;
}

/// Bytes that were typed before the terminal was ours.
static inline int hypi_waiting_bytes(int descriptor) {
    int count = 0;
    return ioctl(descriptor, FIONREAD, &count) == 0 ? count : 0;
}

/// Whether a search in the history is under way, which Esc ends.
static inline int hypi_rl_is_searching(void) {
#if HYPI_IS_GNU_READLINE
    return RL_ISSTATE(RL_STATE_ISEARCH) || RL_ISSTATE(RL_STATE_NSEARCH);
#else
    return 0;
#endif
}

/// Whether Esc leaves vi's insertion mode, and leaves it.
static inline int hypi_rl_leave_vi_insertion(void) {
#if HYPI_IS_GNU_READLINE
    if (rl_editing_mode != 0 || rl_get_keymap() != vi_insertion_keymap) return 0;
    rl_vi_movement_mode(1, 27);
    return 1;
#else
    return 0;
#endif
}

/// Inserts at the cursor, as one change that can be undone.
static inline void hypi_rl_insert(const char *text) {
    rl_begin_undo_group();
    rl_insert_text(text);
    rl_end_undo_group();
}

/// Binds a key sequence in every keymap a person may be in.
static inline void hypi_rl_bind(const char *sequence, rl_command_func_t *function) {
#if HYPI_IS_GNU_READLINE
    rl_bind_keyseq_in_map(sequence, function, emacs_standard_keymap);
    rl_bind_keyseq_in_map(sequence, function, vi_insertion_keymap);
    rl_bind_keyseq_in_map(sequence, function, vi_movement_keymap);
#else
    rl_bind_key(sequence[0], function);
#endif
}

static inline const char *hypi_rl_line(void) { return rl_line_buffer ? rl_line_buffer : ""; }
static inline int hypi_rl_point(void) { return rl_point; }
static inline void hypi_rl_set_point(int point) { rl_point = point < rl_end ? point : rl_end; }

static inline void hypi_rl_set_line(const char *text) {
    rl_replace_line(text, 1);
    rl_point = rl_end;
}

static inline void hypi_rl_hide(void) {
#if HYPI_IS_GNU_READLINE
    rl_clear_visible_line();
#endif
}

static inline void hypi_rl_show(void) {
    rl_on_new_line();
    rl_redisplay();
}

static inline void hypi_rl_cleanup(void) {
#if HYPI_IS_GNU_READLINE
    rl_callback_sigcleanup();
#endif
}

static inline void hypi_rl_set_size(int rows, int columns) {
    rl_set_screen_size(rows, columns);
}

/// Words end at blanks only: `/` and `@` are part of what is completed.
static inline void hypi_rl_completion(rl_completion_func_t *complete, rl_compdisp_func_t *show) {
    static const char word_breaks[] = " \t\n";
    rl_attempted_completion_function = complete;
#if HYPI_IS_GNU_READLINE
    rl_completion_display_matches_hook = show;
#else
    (void)show;
#endif
    rl_basic_word_break_characters = word_breaks;
    rl_completer_word_break_characters = (char *)word_breaks;
}

/// No file names of this machine: files are the agent's.
static inline void hypi_rl_no_default_completion(void) { rl_attempted_completion_over = 1; }

static inline void hypi_rl_no_space_after_completion(void) { rl_completion_append_character = '\0'; }

#endif
