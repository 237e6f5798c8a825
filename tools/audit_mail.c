/*
 * audit_mail - the header of a delivered message.
 */
#include <string.h>
#include <strings.h>

#include "audit_mailstore.h"

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next word of a Received line, comments passed over; absent at its date. */
static struct qf_slice
word(struct qf_slice *rest)
{
	struct qf_slice out = {NULL, 0};
	unsigned depth = 0;

	while (rest->n && (depth || blank(*rest->p) || *rest->p == '(')) {
		if (*rest->p == '\\' && rest->n > 1 && depth)
			*rest = (struct qf_slice){rest->p + 1, rest->n - 1};
		else if (*rest->p == '(')
			depth++;
		else if (*rest->p == ')' && depth)
			depth--;
		*rest = (struct qf_slice){rest->p + 1, rest->n - 1};
	}
	if (!rest->n || *rest->p == ';')
		return out;
	out.p = rest->p;
	while (rest->n && !blank(*rest->p) && *rest->p != '(' && *rest->p != ';') {
		*rest = (struct qf_slice){rest->p + 1, rest->n - 1};
		out.n++;
	}
	return out;
}

static bool
is(struct qf_slice text, const char *wanted)
{
	return text.n == strlen(wanted) && strncasecmp(text.p, wanted, text.n) == 0;
}

static bool
same(struct qf_slice a, struct qf_slice b)
{
	return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

static void
read_received(struct qf_slice value, struct audit_mail *out)
{
	struct audit_hop hop = {.id = {NULL, 0}};
	struct qf_slice key;
	struct qf_id id;

	while ((key = word(&value)).p) {
		if (is(key, "by") && !hop.host.p)
			hop.host = word(&value);
		else if (is(key, "id") && !hop.id.p)
			hop.id = word(&value);
		else if (is(key, "for") && !hop.recipient.p)
			hop.recipient = word(&value);
	}
	if (!hop.host.p)
		return;
	for (size_t i = 0; i < out->nhops; i++)
		if (same(out->hops[i].host, hop.host))
			return;
	if (out->nhops == AUDIT_HOPS)
		return;
	/* A line of another program counts, so that nobody can claim to have come before it. */
	if (hop.id.p && (!qf_id_decode(hop.id, QF_TIME_NONE, &id) || id.time == QF_TIME_NONE))
		hop.id = (struct qf_slice){NULL, 0};
	out->hops[out->nhops++] = hop;
}

struct qf_slice
audit_trim(struct qf_slice text)
{
	while (text.n && blank(*text.p))
		text = (struct qf_slice){text.p + 1, text.n - 1};
	while (text.n && blank(text.p[text.n - 1]))
		text.n--;
	return text;
}

static void
read_field(struct qf_slice name, struct qf_slice value, struct audit_mail *out)
{
	if (is(name, "Received"))
		read_received(value, out);
	else if (is(name, "Message-Id") && !out->message_id.p)
		out->message_id = audit_trim(value);
	else if (is(name, "Delivered-To") && !out->delivered_to.p && !out->nhops)
		out->delivered_to = audit_trim(value);
}

void
audit_mail_read(char *header, size_t n, struct audit_mail *out)
{
	size_t at = 0;

	*out = (struct audit_mail){.nhops = 0};
	while (at < n && header[at] != '\n' && header[at] != '\r') {
		size_t begin = at, colon;

		/* A field goes on in lines that begin with a blank. */
		for (;;) {
			char *end = memchr(header + at, '\n', n - at);

			at = end ? (size_t)(end - header) + 1 : n;
			if (at >= n || (header[at] != ' ' && header[at] != '\t'))
				break;
			header[at - 1] = ' ';
		}
		for (colon = begin; colon < at && header[colon] != ':'; colon++)
			;
		if (colon < at)
			read_field(audit_trim((struct qf_slice){header + begin, colon - begin}),
				   (struct qf_slice){header + colon + 1, at - colon - 1}, out);
	}
}
