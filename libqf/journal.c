/*
 * journal - what was changed, when, by whom and why.
 *
 * Each line is written by one write() to a file opened for appending, so that lines of several
 * processes of a host do not mix.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "journal.h"

struct qf_journal {
	struct qf_io *io;
	const struct qf_actor *actor;
	int fd;
	pthread_mutex_t mutex;
	pthread_cond_t synced_more;
	uint64_t written, synced; /* lines */
	bool syncing;
	int failure;              /* errno of a sync that failed: nothing after it can be trusted */
};

/* A line that a power cut or a full disk has torn is ended, so that it does not take ours along. */
static int
end_torn_line(struct qf_io *io, int fd)
{
	char last = '\n';

	if (lseek(fd, -1, SEEK_END) < 0)
		return errno == EINVAL ? 0 : -1; /* empty */
	if (qf_io_read(io, fd, &last, 1) < 0)
		return -1;
	return last == '\n' ? 0 : qf_io_write(io, fd, "\n", 1);
}

/* A file that was just made belongs to whom the folder does: the queue's owner has to be able to go on
   with what root began. 0, or -1 and errno. */
static int
adopt(struct qf_io *io, int folder, int fd)
{
	struct stat above, st;

	if (qf_io_fstat(io, folder, &above) != 0 || qf_io_fstat(io, fd, &st) != 0)
		return -1;
	if (st.st_size > 0 || geteuid() != 0 ||
	    (st.st_uid == above.st_uid && st.st_gid == above.st_gid))
		return 0;
	/* Without CAP_CHOWN it stays root's. */
	return qf_io_fchown(io, fd, above.st_uid, above.st_gid) == 0 || errno == EPERM ? 0 : -1;
}

enum qf_code
qf_journal_open(struct qf_io *io, int folder, const struct qf_actor *actor,
		struct qf_journal **out, struct qf_err *err)
{
	struct qf_journal *journal = calloc(1, sizeof(*journal));
	char name[128];
	int failure;

	if (!journal)
		return qf_err_nomem(err);
	journal->io = io;
	journal->actor = actor;
	snprintf(name, sizeof(name), "%s.jsonl", actor->host);
	journal->fd = qf_io_create(io, folder, name,
				   O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (journal->fd < 0 || adopt(io, folder, journal->fd) != 0 || end_torn_line(io, journal->fd) != 0 ||
	    qf_io_fsync(io, folder) != 0) {
		failure = errno;
		if (journal->fd >= 0)
			qf_io_close(io, journal->fd);
		free(journal);
		return qf_err_sys(err, failure, name, "cannot open the journal");
	}
	pthread_mutex_init(&journal->mutex, NULL);
	pthread_cond_init(&journal->synced_more, NULL);
	*out = journal;
	return QF_OK;
}

void
qf_journal_close(struct qf_journal *journal)
{
	if (!journal)
		return;
	qf_io_close(journal->io, journal->fd);
	pthread_mutex_destroy(&journal->mutex);
	pthread_cond_destroy(&journal->synced_more);
	free(journal);
}

/* With the mutex held: wait until what is written so far is on disk; one of us syncs for all. */
static void
sync_written(struct qf_journal *journal, uint64_t mine)
{
	while (journal->synced < mine && !journal->failure) {
		uint64_t target = journal->written;

		if (journal->syncing) {
			pthread_cond_wait(&journal->synced_more, &journal->mutex);
			continue;
		}
		journal->syncing = true;
		pthread_mutex_unlock(&journal->mutex);
		if (qf_io_fsync(journal->io, journal->fd) != 0)
			target = 0;
		pthread_mutex_lock(&journal->mutex);
		journal->syncing = false;
		if (target)
			journal->synced = target;
		else
			journal->failure = errno;
		pthread_cond_broadcast(&journal->synced_more);
	}
}

static enum qf_code
add(struct qf_journal *journal, struct qf_buf *line, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	qf_buf_addc(line, '\n');
	if (line->failed) {
		qf_buf_release(line);
		return qf_err_nomem(err);
	}
	pthread_mutex_lock(&journal->mutex);
	if (!journal->failure && qf_io_write(journal->io, journal->fd, line->p, line->n) != 0)
		journal->failure = errno;
	if (!journal->failure)
		sync_written(journal, ++journal->written);
	if (journal->failure)
		code = qf_err_sys(err, journal->failure, "journal", "cannot write");
	pthread_mutex_unlock(&journal->mutex);
	qf_buf_release(line);
	return code;
}

static void
open_line(struct qf_json *json, const char *entry, const char *step, int64_t now)
{
	qf_json_open(json, '{');
	qf_json_key(json, "schema");
	qf_json_string(json, "qf.journal/1");
	qf_json_key(json, "entry");
	qf_json_string(json, entry);
	qf_json_key(json, "step");
	qf_json_string(json, step);
	qf_json_key(json, "time");
	qf_json_time(json, now);
}

enum qf_code
qf_journal_begin(struct qf_journal *journal, const struct qf_intent *intent, struct qf_err *err)
{
	const struct qf_files *files = intent->files;
	const struct qf_actor *actor = journal->actor;
	struct qf_buf line = {0};
	struct qf_json json = {.out = &line};

	open_line(&json, intent->entry, "begin", intent->now);
	qf_json_key(&json, "user");
	qf_json_string(&json, actor->user);
	qf_json_key(&json, "host");
	qf_json_string(&json, actor->host);
	qf_json_key(&json, "command");
	qf_json_string(&json, intent->command ? intent->command : actor->command);
	qf_json_key(&json, "queue");
	qf_json_text(&json, files->queue);
	qf_json_key(&json, "id");
	qf_json_text(&json, files->id);
	qf_json_key(&json, "file");
	qf_json_text(&json, files->name);
	qf_json_key(&json, "note");
	qf_json_string(&json, actor->note);
	qf_json_key(&json, "undoes");
	qf_json_string(&json, intent->undoes);
	qf_json_key(&json, "was_reason");
	qf_json_text(&json, intent->was_reason);
	qf_json_key(&json, "was_last_try");
	qf_json_time(&json, intent->was_last_try);
	if (intent->harm) {
		qf_json_key(&json, "harm");
		qf_json_string(&json, intent->harm);
	}
	if (intent->became) {
		qf_json_key(&json, "became");
		qf_json_string(&json, intent->became);
	}
	if (intent->trash) {
		qf_json_key(&json, "trash");
		qf_json_string(&json, intent->trash);
	}
	if (intent->was_perms) {
		qf_json_key(&json, "was_perms");
		qf_json_string(&json, intent->was_perms);
		qf_json_key(&json, "new_perms");
		qf_json_string(&json, intent->new_perms);
	}
	if (intent->was_control.p) {
		struct qf_buf base64 = {0};

		qf_base64(&base64, intent->was_control);
		line.failed |= base64.failed;
		qf_json_key(&json, "was_control");
		qf_json_text(&json, (struct qf_slice){base64.p, base64.n});
		qf_buf_release(&base64);
		qf_json_key(&json, "new_digest");
		qf_json_string(&json, intent->new_digest);
	}
	if (intent->gone.p) {
		struct qf_slice rest = intent->gone;

		qf_json_key(&json, "gone");
		qf_json_open(&json, '[');
		while (rest.n > 0) {
			const char *end = memchr(rest.p, '\n', rest.n);
			size_t n = end ? (size_t)(end - rest.p) : rest.n;

			qf_json_text(&json, (struct qf_slice){rest.p, n});
			n += end != NULL;
			rest = (struct qf_slice){rest.p + n, rest.n - n};
		}
		qf_json_close(&json, ']');
		if (intent->added) {
			qf_json_key(&json, "added");
			qf_json_string(&json, intent->added);
		}
	}
	qf_json_close(&json, '}');
	return add(journal, &line, err);
}

enum qf_code
qf_journal_end(struct qf_journal *journal, const struct qf_outcome *outcome, int64_t now,
	       struct qf_err *err)
{
	struct qf_buf line = {0};
	struct qf_json json = {.out = &line};

	open_line(&json, outcome->entry, "end", now);
	qf_json_key(&json, "result");
	qf_json_string(&json, qf_result_name(outcome->result));
	qf_json_key(&json, "why");
	qf_json_string(&json, outcome->why[0] ? outcome->why : NULL);
	qf_json_close(&json, '}');
	return add(journal, &line, err);
}
