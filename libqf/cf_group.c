/*
 * cf_group - queue groups of a sendmail.cf.
 *
 * Origin: sendmail/queue.c makequeue().
 */
#include <string.h>
#include <strings.h>

#include "cf_parts.h"
#include "cf_value.h"
#include "err.h"

/*
 * The value of one field of a Q line from *place on: quotes and backslashes taken off, up to a
 * comma outside quotes, where *place is left.
 * Origin: sendmail/readcf.c munchstring().
 */
static char *
read_field(struct qf_cf_reader *r, size_t *place)
{
	const char *text = r->line.text;
	size_t end = *place;
	bool quoted = false;
	char *value, *at;

	for (; end < r->line.n && (quoted || text[end] != ','); end++) {
		if (text[end] == '"')
			quoted = !quoted;
		else if (text[end] == '\\' && end + 1 < r->line.n)
			end++;
	}
	at = value = qf_arena_alloc(&r->cf->arena, end - *place + 1);
	if (!value)
		return NULL;
	for (size_t i = *place; i < end; i++) {
		if (text[i] == '\\' && i + 1 < end)
			*at++ = text[++i];
		else if (text[i] != '"' && text[i] != '\\')
			*at++ = text[i];
	}
	*at = '\0';
	*place = end;
	return value;
}

/* Flags are single letters, blanks among them none. */
static const char *
squeeze(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (!qf_cf_is_space(*from))
			*to++ = *from;
	*to = '\0';
	return text;
}

static enum qf_code
set_group_field(struct qf_cf_reader *r, struct qf_group *group, char field, char *value, size_t place)
{
	enum qf_code code = QF_OK;
	int n;

	switch (field) {
	case 'P':
		if (!*value)
			return qf_cf_refuse(&r->line, place, "", "queue group: empty path");
		group->path = value;
		break;
	case 'F':
		group->flags = squeeze(value);
		break;
	case 'I':
		code = qf_cf_read_span(&r->line, "queue group: Interval", value, strlen(value),
				       place, 'm', &group->interval);
		if (!code && group->interval < 0)
			group->interval = 0;
		break;
	case 'r':
		n = qf_cf_read_int(value);
		group->max_recipients = n > 0 ? n : 0;
		break;
	default:
		break; /* says nothing of where the queue is, or is of another version */
	}
	return code;
}

static enum qf_code
add_group(struct qf_cf_reader *r, const struct qf_group *group)
{
	struct qf_cf *cf = r->cf;

	/* A later line of the same name, in any case, takes the place of the former. */
	for (size_t i = 0; i < cf->ngroups; i++) {
		if (strcasecmp(cf->groups[i].name, group->name) == 0) {
			cf->groups[i] = *group;
			r->mqueue_given |= i == 0;
			return QF_OK;
		}
	}
	if (cf->ngroups == GROUPS_MAX)
		return qf_cf_refuse(&r->line, 0, "", "too many queue groups: sendmail takes 50");
	cf->groups[cf->ngroups++] = *group;
	return QF_OK;
}

/* QNAME, FIELD=VALUE, ...; only the first letter of a field counts. */
enum qf_code
qf_cf_read_group(struct qf_cf_reader *r)
{
	struct qf_group group = {.flags = "", .line = r->line.number};
	size_t i = 1 + strcspn(r->line.text + 1, ", \t\n\v\f\r");
	enum qf_code code = QF_OK;

	if (r->line.n == 1)
		return qf_cf_refuse(&r->line, 0, "", "queue group without a name");
	group.name = qf_cf_copy(r, r->line.text + 1, i - 1);
	if (!group.name)
		return qf_err_nomem(r->line.err);
	i += i < r->line.n;
	while (i < r->line.n && !code) {
		char field, *value;
		size_t place;

		while (i < r->line.n && (r->line.text[i] == ',' || qf_cf_is_space(r->line.text[i])))
			i++;
		field = r->line.text[i];
		i += strcspn(r->line.text + i, "=,");
		if (r->line.text[i] != '=')
			return qf_cf_refuse(&r->line, i, "QNAME, P=/directory, F=f, I=15m, r=20",
					    "queue group: = expected");
		i++;
		while (i < r->line.n && qf_cf_is_space(r->line.text[i]))
			i++;
		place = i;
		value = read_field(r, &i);
		if (!value)
			return qf_err_nomem(r->line.err);
		if (field == 'P' && r->line.macro != SIZE_MAX && r->line.macro >= place &&
		    r->line.macro < i)
			return qf_cf_refuse_macro(r, "queue group: Path");
		code = set_group_field(r, &group, field, value, place);
	}
	if (!code && !group.path) {
		group.path = r->cf->queue_directory;
		if (!group.path)
			return qf_cf_refuse(
				&r->line, 0, "",
				"queue group without a path before QueueDirectory is set");
	}
	return code ? code : add_group(r, &group);
}
