#ifndef HYPI_CREADLINE_SHIM_H
#define HYPI_CREADLINE_SHIM_H

#include <stdio.h>
#include <stdlib.h>

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
    using_history();
}

static inline void hypi_rl_install(const char *prompt, rl_vcpfunc_t *handler) {
    rl_callback_handler_install(prompt, handler);
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
