/*
 * runner - sendmail started by helpers that are forked before the first message is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner.h"
#include "say.h"
#include "status.h"

#define HELPERS_MAX 8
#define OPTIONS_MAX 8

/* Of a size that a pipe takes whole. */
struct request {
	size_t dir, n;
	char id[QF_NAME_MAX];
};

struct reply {
	size_t n;       /* bytes of output, which follow */
	char why[128];
	bool ran;
};

struct helper {
	pid_t pid;
	int to, from;   /* -1: closed */
	bool taken;
};

static struct {
	struct helper helpers[HELPERS_MAX];
	unsigned n;
	pthread_mutex_t mutex; /* of who is taken */
} crew = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* All of it, or false. */
static bool
take(int fd, void *bytes, size_t n)
{
	char *to = bytes;

	while (n) {
		ssize_t got = read(fd, to, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
	}
	return true;
}

static bool
give(int fd, const void *bytes, size_t n)
{
	const char *from = bytes;

	while (n) {
		ssize_t put = write(fd, from, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		from += put;
		n -= (size_t)put;
	}
	return true;
}

/* ------------------------------------------------------------------ in the helper */

/* Ids as sendmail makes them, and as others have them: no byte that ends an argument or a line. */
static bool
is_id(const struct request *request)
{
	if (!request->n || request->n >= sizeof(request->id))
		return false;
	for (size_t i = 0; i < request->n; i++)
		if ((unsigned char)request->id[i] <= ' ' || request->id[i] == '/')
			return false;
	return true;
}

static bool
run(const struct runner_terms *terms, const struct request *request, struct qf_buf *output,
    char why[128])
{
	const char *arguments[OPTIONS_MAX + 4];
	struct qf_buf which = {0}, directory = {0};
	size_t n = 0;
	bool ran;

	if (!is_id(request) || request->dir >= qf_queue_ndirs(terms->queue)) {
		snprintf(why, 128, "no message of this queue");
		return false;
	}
	qf_buf_addf(&which, "-qIqf%.*s", (int)request->n, request->id);
	qf_buf_addc(&which, '\0');
	qf_buf_addf(&directory, "-OQueueDirectory=%s",
		    qf_queue_dir(terms->queue, request->dir)->path);
	qf_buf_addc(&directory, '\0');
	for (size_t i = 0; terms->options[i] && n < OPTIONS_MAX; i++)
		arguments[n++] = terms->options[i];
	arguments[n++] = "-qf";
	arguments[n++] = which.p;
	if (terms->name_queue)
		arguments[n++] = directory.p;
	arguments[n] = NULL;
	ran = !which.failed && !directory.failed &&
	      sendmail_run(terms->sendmail, arguments, output, why);
	if (!ran && !*why)
		snprintf(why, 128, "out of memory");
	qf_buf_release(&which);
	qf_buf_release(&directory);
	return ran;
}

/* Until nobody asks any more. */
static void
serve(const struct runner_terms *terms, int from, int to)
{
	struct request request;

	while (take(from, &request, sizeof(request))) {
		struct qf_buf output = {0};
		struct reply reply = {0};

		reply.ran = run(terms, &request, &output, reply.why);
		reply.n = output.failed ? 0 : output.n;
		if (!give(to, &reply, sizeof(reply)) || !give(to, output.p, reply.n))
			_exit(1);
		qf_buf_release(&output);
	}
	_exit(0);
}

/* An interruption is the caller's: it lets the deliveries under way come to their end. Output goes
   to the caller alone, and whoever waits for the end of that is not to wait for us. */
static void
settle(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setpgid(0, 0);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
}

/* ------------------------------------------------------------------ in the caller */

static void
close_ends(struct helper *helper)
{
	if (helper->to >= 0)
		close(helper->to);
	if (helper->from >= 0)
		close(helper->from);
	helper->to = helper->from = -1;
}

/* False with errno. */
static bool
begin(const struct runner_terms *terms, struct helper *helper)
{
	int there[2], back[2];

	if (pipe2(there, O_CLOEXEC) != 0)
		return false;
	if (pipe2(back, O_CLOEXEC) != 0) {
		close(there[0]);
		close(there[1]);
		return false;
	}
	helper->pid = fork();
	if (helper->pid == 0) {
		/* The ends of those before are the caller's: else they would never see them close. */
		for (unsigned i = 0; i < crew.n; i++)
			close_ends(&crew.helpers[i]);
		close(there[1]);
		close(back[0]);
		settle();
		serve(terms, there[0], back[1]);
	}
	helper->to = there[1];
	helper->from = back[0];
	close(there[0]);
	close(back[1]);
	if (helper->pid < 0) {
		close_ends(helper);
		return false;
	}
	return true;
}

int
runner_begin(const struct runner_terms *terms, unsigned n)
{
	while (crew.n < n && crew.n < HELPERS_MAX) {
		if (!begin(terms, &crew.helpers[crew.n])) {
			say_error("cannot start a process: %s", strerror(errno));
			return STATUS_OS;
		}
		crew.n++;
	}
	return STATUS_OK;
}

void
runner_end(void)
{
	for (unsigned i = 0; i < crew.n; i++)
		close_ends(&crew.helpers[i]);
	for (unsigned i = 0; i < crew.n; i++)
		while (waitpid(crew.helpers[i].pid, NULL, 0) < 0 && errno == EINTR)
			;
	crew.n = 0;
}

static struct helper *
take_one(void)
{
	struct helper *found = NULL;

	pthread_mutex_lock(&crew.mutex);
	for (unsigned i = 0; i < crew.n && !found; i++)
		if (!crew.helpers[i].taken && crew.helpers[i].to >= 0)
			found = &crew.helpers[i];
	if (found)
		found->taken = true;
	pthread_mutex_unlock(&crew.mutex);
	return found;
}

static void
give_back(struct helper *helper)
{
	pthread_mutex_lock(&crew.mutex);
	helper->taken = false;
	pthread_mutex_unlock(&crew.mutex);
}

static bool
ask(struct helper *helper, const struct request *request, struct qf_buf *output, char why[128])
{
	struct reply reply;
	char piece[4096];

	if (!give(helper->to, request, sizeof(*request))) {
		snprintf(why, 128, "its helper is gone: nothing was run");
		return false;
	}
	if (!take(helper->from, &reply, sizeof(reply)) || reply.n > SENDMAIL_SAID_MAX) {
		snprintf(why, 128, "its helper was ended: what became of it is not known");
		close_ends(helper);
		return false;
	}
	reply.why[sizeof(reply.why) - 1] = '\0';
	memcpy(why, reply.why, sizeof(reply.why));
	for (size_t n; reply.n; reply.n -= n) {
		n = reply.n < sizeof(piece) ? reply.n : sizeof(piece);
		if (!take(helper->from, piece, n)) {
			snprintf(why, 128, "what sendmail said is lost: what became of it is not known");
			close_ends(helper);
			return false;
		}
		qf_buf_add(output, piece, n);
	}
	return reply.ran;
}

bool
runner_run(size_t dir, struct qf_slice id, struct qf_buf *output, char why[128])
{
	struct request request = {.dir = dir, .n = id.n};
	struct helper *helper = take_one();
	bool ran;

	if (!helper || id.n >= sizeof(request.id)) {
		snprintf(why, 128, "no helper is left to run sendmail");
		if (helper)
			give_back(helper);
		return false;
	}
	memcpy(request.id, id.p, id.n);
	ran = ask(helper, &request, output, why);
	give_back(helper);
	return ran;
}
