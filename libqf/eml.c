/*
 * eml - a queued message as mail: its header lines as an SMTP mailer would send them, and with the
 * body as one RFC 5322 message.
 *
 * What applies to "an SMTP mailer" is the esmtp mailer of sendmail's stock configuration. What of
 * a real delivery is not done here, and why, is in docs/mail.md.
 *
 * Origin: sendmail/headers.c chompheader() (which lines are read), putheader() (which are sent);
 * sendmail/util.c putxline() (meta quoting); each checked against sendmail's own deliveries.
 */
#include <string.h>
#include <strings.h>

#include "buf.h"

/* Flags of the mailer: cf/mailer/smtp.m4, F= of Mesmtp. */
#define MAILER_FLAGS "mDFMuXa"

/* Longest name of a field that sendmail reads as a header. */
#define NAME_MAX_READ 100

/* RFC 5322, 2.1.1: bytes in a line without its end. */
#define LINE_MAX_SENT 998

#define MACRO_EXPAND '\x81'
#define META_QUOTE '\xff'

/* Fields that are not sent like any other. Origin: sendmail/conf.c HdrInfo. */
enum {
	CHECKED = 1,  /* only where a condition is there and met */
	EXPANDED = 2, /* macro references in the value are expanded at delivery */
	BLIND = 4,    /* never with its value */
	ENDING = 8,   /* taken for the end of the header when read, and so not read */
};
static const struct {
	const char *name;
	unsigned traits;
} special_fields[] = {
	{"return-path", CHECKED | EXPANDED},
	{"full-name", CHECKED},
	{"content-length", CHECKED},
	{"bcc", BLIND},
	{"resent-bcc", BLIND},
	{"message", ENDING},
	{"text", ENDING},
};

/*
 * Macros without a line in the control file that have a value in every delivery of a queue run
 * with the stock configuration. Seen on sendmail 8.17; those that the site may or may not have
 * defined ($H, $S and the like) are not among them.
 */
static const char letters_always_set[] = "abcdhijkmnptuvwZ_";
static const char *const names_always_set[] = {
	"addr_type", "deliveryMode", "load_avg",    "msg_size", "nrcpts", "ntries",
	"opMode",    "server_addr",  "server_name", "time",	"verify",
};

static bool
is_word(struct qf_slice text, const char *word)
{
	return text.n == strlen(word) && !strncasecmp(text.p, word, text.n);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static unsigned
traits_of(struct qf_slice field)
{
	for (size_t i = 0; i < sizeof(special_fields) / sizeof(special_fields[0]); i++)
		if (is_word(field, special_fields[i].name))
			return special_fields[i].traits;
	return 0;
}

/* The sender without its brackets, as $f and $g have it. */
static struct qf_slice
sender_of(const struct qf_envelope *env)
{
	struct qf_slice sender = env->sender;

	if (sender.n >= 2 && sender.p[0] == '<' && sender.p[sender.n - 1] == '>') {
		sender.p++;
		sender.n -= 2;
	}
	return sender;
}

static bool
has_header(const struct qf_envelope *env, const char *name)
{
	for (size_t i = 0; i < env->nheaders; i++)
		if (is_word(env->headers[i].name, name))
			return true;
	return false;
}

/* The value a $ line gives, the last one counting; absent where there is none. */
static struct qf_slice
recorded(const struct qf_envelope *env, struct qf_slice name)
{
	for (size_t i = env->nmacros; i-- > 0;) {
		const struct qf_macro *macro = &env->macros[i];

		if (macro->name.n == name.n && !memcmp(macro->name.p, name.p, name.n))
			return macro->value;
	}
	return (struct qf_slice){NULL, 0};
}

/* Whether a macro ("r", "{client_name}") has a value, and not an empty one, at delivery. */
static bool
macro_set(const struct qf_envelope *env, struct qf_slice name)
{
	struct qf_slice value = recorded(env, name);

	/* Set anew from the sender, whatever a $ line says. */
	if (name.n == 1 && (*name.p == 'f' || *name.p == 'g'))
		return sender_of(env).n > 0;
	if (value.p)
		return value.n > 0;
	if (name.n == 1) {
		if (*name.p == 'x')
			return has_header(env, "full-name");
		return *name.p && strchr(letters_always_set, *name.p);
	}
	name.p++;
	name.n -= 2;
	for (size_t i = 0; i < sizeof(names_always_set) / sizeof(names_always_set[0]); i++)
		if (name.n == strlen(names_always_set[i]) &&
		    !memcmp(name.p, names_always_set[i], name.n))
			return true;
	/* Rebuilt from other records when the file is read. */
	if (is_word(name, "dsn_envid") || is_word(name, "envid"))
		return env->envid.n > 0;
	if (is_word(name, "bodytype"))
		return env->body_type.n > 0;
	if (is_word(name, "dsn_ret"))
		return env->flags & QF_FLAG(RET_PARAM);
	if (is_word(name, "quarantine"))
		return env->quarantine.n > 0;
	if (is_word(name, "msg_id"))
		return has_header(env, "message-id");
	return false;
}

/*
 * Whether a header line is sent, by what stands between its question marks. A condition that
 * sendmail calls a syntax error makes it drop the line, so that is the same as one not met.
 */
static bool
condition_met(const struct qf_envelope *env, struct qf_slice condition, bool checked)
{
	const char *p = condition.p;
	size_t n = condition.n;

	if (n == 0)
		return !checked;
	if (*p == MACRO_EXPAND)
		return n == 2 && macro_set(env, (struct qf_slice){p + 1, 1});
	if (*p == '$') {
		/* A long name has two characters or more: ${r} is a syntax error. */
		bool one = n == 2;
		bool braced = n > 4 && p[1] == '{' && memchr(p, '}', n) == p + n - 1;

		return (one || braced) && macro_set(env, (struct qf_slice){p + 1, n - 1});
	}
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] >= 0x80)
			return false;
	for (size_t i = 0; i < n; i++)
		if (strchr(MAILER_FLAGS, p[i]))
			return true;
	return false;
}

/* What a macro reference stands for; nothing for macros that only the delivering host knows. */
static void
add_macro(struct qf_msg *msg, struct qf_buf *out, const char *letter)
{
	const struct qf_envelope *env = qf_msg_envelope(msg);
	struct qf_slice value = recorded(env, (struct qf_slice){letter, 1});

	if (*letter == 'f' || *letter == 'g')
		qf_buf_add_slice(out, sender_of(env));
	else if (value.p)
		qf_buf_add_slice(out, value);
	else if (*letter == 'i')
		qf_buf_add_slice(out, qf_msg_files(msg)->id);
	else if (*letter == 'a')
		qf_buf_add_slice(out, qf_msg_header(msg, "date"));
}

/*
 * One physical line that is too long for RFC 5322, in pieces, broken before blanks so that
 * unfolding gives it back. least: bytes at its beginning that hold no place to break. A word that
 * is too long by itself is left whole.
 */
static void
add_folded(struct qf_buf *out, struct qf_slice line, size_t least)
{
	size_t last = line.n;

	/* No piece of blanks alone: nothing is broken off behind the last word. */
	while (last > 0 && is_blank(line.p[last - 1]))
		last--;
	while (line.n > LINE_MAX_SENT) {
		size_t at = LINE_MAX_SENT;

		while (at > least && !is_blank(line.p[at]))
			at--;
		if (at <= least)
			for (at = LINE_MAX_SENT; at < last && !is_blank(line.p[at]); at++)
				;
		if (at >= last)
			break;
		qf_buf_add(out, line.p, at);
		qf_buf_addc(out, '\n');
		line.p += at;
		line.n -= at;
		last -= at;
		least = 0;
		while (least < line.n && is_blank(line.p[least]))
			least++;
	}
	qf_buf_add_slice(out, line);
}

/* The value with meta quoting undone, and its macro references expanded where asked for. */
static void
add_value(struct qf_msg *msg, struct qf_buf *out, struct qf_slice value, bool expand)
{
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == META_QUOTE) {
			if (++i < value.n)
				qf_buf_addc(out, value.p[i]);
		} else if (expand && value.p[i] == MACRO_EXPAND) {
			if (++i < value.n)
				add_macro(msg, out, &value.p[i]);
		} else {
			qf_buf_addc(out, value.p[i]);
		}
	}
}

/* A complete header field in scratch, as its lines. */
static void
add_field(struct qf_buf *out, struct qf_slice field, size_t name)
{
	size_t least = name + 1;

	while (least < field.n && is_blank(field.p[least]))
		least++;
	while (field.n) {
		const char *end = memchr(field.p, '\n', field.n);
		struct qf_slice line = {field.p, end ? (size_t)(end - field.p) : field.n};

		if (line.n > LINE_MAX_SENT)
			add_folded(out, line, least);
		else
			qf_buf_add_slice(out, line);
		qf_buf_addc(out, '\n');
		line.n += end ? 1 : 0;
		field.p += line.n;
		field.n -= line.n;
		least = 0;
		while (least < field.n && is_blank(field.p[least]))
			least++;
	}
}

void
qf_headers_write(struct qf_msg *msg, struct qf_buf *out)
{
	const struct qf_envelope *env = qf_msg_envelope(msg);
	struct qf_buf scratch = {0};

	for (size_t i = 0; i < env->nheaders; i++) {
		const struct qf_header *header = &env->headers[i];
		unsigned traits = traits_of(header->name);

		if (header->name.n > NAME_MAX_READ || traits & ENDING)
			continue;
		if (!condition_met(env, header->condition, traits & CHECKED))
			continue;
		if (traits & BLIND && env->flags & QF_FLAG(DELETE_BCC))
			continue;
		qf_buf_clear(&scratch);
		qf_buf_add_slice(&scratch, header->name);
		qf_buf_addc(&scratch, ':');
		/* Without another field of recipients an empty Bcc is what makes the mail lawful.
		 */
		if (!(traits & BLIND))
			add_value(msg, &scratch, header->value, traits & EXPANDED);
		out->failed |= scratch.failed;
		add_field(out, (struct qf_slice){scratch.p, scratch.n}, header->name.n);
	}
	qf_buf_release(&scratch);
}

void
qf_eml_write(struct qf_msg *msg, struct qf_slice body, struct qf_buf *out)
{
	qf_headers_write(msg, out);
	qf_buf_addc(out, '\n');
	qf_buf_add_slice(out, body);
}
