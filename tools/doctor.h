/*
 * doctor - is this queue, this mount and this configuration fit to be shared: what its checks
 * are given, and how they answer.
 *
 * A check is a row of the table in doctor.c: a name, a function, a remedy. The function looks at
 * one thing and calls one of doctor_good(), _ok(), _warn(), _fail(), _unknown(), once. What could
 * not be seen is unknown, never ok.
 */
#ifndef QF_TOOLS_DOCTOR_H
#define QF_TOOLS_DOCTOR_H

#include "source.h"

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL, VERDICT_UNKNOWN, VERDICT_COUNT };

/* What the options ask for. */
struct doctor_options {
	const char *owner;      /* USER:GROUP */
	const char *mode;       /* of the directories, octal */
	int64_t stop_grace, run_interval;
	const char *sendmail;   /* the executable, or NULL: the usual places */
	bool probe;
};

/* The files a finding is about: paths, the first FILES_MAX of them, and how many there are. */
#define DOCTOR_FILES_MAX 1000
struct doctor_files {
	char **paths;
	size_t n, all;
};

/* One answer. */
struct doctor_answer {
	enum verdict verdict;
	char value[256], wanted[128], why[512];
	const char *remedy;      /* NULL: that of the row */
	struct doctor_files files;
};

struct mount;
struct perms_seen;

/* What the checks share; each part is looked up by the first check that needs it. */
struct doctor {
	const struct doctor_options *options;
	struct source source;
	uid_t uid;               /* of --owner */
	gid_t gid;
	mode_t mode;
	struct mount **mounts;   /* one a queue directory */
	struct perms_seen *perms;
	struct doctor_answer *answer; /* of the check in hand */
};

/* The answer of the check in hand. Text from outside may be anything: it is made safe where it
   is printed. */
void doctor_good(struct doctor *doctor, const char *value);
void doctor_ok(struct doctor *doctor, const char *value, const char *why, ...)
	__attribute__((format(printf, 3, 4)));
void doctor_warn(struct doctor *doctor, const char *value, const char *why, ...)
	__attribute__((format(printf, 3, 4)));
void doctor_fail(struct doctor *doctor, const char *value, const char *why, ...)
	__attribute__((format(printf, 3, 4)));
void doctor_unknown(struct doctor *doctor, const char *why, ...)
	__attribute__((format(printf, 2, 3)));
/* What would be right, for the answer in hand. */
void doctor_wanted(struct doctor *doctor, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A file the answer is about. */
void doctor_file(struct doctor *doctor, const char *directory, const char *name);
/* A file, its first megabyte, as a string the caller frees; NULL and errno where it cannot be
   read. */
char *doctor_read_file(const char *path);
/* True in a container, as far as that can be told. */
bool doctor_in_container(void);

/* The checks, by the file they are in. */
void doctor_queue_owner(struct doctor *doctor);       /* doctor_perms.c */
void doctor_queue_mode(struct doctor *doctor);
void doctor_file_owner(struct doctor *doctor);
void doctor_file_mode(struct doctor *doctor);
void doctor_perms_free(struct doctor *doctor);
/* Set right what the four of them found; an exit status. Told a line each on standard output. */
int doctor_perms_fix(struct doctor *doctor, bool yes, const struct qf_txn_options *options);

void doctor_mount_type(struct doctor *doctor);        /* doctor_mount.c */
void doctor_mount_options(struct doctor *doctor);
void doctor_mount_tls(struct doctor *doctor);
void doctor_space(struct doctor *doctor);
void doctor_inodes(struct doctor *doctor);
void doctor_read_only_root(struct doctor *doctor);
void doctor_tmpfs(struct doctor *doctor);
void doctor_mount_free(struct doctor *doctor);

void doctor_lock_flavour(struct doctor *doctor);      /* doctor_probe.c */
void doctor_lock_exclusion(struct doctor *doctor);
void doctor_rename_fsync(struct doctor *doctor);
void doctor_clock_skew(struct doctor *doctor);

void doctor_cf_queue(struct doctor *doctor);          /* doctor_cf.c */
void doctor_cf_min_queue_age(struct doctor *doctor);
void doctor_cf_queue_return(struct doctor *doctor);
void doctor_cf_queue_warn(struct doctor *doctor);
void doctor_cf_privacy(struct doctor *doctor);
void doctor_cf_max_message_size(struct doctor *doctor);
void doctor_cf_max_children(struct doctor *doctor);
void doctor_cf_rate_throttle(struct doctor *doctor);
void doctor_cf_super_safe(struct doctor *doctor);
void doctor_cf_log_level(struct doctor *doctor);
void doctor_cf_auth(struct doctor *doctor);
void doctor_stop_grace(struct doctor *doctor);

void doctor_capabilities(struct doctor *doctor);      /* doctor_host.c */
void doctor_no_new_privileges(struct doctor *doctor);
void doctor_seccomp(struct doctor *doctor);
void doctor_init(struct doctor *doctor);
void doctor_opendkim(struct doctor *doctor);
void doctor_dovecot(struct doctor *doctor);
void doctor_sandbox(struct doctor *doctor);
void doctor_abilities(struct doctor *doctor);

/* The locks of this process against those of another one, on another host say, that does the same
   on the same queue at the same time; for at most timeout seconds. doctor_locktest.c */
void doctor_lock_test(struct doctor *doctor, int64_t timeout);

#endif
