/*
 * commands - what each command's file gives to the table in main.c.
 */
#ifndef QF_TOOLS_COMMANDS_H
#define QF_TOOLS_COMMANDS_H

#include "opt.h"

extern const char ls_description[];
extern const struct opt ls_options[];
int ls_run(char **operands, size_t n);

extern const char show_description[];
extern const struct opt show_options[];
int show_run(char **operands, size_t n);

extern const char shape_description[];
extern const struct opt shape_options[];
int shape_run(char **operands, size_t n);

extern const char hold_description[];
extern const struct opt hold_options[];
int hold_run(char **operands, size_t n);

extern const char release_description[];
extern const struct opt release_options[];
int release_run(char **operands, size_t n);

extern const char due_description[];
extern const struct opt due_options[];
int due_run(char **operands, size_t n);

extern const char rm_description[];
extern const struct opt rm_options[];
int rm_run(char **operands, size_t n);

extern const char undo_description[];
extern const struct opt undo_options[];
int undo_run(char **operands, size_t n);

extern const char journal_description[];
extern const struct opt journal_options[];
int journal_run(char **operands, size_t n);

extern const char tui_description[];
extern const struct opt tui_options[];
int tui_command_run(char **operands, size_t n);

extern const char wait_description[];
extern const struct opt wait_options[];
int wait_run(char **operands, size_t n);

extern const char audit_description[];
extern const struct opt audit_options[];
int audit_run(char **operands, size_t n);

extern const char orphans_description[];
extern const struct opt orphans_options[];
int orphans_run(char **operands, size_t n);

extern const char salvage_description[];
extern const struct opt salvage_options[];
int salvage_run(char **operands, size_t n);

extern const char doctor_description[];
extern const struct opt doctor_options[];
int doctor_run(char **operands, size_t n);
extern const char deliver_description[];
extern const struct opt deliver_options[];
int deliver_run(char **operands, size_t n);

extern const char bounce_description[];
extern const struct opt bounce_options[];
int bounce_run(char **operands, size_t n);

extern const char edit_description[];
extern const struct opt edit_options[];
int edit_run(char **operands, size_t n);

extern const char metrics_description[];
extern const struct opt metrics_options[];
int metrics_run(char **operands, size_t n);

#endif
