/*
 * claim_parts - what the files claim*.c share:
 *	claim.c          one message: locked, claimed, put back, dropped
 *	claim_folder.c   folders of claims: who holds them, for how long; all that are there
 */
#ifndef QF_LIBQF_CLAIM_PARTS_H
#define QF_LIBQF_CLAIM_PARTS_H

#include "claim.h"
#include "home.h"

/* One directory of the queue. */
struct qf_claims_dir {
	int home, claims; /* .qf, .qf/claims */
	struct {
		int folder;   /* of this run; made when the first claim needs it */
		int run_file; /* run.json in it */
	} lanes[QF_LANES_MAX];
	unsigned kinds;   /* QF_TAKE_* */
};

/* A folder of another run, open as long as the claims are. */
struct qf_claims_other {
	size_t dir;
	char name[QF_CLAIM_FOLDER_MAX];
	int fd;
};

struct qf_claims {
	struct qf_queue *queue;
	struct qf_io *io;
	struct qf_claim_run run;
	struct qf_claims_dir *dirs;
	size_t ndirs;
	struct qf_claims_other *open;
	size_t nopen;
	pthread_mutex_t mutex; /* of folders made and opened, and of when the lease was renewed */
	uint64_t renewed;      /* qf_clock_ns() */
};

/* Who we are. */
void qf_claim_run_fill(struct qf_claims *claims);
void qf_claim_folder_name(const struct qf_claims *claims, size_t dir, unsigned lane,
			  char folder[QF_CLAIM_FOLDER_MAX]);
/* This run's folder in that directory, with its run.json, made and on disk. */
enum qf_code qf_claim_folder_make(struct qf_claims *claims, size_t dir, unsigned lane,
				  struct qf_err *err);
/* The folder of any run. *fd stays the claims'. */
enum qf_code qf_claim_folder_open(struct qf_claims *claims, size_t dir, const char *folder, int *fd,
				  struct qf_err *err);

#endif
