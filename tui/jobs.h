/*
 * jobs - changes at work in processes of their own, which outlive this one.
 *
 * A job is qf with a file as its output: NAME.job in .qf/jobs of the queue, or in jobs/ of
 * $QF_STATE. Its first line says what it is; qf writes one a message behind it, and a tally at the
 * end. The job holds a lock on the file for as long as it lives: so who comes later can tell
 * whether it is at work, on whatever host.
 */
#ifndef QF_TUI_JOBS_H
#define QF_TUI_JOBS_H

#include "model.h"

struct tui_job_files;

/* NULL when memory is out. Nothing is made or looked at yet. */
struct tui_job_files *tui_job_files_new(const struct tui_config *config, struct qf_queue *queue);
void tui_job_files_free(struct tui_job_files *files);
/* Start the run of the model as a job. name is set to its name. */
enum qf_code tui_job_start(struct tui_job_files *files, const struct tui_run *run, int64_t now,
			   char name[64], struct qf_err *err);
/* What the jobs have come to. True while one is at work. */
bool tui_jobs_look(struct tui_job_files *files, struct tui_jobs *out, int64_t now);

#endif
