/*
 * audit_index - qf audit index: a snapshot of a queue into the database.
 *
 * What was read is stored and committed piece by piece: contents and messages are named by what
 * they are, so nothing of an unfinished run is wrong, and the next run finds it there. The snapshot
 * itself (its row, and which messages it has) is written in the last transaction: a database holds
 * only snapshots that were finished.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit_index.h"
#include "every.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"

/* So many messages are lost to an interruption, and have to be read again. */
#define BATCH 20000

static int
failed(const struct qf_err *err)
{
	return say_failure(err);
}

static uint64_t
clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ------------------------------------------------------------------ where the database may lie */

static bool
same(int fd, const struct stat *st)
{
	struct stat own;

	return fd >= 0 && fstat(fd, &own) == 0 && own.st_dev == st->st_dev &&
	       own.st_ino == st->st_ino;
}

/* A stranger's file in a queue is a nuisance to all who look at it: the database lies elsewhere. */
static int
check_place(const struct qf_queue *queue)
{
	char *path = strdup(audit_given.db), *slash;
	struct stat st;
	int status = STATUS_OK;

	if (!path)
		return STATUS_OS;
	slash = strrchr(path, '/');
	if (!slash)
		strcpy(path, audit_given.db[1] ? "." : "."), slash = path;
	else
		slash[slash == path] = '\0';
	if (stat(path, &st) != 0) {
		say_error("%s: no such directory", path);
		free(path);
		return STATUS_CANNOT_CREATE;
	}
	for (size_t i = 0; i < qf_queue_ndirs(queue) && !status; i++) {
		const struct qf_dir *dir = qf_queue_dir(queue, i);
		struct stat whole;
		bool inside = same(dir->control_fd, &st) || same(dir->data_fd, &st) ||
			      same(dir->transcript_fd, &st);

		inside |= stat(dir->path, &whole) == 0 && whole.st_dev == st.st_dev &&
			  whole.st_ino == st.st_ino;
		if (!inside)
			continue;
		say_error("%s: lies in the queue %s; a database must not: choose another place",
			  audit_given.db, dir->path);
		status = STATUS_CANNOT_CREATE;
	}
	free(path);
	return status;
}

/* ------------------------------------------------------------------ messages */

bool
audit_add_present(struct audit_snapshot *snapshot, const struct audit_place *place)
{
	struct audit_present *p;

	if (snapshot->n == snapshot->room) {
		size_t room = snapshot->room ? snapshot->room * 2 : 1024;
		struct audit_present *more = realloc(snapshot->present, room * sizeof(*more));

		if (!more)
			return false;
		snapshot->present = more;
		snapshot->room = room;
	}
	p = &snapshot->present[snapshot->n++];
	*p = (struct audit_present){
		.message = place->message,
		.seen = snapshot->source.now + (int64_t)place->seen,
		.name = place->name,
		.inode = place->inode,
		.dir = place->dir,
		.moving = place->busy ? AUDIT_BUSY : AUDIT_STILL,
	};
	snapshot->unchanged += place->message <= snapshot->boundary;
	snapshot->dirs[place->dir].messages++;
	return audit_set_add(&snapshot->ids, audit_hash(place->id.p, place->id.n, 0)) &&
	       audit_set_add(&snapshot->data, audit_hash(place->data.p, place->data.n, 0));
}

static enum qf_code
take_message(struct audit_snapshot *snapshot, struct qf_msg *msg, struct qf_err *err)
{
	struct qf_slice text = qf_msg_text(msg);
	const struct qf_files *files = qf_msg_files(msg);
	struct audit_dir *dir = &snapshot->dirs[files->dir];
	struct audit_place place;
	struct audit_read read;
	enum qf_code code;

	if (qf_msg_finding(msg, QF_F_UNREADABLE)) {
		say_error("%.*s: cannot be read", (int)files->path.n, files->path.p);
		snapshot->unreadable++;
		dir->complete = false;
		snprintf(dir->why, sizeof(dir->why), "a message could not be read");
		return QF_OK;
	}
	if (text.n < sizeof(read)) {
		return store_no_memory(err);
	}
	memcpy(&read, text.p, sizeof(read));
	place = (struct audit_place){
		.seen = read.seen,
		.name = audit_hash(files->name.p, files->name.n, (uint32_t)files->dir + 1),
		.inode = files->inode,
		.dir = (uint32_t)files->dir,
		.busy = files->have_busy && files->busy == QF_YES,
		.id = files->id,
		.data = files->data_path,
	};
	code = audit_store_message(snapshot, msg, &read,
				   (struct qf_slice){text.p + sizeof(read), text.n - sizeof(read)},
				   &place.message, err);
	if (code != QF_OK)
		return code;
	if (!audit_add_present(snapshot, &place)) {
		return store_no_memory(err);
	}
	if (++snapshot->pending < BATCH)
		return QF_OK;
	snapshot->pending = 0;
	code = store_commit(snapshot->store, err);
	return code == QF_OK ? store_begin(snapshot->store, err) : code;
}

static enum qf_code
read_queue(struct audit_snapshot *snapshot, struct qf_err *err)
{
	struct qf_scan_options options = {
		.needs = QF_NEED_STAT | QF_NEED_BUSY | QF_NEED_DATA | QF_NEED_HEADERS,
		.jobs = snapshot->source.jobs,
		.max_ops = snapshot->source.max_ops,
		.visit = audit_read_message,
		.worker_begin = audit_reader_new,
		.worker_end = audit_reader_free,
		.ctx = snapshot,
		.known = snapshot->always_digest ? NULL : audit_known_here,
		.cancel = signals_flag(),
	};
	struct qf_scan *scan;
	struct qf_msg *msg = NULL;
	enum qf_code code = qf_scan_new(snapshot->source.queue, &options, &scan, err);

	if (code != QF_OK)
		return code;
	while ((code = qf_scan_next(scan, &msg, err)) == QF_OK && msg)
		if ((code = take_message(snapshot, msg, err)) != QF_OK)
			break;
	for (size_t i = 0; i < qf_scan_ntroubles(scan) && code == QF_OK; i++) {
		size_t dir;
		const struct qf_err *trouble = qf_scan_trouble(scan, i, &dir);

		say_failure(trouble);
		snapshot->dirs[dir].complete = false;
		snprintf(snapshot->dirs[dir].why, sizeof(snapshot->dirs[dir].why), "%.200s",
			 trouble->why);
	}
	qf_scan_free(scan);
	return code == QF_OK ? audit_known_take(snapshot, err) : code;
}

/* ------------------------------------------------------------------ the command */

static void
report(const struct audit_snapshot *snapshot, const struct opt_list *paths, int64_t number,
       double seconds, struct qf_buf *out)
{
	struct qf_buf queue = {0};
	struct qf_json json = {.out = out};
	const char *why;
	bool complete = audit_is_complete(snapshot, &why);

	for (size_t i = 0; i < paths->n; i++)
		qf_buf_addf(&queue, "%s%s", i ? ":" : "", paths->values[i]);
	if (!paths->n)
		qf_buf_adds(&queue, qf_queue_dir(snapshot->source.queue, 0)->path);
	if (audit_given.format == AUDIT_JSON || audit_given.every) {
		const struct {
			const char *key;
			uint64_t value;
		} counts[] = {{"messages", snapshot->n},
			      {"unchanged", snapshot->unchanged},
			      {"moving", snapshot->moving}};

		qf_json_open(&json, '{');
		qf_json_key(&json, "schema");
		qf_json_string(&json, "qf.audit.index/1");
		qf_json_key(&json, "snapshot");
		qf_json_int(&json, number);
		qf_json_key(&json, "label");
		qf_json_string(&json, audit_given.label);
		qf_json_key(&json, "queue");
		qf_json_text(&json, (struct qf_slice){queue.p, queue.n});
		for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
			qf_json_key(&json, counts[i].key);
			qf_json_int(&json, (int64_t)counts[i].value);
		}
		qf_json_key(&json, "complete");
		qf_json_bool(&json, complete);
		qf_json_key(&json, "seconds");
		qf_buf_addf(out, "%.3f", seconds);
		json.comma = true;
		qf_json_close(&json, '}');
		if (!audit_given.every)
			qf_buf_addc(out, '\n');
	} else if (audit_given.format == AUDIT_CSV) {
		qf_buf_adds(out,
			    "snapshot,label,queue,messages,unchanged,moving,complete,seconds\r\n");
		qf_buf_addf(out, "%lld,", (long long)number);
		if (audit_given.label)
			qf_escape_csv(out, (struct qf_slice){audit_given.label,
							     strlen(audit_given.label)});
		qf_buf_addc(out, ',');
		qf_escape_csv(out, (struct qf_slice){queue.p, queue.n});
		qf_buf_addf(out, ",%zu,%llu,%llu,%s,%.3f\r\n", snapshot->n,
			    (unsigned long long)snapshot->unchanged,
			    (unsigned long long)snapshot->moving, complete ? "true" : "false",
			    seconds);
	} else {
		qf_buf_addf(out, "snapshot %lld", (long long)number);
		if (audit_given.label) {
			qf_buf_adds(out, " (");
			qf_escape_terminal(
				out,
				(struct qf_slice){audit_given.label, strlen(audit_given.label)},
				term_utf8());
			qf_buf_addc(out, ')');
		}
		qf_buf_addf(out, ": %zu %s in ", snapshot->n,
			    snapshot->n == 1 ? "message" : "messages");
		qf_escape_terminal(out, (struct qf_slice){queue.p, queue.n}, term_utf8());
		qf_buf_addf(out, "; %llu unchanged, %llu moving%s\n",
			    (unsigned long long)snapshot->unchanged,
			    (unsigned long long)snapshot->moving, complete ? "" : "; INCOMPLETE");
	}
	qf_buf_release(&queue);
}

static int
make_snapshot(struct audit_snapshot *snapshot, const struct opt_list *paths, struct qf_buf *out)
{
	struct qf_err err;
	int64_t number = 0;
	bool left_over = false;
	double seconds;
	const char *why;
	enum qf_code code = store_bulk(snapshot->store, &err);

	if (code == QF_OK)
		code = store_begin(snapshot->store, &err);
	if (code == QF_OK)
		code = audit_queue_rows(snapshot, &err);
	snapshot->always_digest = audit_given.digest || audit_given.bodies || snapshot->restored;
	if (code == QF_OK)
		code = audit_load_known(snapshot, &err);
	if (code == QF_OK && !snapshot->always_digest)
		code = audit_known_load(snapshot, &err);
	if (code == QF_OK)
		code = audit_note_run(snapshot, &left_over, &err);
	if (code == QF_OK && left_over)
		say_detail("going on where an interrupted run ended");
	if (code == QF_OK)
		code = read_queue(snapshot, &err);
	if (code == QF_OK)
		code = audit_snapshot_row(snapshot, &number, &err);
	if (code == QF_OK)
		code = audit_presence_rows(snapshot, number, &err);
	if (code == QF_OK)
		code = audit_look_again(snapshot, number, &err);
	if (code == QF_OK)
		code = audit_moving_rows(snapshot, number, &err);
	seconds = (double)(clock_ns() - snapshot->began) / 1e9;
	if (code == QF_OK)
		code = audit_final_rows(snapshot, number, seconds, &err);
	if (code == QF_OK && left_over)
		code = audit_tidy(snapshot->store, &err);
	if (code == QF_OK)
		code = store_commit(snapshot->store, &err);
	if (code != QF_OK) {
		store_rollback(snapshot->store);
		return failed(&err);
	}
	report(snapshot, paths, number, seconds, out);
	return audit_is_complete(snapshot, &why) ? STATUS_OK : STATUS_INCOMPLETE;
}

/* One snapshot, told in out. */
static int
do_round(void *ctx, struct qf_buf *out)
{
	struct audit_snapshot snapshot = {0};
	struct source_paths given = {0};
	struct opt_list paths = {0};
	int status, found = STATUS_OK;

	(void)ctx;
	status = source_begin(&snapshot.source);
	if (!status)
		status = source_paths(&given);
	if (!status) {
		found = audit_find_queues(&given.list, &paths);
		status = found > STATUS_INCOMPLETE ? found : STATUS_OK;
	}
	if (!status)
		status = source_open_queue(&snapshot.source, paths.values, paths.n);
	if (!status)
		status = check_place(snapshot.source.queue);
	if (!status) {
		snapshot.began = clock_ns();
		snapshot.dirs =
			calloc(qf_queue_ndirs(snapshot.source.queue) + 1, sizeof(*snapshot.dirs));
		status = snapshot.dirs ? audit_open(STORE_CREATE, &snapshot.store) : STATUS_OS;
	}
	if (!status && store_on_network(snapshot.store))
		say_note("%s: on a network file system: written with a rollback journal, and "
			 "readers "
			 "wait meanwhile",
			 audit_given.db);
	if (!status)
		status = make_snapshot(&snapshot, &paths, out);
	if (status <= STATUS_INCOMPLETE && found > status)
		status = found;
	store_close(snapshot.store);
	source_close(&snapshot.source);
	source_paths_release(&given);
	audit_free_queues(&paths);
	audit_set_release(&snapshot.known);
	audit_known_release(&snapshot);
	audit_set_release(&snapshot.ids);
	audit_set_release(&snapshot.data);
	free(snapshot.present);
	free(snapshot.dirs);
	return status;
}

int
audit_index(char **operands, size_t n)
{
	struct qf_buf out = {0};
	int status;

	if (n) {
		say_error("%s: takes no arguments; the queue is given with -Q", operands[0]);
		return STATUS_USAGE;
	}
	if (audit_given.every)
		return every_run("audit index", audit_given.every, do_round, NULL);
	status = do_round(NULL, &out);
	out_add_buf(&out);
	qf_buf_release(&out);
	return out_finish(status);
}
