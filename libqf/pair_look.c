/*
 * pair_look - one look at each control file, by as many threads as the file system rewards.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "load.h"
#include "msg.h"
#include "pair.h"

/* Things claimed at once. */
#define BATCH 64
#define JOBS_MAX 64
/* Questions in flight to a server: each costs a round trip and next to nothing else. */
#define JOBS_NETWORK 32
/* Less than this a thread is not worth while. */
#define LEAST 512
/* What sendmail says of a message whose data file it made itself; origin: queue.c readqf(). */
#define CANNOT_OPEN "readqf: cannot open "

/* ---------------------------------------------------------------- threads */

struct each {
	struct qf_pairs *pairs;
	size_t n;
	void (*work)(void *ctx, struct qf_io *io, size_t i);
	void *ctx;
	atomic_size_t next;
};

static void *
work_on(void *arg)
{
	struct each *each = arg;
	const volatile int *cancel = each->pairs->options.cancel;
	struct qf_io io;
	size_t first;

	qf_io_share(&io, each->pairs->io);
	while ((first = atomic_fetch_add(&each->next, BATCH)) < each->n && !(cancel && *cancel))
		for (size_t i = first; i < each->n && i < first + BATCH; i++)
			each->work(each->ctx, &io, i);
	qf_io_add(each->pairs->io, &io);
	return NULL;
}

static void *
work_beside(void *arg)
{
	/* A table of descriptors of its own: looking up then needs no counting. Where it is refused
	   all goes as well. */
	unshare(CLONE_FILES);
	return work_on(arg);
}

static size_t
jobs_for(const struct qf_pairs *pairs, size_t n)
{
	size_t jobs = pairs->options.jobs;
	cpu_set_t set;

	if (!jobs) {
		jobs = sched_getaffinity(0, sizeof(set), &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
		if (pairs->network && jobs < JOBS_NETWORK)
			jobs = JOBS_NETWORK;
		else if (!pairs->network && jobs > n / LEAST + 1)
			jobs = n / LEAST + 1;
	}
	return jobs > JOBS_MAX ? JOBS_MAX : jobs ? jobs : 1;
}

enum qf_code
qf_pair_each(struct qf_pairs *pairs, size_t n,
	     void (*work)(void *ctx, struct qf_io *io, size_t i), void *ctx, struct qf_err *err)
{
	struct each each = {.pairs = pairs, .n = n, .work = work, .ctx = ctx};
	size_t jobs = jobs_for(pairs, n), started = 0;
	pthread_t threads[JOBS_MAX];

	/* This thread is one of them; fewer than wanted do as well. */
	while (started + 1 < jobs && n > BATCH * (started + 1) &&
	       pthread_create(&threads[started], NULL, work_beside, &each) == 0)
		started++;
	work_on(&each);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	if (pairs->options.cancel && *pairs->options.cancel)
		return qf_err_set(err, QF_E_INTERRUPTED, "scan", "interrupted");
	return QF_OK;
}

/* ---------------------------------------------------------------- the look */

struct qf_pair_looker {
	struct qf_pairs *pairs;
	uint32_t forbidden;        /* bits of a mode */
	enum qf_lock_sight *sight; /* deep only */
	atomic_uint_fast64_t unreadable;
	atomic_bool nomem;
	pthread_mutex_t mutex;     /* of what follows */
	pthread_cond_t work;
	size_t listed, next;
	bool all, stop;            /* all are listed; no more is wanted */
	pthread_t threads[JOBS_MAX];
	size_t nthreads;
};

static void
mark_type(struct qf_pair_file *file, const struct stat *st)
{
	file->type = S_ISREG(st->st_mode) ? DT_REG : DT_UNKNOWN;
	if (!S_ISREG(st->st_mode))
		file->marks |= QF_PAIR_IRREGULAR;
}

static void
mark_failure(struct qf_pair_looker *look, struct qf_pair_file *file)
{
	if (errno == ENOENT || errno == ESTALE) {
		file->marks |= QF_PAIR_GONE;
	} else {
		file->marks |= QF_PAIR_UNREADABLE;
		atomic_fetch_add(&look->unreadable, 1);
	}
}

/* Its own data file is a byte that sendmail put there. It says so for as long as no other status
   is written over it. */
bool
qf_pair_is_placeholder(const struct qf_msg *msg, int64_t data_size)
{
	struct qf_slice status = qf_msg_envelope(msg)->status;
	size_t n = strlen(CANNOT_OPEN);

	return data_size == 1 && status.n >= n &&
	       memcmp(status.p, CANNOT_OPEN, n) == 0;
}

static void
mark_findings(struct qf_pair_file *file, const struct qf_msg *msg)
{
	size_t n;
	const struct qf_diagnostic *found = qf_msg_diagnostics(msg, &n);

	for (size_t i = 0; i < n; i++) {
		if (found[i].finding == QF_F_UNSAFE_MODE || found[i].finding == QF_F_UNSAFE_OWNER)
			continue;
		if (found[i].finding == QF_F_UNREADABLE)
			file->marks |= QF_PAIR_UNREADABLE;
		else if (found[i].finding == QF_F_NO_TERMINATOR)
			file->marks |= QF_PAIR_CUT;
		else if (found[i].finding == QF_F_NO_SENDER)
			file->marks |= QF_PAIR_NO_SENDER;
		else if (found[i].finding == QF_F_NO_RECIPIENT)
			file->marks |= QF_PAIR_NO_RCPT;
		else if (found[i].fate == QF_FATE_LOST)
			file->marks |= QF_PAIR_BOGUS;
	}
}

/* What reading it tells. Strays lie in no directory that messages are loaded from. */
static void
read_it(struct qf_pair_looker *look, struct qf_io *io, struct qf_pair_file *file)
{
	struct qf_pairs *pairs = look->pairs;
	const struct qf_pair_place *place = &pairs->places[file->place];
	struct qf_loader loader = {.queue = pairs->queue,
				   .io = io,
				   .sight = look->sight,
				   .needs = QF_NEED_DATA,
				   .scratch = malloc(QF_READ_SIZE),
				   .noatime = true};
	struct qf_msg *msg = qf_msg_new();
	enum qf_code code = QF_E_NOMEM;

	if (msg && loader.scratch)
		code = qf_load(&loader, place->dir, file->name, file->n, DT_REG,
			       file->inode, msg, NULL);
	if (code == QF_E_GONE) {
		file->marks |= QF_PAIR_GONE;
	} else if (code) {
		atomic_store(&look->nomem, true);
	} else {
		mark_findings(file, msg);
		if (file->marks & QF_PAIR_UNREADABLE)
			atomic_fetch_add(&look->unreadable, 1);
		if (qf_msg_files(msg)->data_size == -1)
			file->marks |= QF_PAIR_ELSEWHERE;
		if (qf_pair_is_placeholder(msg, qf_msg_files(msg)->data_size))
			file->marks |= QF_PAIR_PLACEHOLDER;
	}
	qf_msg_free(msg);
	free(loader.scratch);
}

static void
look_at(struct qf_pair_looker *look, struct qf_io *io, size_t i)
{
	struct qf_pairs *pairs = look->pairs;
	struct qf_pair_file *file = qf_pair_at(pairs, i);
	bool control = qf_kind_is_control((enum qf_kind)file->kind);
	struct stat st;

	if (!control && file->type == DT_REG)
		return;
	if (!control && file->type != DT_UNKNOWN) {
		file->marks |= QF_PAIR_IRREGULAR;
		return;
	}
	if (qf_io_stat(io, pairs->places[file->place].fd, file->name, &st,
		       AT_SYMLINK_NOFOLLOW) != 0) {
		mark_failure(look, file);
		return;
	}
	mark_type(file, &st);
	if (!control || !S_ISREG(st.st_mode))
		return;
	if (st.st_size == 0)
		file->marks |= QF_PAIR_EMPTY;
	if (st.st_nlink > 1)
		file->marks |= QF_PAIR_LINKED;
	if (st.st_mode & look->forbidden)
		file->marks |= QF_PAIR_UNSAFE;
	if (look->sight && st.st_size &&
	    pairs->homes[pairs->places[file->place].dir].part[QF_PART_CONTROL] == file->place)
		read_it(look, io, file);
}

/* Look at what is listed, and wait for more, until all of it is done. */
static void *
go_on(void *arg)
{
	struct qf_pair_looker *look = arg;
	const volatile int *cancel = look->pairs->options.cancel;
	struct qf_io io;

	qf_io_share(&io, look->pairs->io);
	pthread_mutex_lock(&look->mutex);
	while (!look->stop && !(cancel && *cancel)) {
		size_t first = look->next, last = first + BATCH;

		if (last > look->listed && !look->all) {
			pthread_cond_wait(&look->work, &look->mutex);
			continue;
		}
		if (last > look->listed)
			last = look->listed;
		if (first == last)
			break;
		look->next = last;
		pthread_mutex_unlock(&look->mutex);
		for (size_t i = first; i < last; i++)
			look_at(look, &io, i);
		pthread_mutex_lock(&look->mutex);
	}
	pthread_mutex_unlock(&look->mutex);
	qf_io_add(look->pairs->io, &io);
	return NULL;
}

static void *
go_on_beside(void *arg)
{
	unshare(CLONE_FILES);
	return go_on(arg);
}

enum qf_code
qf_pair_look_begin(struct qf_pairs *pairs, struct qf_pair_looker **out, struct qf_err *err)
{
	uint32_t mode = qf_queue_policy(pairs->queue)->queue_file_mode;
	struct qf_pair_looker *look = calloc(1, sizeof(*look));

	if (!look)
		return qf_err_nomem(err);
	look->pairs = pairs;
	look->forbidden = S_IWOTH | (mode & S_IWGRP ? 0 : S_IWGRP);
	if (pairs->options.deep) {
		look->sight = qf_load_sights(pairs->queue);
		if (!look->sight) {
			free(look);
			return qf_err_nomem(err);
		}
	}
	pthread_mutex_init(&look->mutex, NULL);
	pthread_cond_init(&look->work, NULL);
	*out = look;
	return QF_OK;
}

/* One thread is the lister's own; it joins in at the end. */
static void
start_threads(struct qf_pair_looker *look, size_t n)
{
	size_t jobs = jobs_for(look->pairs, n);

	while (look->nthreads + 1 < jobs && n > BATCH * (look->nthreads + 1) &&
	       pthread_create(&look->threads[look->nthreads], NULL, go_on_beside, look) == 0)
		look->nthreads++;
}

void
qf_pair_look_more(struct qf_pair_looker *look)
{
	size_t n = look->pairs->nfiles;

	start_threads(look, n);
	pthread_mutex_lock(&look->mutex);
	look->listed = n;
	pthread_cond_broadcast(&look->work);
	pthread_mutex_unlock(&look->mutex);
}

enum qf_code
qf_pair_look_end(struct qf_pair_looker *look, bool drop, struct qf_err *err)
{
	struct qf_pairs *pairs = look->pairs;
	const volatile int *cancel = pairs->options.cancel;
	enum qf_code code = QF_OK;

	pthread_mutex_lock(&look->mutex);
	look->all = true;
	look->stop = drop;
	pthread_cond_broadcast(&look->work);
	pthread_mutex_unlock(&look->mutex);
	go_on(look);
	for (size_t i = 0; i < look->nthreads; i++)
		pthread_join(look->threads[i], NULL);
	pairs->unreadable += look->unreadable;
	if (cancel && *cancel)
		code = qf_err_set(err, QF_E_INTERRUPTED, "scan", "interrupted");
	else if (look->nomem)
		code = qf_err_nomem(err);
	pthread_cond_destroy(&look->work);
	pthread_mutex_destroy(&look->mutex);
	free(look->sight);
	free(look);
	return code;
}

/* ---------------------------------------------------------------- one file */

enum qf_code
qf_pair_read(const struct qf_pairs *pairs, struct qf_io *io, size_t place, const char *name,
	     struct qf_msg **out, struct qf_err *err)
{
	struct qf_parse_options options = {.kind = qf_name_kind(name, strlen(name))};
	int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = qf_io_open(io, pairs->places[place].fd, name, flags | O_NOATIME);
	struct qf_buf bytes = {0};
	enum qf_code code;
	struct stat st;
	ssize_t n = 1;

	if (fd < 0 && errno == EPERM)
		fd = qf_io_open(io, pairs->places[place].fd, name, flags);
	if (fd < 0)
		return errno == ENOENT || errno == ESTALE
			       ? qf_err_set(err, QF_E_GONE, name, "is gone")
			       : qf_err_sys(err, errno, name, "cannot open");
	if (qf_io_fstat(io, fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		qf_io_close(io, fd);
		return qf_err_set(err, QF_E_DATA, name, "not a regular file");
	}
	while (n > 0 && bytes.n <= QF_CONTROL_MAX) {
		char *room = qf_buf_room(&bytes, 65536);

		if (!room)
			break;
		n = qf_io_read(io, fd, room, 65536);
		if (n > 0)
			bytes.n += (size_t)n;
	}
	if (n < 0)
		code = qf_err_sys(err, errno, name, "cannot read");
	else if (bytes.failed)
		code = qf_err_nomem(err);
	else
		code = qf_msg_parse((struct qf_slice){bytes.p ? bytes.p : "", bytes.n}, &options,
				    out, err);
	qf_io_close(io, fd);
	qf_buf_release(&bytes);
	return code;
}
