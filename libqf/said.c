/*
 * said - what sendmail -v prints of a queue run for one message.
 *
 * Origin: observed, sendmail 8.17 with -qf -qI -v. A line of an answer is "ADDRESSES... TEXT":
 * "Sent (...)", "Deferred: ...", "User unknown"; "Cannot send message for TIME" is the return to the
 * sender; "ID: locked" a message that another process works on. Lines of the SMTP dialogue begin
 * with three digits or ">>>".
 */
#include <string.h>

#include "buf.h"
#include "qf.h"

static bool
starts_with(struct qf_slice text, const char *word)
{
	size_t n = strlen(word);

	return text.n >= n && memcmp(text.p, word, n) == 0;
}

/* What follows "... " in a line of an answer; absent for any other line. */
static struct qf_slice
answer_of(struct qf_slice line)
{
	static const char dots[] = "... ";
	const char *at = line.n ? memmem(line.p, line.n, dots, sizeof(dots) - 1) : NULL;
	struct qf_slice text = {NULL, 0};

	if (!at || at == line.p || starts_with(line, ">>>") ||
	    (line.p[0] >= '0' && line.p[0] <= '9' && line.n > 3 &&
	     (line.p[3] == ' ' || line.p[3] == '-')))
		return text;
	text.p = at + sizeof(dots) - 1;
	text.n = (size_t)(line.p + line.n - text.p);
	/* Of connections, and of what an address stands for: no answers yet. */
	if (starts_with(text, "Connecting to ") || starts_with(text, "Using cached ") ||
	    starts_with(text, "aliased to ") || starts_with(text, "forwarding to "))
		text = (struct qf_slice){NULL, 0};
	return text;
}

static bool
is_locked(struct qf_slice line, const char *id)
{
	size_t n = strlen(id);

	return line.n == n + sizeof(": locked") - 1 && memcmp(line.p, id, n) == 0 &&
	       memcmp(line.p + n, ": locked", sizeof(": locked") - 1) == 0;
}

void
qf_said_read(struct qf_slice said, const char *id, struct qf_said *out, struct qf_buf *text)
{
	*out = (struct qf_said){0};
	while (said.n) {
		const char *lf = memchr(said.p, '\n', said.n);
		struct qf_slice line = {said.p, lf ? (size_t)(lf - said.p) : said.n};
		struct qf_slice answer;

		said.p += line.n + (lf != NULL);
		said.n -= line.n + (lf != NULL);
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		out->locked |= is_locked(line, id);
		answer = answer_of(line);
		if (!answer.p)
			continue;
		out->tried = true;
		out->returned |= starts_with(answer, "Cannot send message for");
		if (text->n)
			qf_buf_adds(text, "; ");
		qf_buf_add_slice(text, line);
	}
}
