/*
 * cf - what a sendmail.cf says about its queue.
 *
 * Read as sendmail reads it: the same folding and comments, the same names and abbreviations, the
 * same arithmetic. Where sendmail complains about a value that decides about the queue, or refuses
 * to start because of it, this is an error here; what it takes in silence is taken in silence.
 * Lines about anything else are not judged. Each rule was tried on sendmail 8.17.1.9; what was seen
 * is in cf_test.c.
 *
 * Origin: sendmail/readcf.c readcf(), translate_dollars(), setoption(), settimeout(),
 * inittimeouts(); sendmail/convtime.c convtime(); sendmail/queue.c makequeue().
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "arena.h"
#include "buf.h"
#include "cf.h"
#include "err.h"
#include "sys.h"

/* As sendmail: MAXQUEUEGROUPS, the default one included. */
#define GROUPS_MAX 50
/* Spans beyond this (35 million years) are typing errors, and sums of smaller ones are safe. */
#define SPAN_MAX ((int64_t)1 << 50)

#define DEFAULT_QUEUE "/var/spool/mqueue"

/* ---------------------------------------------------------------- names */

/* What reading an option does beyond keeping its text. */
enum effect {
	KEPT,
	QUEUE_DIRECTORY,
	MIN_QUEUE_AGE,
	MAX_QUEUE_AGE,
	QUEUE_FILE_MODE,
	SUPER_SAFE,
	SORT_ORDER,
	MAX_RUN_SIZE,
	TRUSTED_USER,
	QUEUE_TIMEOUT,
	TIMEOUT,
	MIN_FREE_BLOCKS,
	MILTER,
};

struct option {
	char letter; /* of the old form, or 0 */
	enum effect effect;
	const char *name;
};

/* All of 8.17, for an abbreviation is one only among all of them. Those without a long name ('g',
   'M') are left out: nothing can ask for them. */
static const struct option options[] = {
	{'7', KEPT, "SevenBitInput"},
	{'8', KEPT, "EightBitMode"},
	{'A', KEPT, "AliasFile"},
	{'a', KEPT, "AliasWait"},
	{'B', KEPT, "BlankSub"},
	{'b', MIN_FREE_BLOCKS, "MinFreeBlocks"},
	{'C', KEPT, "CheckpointInterval"},
	{'c', KEPT, "HoldExpensive"},
	{'d', KEPT, "DeliveryMode"},
	{'E', KEPT, "ErrorHeader"},
	{'e', KEPT, "ErrorMode"},
	{'F', KEPT, "TempFileMode"},
	{'f', KEPT, "SaveFromLine"},
	{'G', KEPT, "MatchGECOS"},
	{'H', KEPT, "HelpFile"},
	{'h', KEPT, "MaxHopCount"},
	{'I', KEPT, "ResolverOptions"},
	{'i', KEPT, "IgnoreDots"},
	{'J', KEPT, "ForwardPath"},
	{'j', KEPT, "SendMimeErrors"},
	{'k', KEPT, "ConnectionCacheSize"},
	{'K', KEPT, "ConnectionCacheTimeout"},
	{'l', KEPT, "UseErrorsTo"},
	{'L', KEPT, "LogLevel"},
	{'m', KEPT, "MeToo"},
	{'n', KEPT, "CheckAliases"},
	{'o', KEPT, "OldStyleHeaders"},
	{'O', KEPT, "DaemonPortOptions"},
	{'p', KEPT, "PrivacyOptions"},
	{'P', KEPT, "PostmasterCopy"},
	{'q', KEPT, "QueueFactor"},
	{'Q', QUEUE_DIRECTORY, "QueueDirectory"},
	{'R', KEPT, "DontPruneRoutes"},
	{'r', TIMEOUT, "Timeout"},
	{'S', KEPT, "StatusFile"},
	{'s', SUPER_SAFE, "SuperSafe"},
	{'T', QUEUE_TIMEOUT, "QueueTimeout"},
	{'t', KEPT, "TimeZoneSpec"},
	{'U', KEPT, "UserDatabaseSpec"},
	{'u', KEPT, "DefaultUser"},
	{'V', KEPT, "FallbackMXhost"},
	{'v', KEPT, "Verbose"},
	{'w', KEPT, "TryNullMXList"},
	{'x', KEPT, "QueueLA"},
	{'X', KEPT, "RefuseLA"},
	{'y', KEPT, "RecipientFactor"},
	{'Y', KEPT, "ForkEachJob"},
	{'z', KEPT, "ClassFactor"},
	{'Z', KEPT, "RetryFactor"},
	{0, SORT_ORDER, "QueueSortOrder"},
	{0, KEPT, "HostsFile"},
	{0, MIN_QUEUE_AGE, "MinQueueAge"},
	{0, KEPT, "DefaultCharSet"},
	{0, KEPT, "ServiceSwitchFile"},
	{0, KEPT, "DialDelay"},
	{0, KEPT, "NoRecipientAction"},
	{0, KEPT, "SafeFileEnvironment"},
	{0, KEPT, "MaxMessageSize"},
	{0, KEPT, "ColonOkInAddr"},
	{0, MAX_RUN_SIZE, "MaxQueueRunSize"},
	{0, KEPT, "MaxDaemonChildren"},
	{0, KEPT, "DontExpandCnames"},
	{0, KEPT, "MustQuoteChars"},
	{0, KEPT, "SmtpGreetingMessage"},
	{0, KEPT, "UnixFromLine"},
	{0, KEPT, "OperatorChars"},
	{0, KEPT, "DontInitGroups"},
	{0, KEPT, "SingleLineFromHeader"},
	{0, KEPT, "AllowBogusHELO"},
	{0, KEPT, "ConnectionRateThrottle"},
	{0, KEPT, "UnsafeGroupWrites"},
	{0, KEPT, "DoubleBounceAddress"},
	{0, KEPT, "HostStatusDirectory"},
	{0, KEPT, "SingleThreadDelivery"},
	{0, KEPT, "RunAsUser"},
	{0, KEPT, "RrtImpliesDsn"},
	{0, KEPT, "PidFile"},
	{0, KEPT, "DontBlameSendmail"},
	{0, KEPT, "DontProbeInterfaces"},
	{0, KEPT, "MaxRecipientsPerMessage"},
	{0, KEPT, "DeadLetterDrop"},
	{0, KEPT, "MaxAliasRecursion"},
	{0, KEPT, "ConnectOnlyTo"},
	{0, TRUSTED_USER, "TrustedUser"},
	{0, KEPT, "MaxMimeHeaderLength"},
	{0, KEPT, "ControlSocketName"},
	{0, KEPT, "MaxHeadersLength"},
	{0, KEPT, "ProcessTitlePrefix"},
	{0, KEPT, "DefaultAuthInfo"},
	{0, KEPT, "AuthMechanisms"},
	{0, KEPT, "ClientPortOptions"},
	{0, KEPT, "DataFileBufferSize"},
	{0, KEPT, "XscriptFileBufferSize"},
	{0, KEPT, "LDAPDefaultSpec"},
	{0, KEPT, "ServerCertFile"},
	{0, KEPT, "ServerKeyFile"},
	{0, KEPT, "ClientCertFile"},
	{0, KEPT, "ClientKeyFile"},
	{0, KEPT, "CACertFile"},
	{0, KEPT, "CACertPath"},
	{0, KEPT, "DHParameters"},
	{0, KEPT, "InputMailFilters"},
	{0, MILTER, "Milter"},
	{0, KEPT, "AuthOptions"},
	{0, QUEUE_FILE_MODE, "QueueFileMode"},
	{0, KEPT, "CertFingerprintAlgorithm"},
	{0, KEPT, "CipherList"},
	{0, KEPT, "RandFile"},
	{0, KEPT, "TLSSrvOptions"},
	{0, KEPT, "BadRcptThrottle"},
	{0, KEPT, "DeliverByMin"},
	{0, KEPT, "MaxQueueChildren"},
	{0, KEPT, "MaxRunnersPerQueue"},
	{0, KEPT, "DirectSubmissionModifiers"},
	{0, KEPT, "NiceQueueRun"},
	{0, KEPT, "SharedMemoryKey"},
	{0, KEPT, "AuthMaxBits"},
	{0, KEPT, "MailboxDatabase"},
	{0, KEPT, "UseMSP"},
	{0, KEPT, "DelayLA"},
	{0, KEPT, "FastSplit"},
	{0, KEPT, "SoftBounce"},
	{0, KEPT, "SharedMemoryKeyFile"},
	{0, KEPT, "RejectLogInterval"},
	{0, KEPT, "RequiresDirfsync"},
	{0, KEPT, "ConnectionRateWindowSize"},
	{0, KEPT, "CRLFile"},
	{0, KEPT, "FallbackSmartHost"},
	{0, KEPT, "AuthRealm"},
	{0, KEPT, "CRLPath"},
	{0, KEPT, "HeloName"},
	{0, KEPT, "MaxNOOPCommands"},
	{0, KEPT, "BadRcptShutdown"},
	{0, KEPT, "BadRcptShutdownGood"},
	{0, KEPT, "ServerSSLOptions"},
	{0, KEPT, "ClientSSLOptions"},
	{0, MAX_QUEUE_AGE, "MaxQueueAge"},
	{0, KEPT, "RejectNUL"},
	{0, KEPT, "UseCompressedIPv6Addresses"},
	{0, KEPT, "SSLEngine"},
	{0, KEPT, "SSLEnginePath"},
	{0, KEPT, "TLSFallbacktoClear"},
	{0, KEPT, "SetCertAltnames"},
	{0, KEPT, "SmtpUTF8"},
	{0, KEPT, "StrictTransportSecurity"},
	{0, KEPT, "CipherSuites"},
};
#define NOPTIONS (sizeof(options) / sizeof(*options))

/* Sub-options of Timeout. The eight with classes stand in the order of enum qf_timeout_class,
   each kind behind the one that sets all of its classes. */
enum { RETURN_ALL = 0, RETURN_FIRST = 1, WARN_ALL = 5, WARN_FIRST = 6 };
static const char *const timeouts[] = {
	"queuereturn",
	"queuereturn.normal",
	"queuereturn.urgent",
	"queuereturn.non-urgent",
	"queuereturn.dsn",
	"queuewarn",
	"queuewarn.normal",
	"queuewarn.urgent",
	"queuewarn.non-urgent",
	"queuewarn.dsn",
	"initial",
	"mail",
	"rcpt",
	"datainit",
	"datablock",
	"datafinal",
	"command",
	"rset",
	"helo",
	"quit",
	"misc",
	"ident",
	"fileopen",
	"connect",
	"iconnect",
	"aconnect",
	"hoststatus",
	"resolver.retrans",
	"resolver.retrans.normal",
	"resolver.retrans.first",
	"resolver.retry",
	"resolver.retry.normal",
	"resolver.retry.first",
	"control",
	"lhlo",
	"auth",
	"starttls",
};
#define NTIMEOUTS (sizeof(timeouts) / sizeof(*timeouts))

const char *
qf_timeout_class_name(enum qf_timeout_class c)
{
	switch (c) {
	case QF_CLASS_NORMAL:
		return "normal";
	case QF_CLASS_URGENT:
		return "urgent";
	case QF_CLASS_NONURGENT:
		return "non-urgent";
	case QF_CLASS_DSN:
		return "dsn";
	case QF_CLASS_COUNT:
		break;
	}
	return "unknown";
}

/* ---------------------------------------------------------------- the result */

/* The last line that names an option. */
struct setting {
	char *value; /* NULL: none does */
	unsigned line;
	unsigned order; /* among all settings of the file, from 1 */
};

struct qf_cf {
	struct qf_arena arena;
	const char *name;
	struct qf_policy policy;
	/* One for each option, then one for each sub-option of Timeout. */
	struct setting settings[NOPTIONS + NTIMEOUTS];
	unsigned nset;
	const char *queue_directory; /* NULL: no line sets it */
	unsigned queue_line;
	struct qf_group groups[GROUPS_MAX];
	size_t ngroups;
};

void
qf_policy_default(struct qf_policy *policy)
{
	*policy = (struct qf_policy){
		.queue_file_mode = 0600,
		.super_safe = QF_SAFE_TRUE,
		.sort_order = QF_ORDER_PRIORITY,
	};
	for (int i = 0; i < QF_CLASS_COUNT; i++)
		policy->queue_return[i] = 5 * 86400;
}

/* ---------------------------------------------------------------- one logical line */

/* A file being read, and the line at hand as sendmail understands it. */
struct reader {
	struct qf_cf *cf;
	struct qf_slice bytes;
	struct qf_err *err;
	/* Of the V line; with 3 and up a # begins a comment anywhere. */
	long level;
	/* A Q line redefines the default group. */
	bool mqueue_given;
	/* The line: ends with a NUL and holds no other. */
	char *text;
	/* Where in bytes each character of text comes from, and one more for its end. */
	uint32_t *at;
	size_t n, cap;
	/* First macro reference in text; SIZE_MAX: none. */
	size_t macro;
	/* Of the line in bytes, and its number. */
	size_t start;
	unsigned line;
};

/* isspace() of the C locale, whatever the program's is. */
static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
same_word(const char *text, size_t n, const char *word)
{
	return strlen(word) == n && strncasecmp(text, word, n) == 0;
}

static bool
reserve(struct reader *r, size_t n)
{
	size_t cap = n + 1;
	uint32_t *at;
	char *text;

	if (cap <= r->cap)
		return true;
	cap = cap < 256 ? 256 : cap;
	text = realloc(r->text, cap);
	if (text)
		r->text = text;
	at = text ? realloc(r->at, cap * sizeof(*at)) : NULL;
	if (!at)
		return false;
	r->at = at;
	r->cap = cap;
	return true;
}

static void
put(struct reader *r, char c, size_t from)
{
	r->text[r->n] = c;
	r->at[r->n++] = (uint32_t)from;
}

/* Copy a macro reference at bytes[i] ('$', not "$$") as it stands; returns its last byte. */
static size_t
put_macro(struct reader *r, size_t i, size_t end)
{
	const char *p = r->bytes.p;

	if (r->macro == SIZE_MAX)
		r->macro = r->n;
	put(r, '$', i++);
	put(r, p[i], i);
	if (strchr("=~&?", p[i]) && i + 1 < end) {
		i++;
		put(r, p[i], i);
	}
	if (p[i] == '{') {
		while (i + 1 < end && p[i] != '}') {
			i++;
			put(r, p[i], i);
		}
	}
	return i;
}

/*
 * The logical line bytes[start..end) as sendmail sees it: up to a NUL, CR of CRLF dropped, "$$" as
 * one, comments and blanks at the end taken off. Line ends inside stay. Macros are not expanded in
 * any value that is read here; that was tried, too.
 * Origin: sendmail/util.c fgetfolded(), sendmail/readcf.c translate_dollars().
 */
static bool
understand(struct reader *r, size_t start, size_t end)
{
	const char *p = r->bytes.p;
	const char *nul = memchr(p + start, '\0', end - start);

	if (nul)
		end = (size_t)(nul - p);
	if (!reserve(r, end - start))
		return false;
	r->n = 0;
	r->macro = SIZE_MAX;
	for (size_t i = start; i < end; i++) {
		if (p[i] == '\r' && i + 1 < end && p[i + 1] == '\n')
			continue;
		if (p[i] == '#' && r->n > 0 && r->level >= 3) {
			if (r->text[r->n - 1] == '\\') {
				r->n--;
				put(r, '#', i);
				continue;
			}
			while (r->n > 1 && is_space(r->text[r->n - 1]) && r->text[r->n - 1] != '\n')
				r->n--;
			while (i + 1 < end && p[i + 1] != '\n')
				i++;
		} else if (p[i] == '$' && i + 1 < end && p[i + 1] == '$') {
			put(r, '$', i++);
		} else if (p[i] == '$' && i + 1 < end) {
			i = put_macro(r, i, end);
		} else {
			put(r, p[i], i);
		}
	}
	while (r->n > 1 && is_space(r->text[r->n - 1]))
		r->n--;
	r->text[r->n] = '\0';
	r->at[r->n] = r->n ? r->at[r->n - 1] + 1 : (uint32_t)start;
	return true;
}

/* Physical line and column of a place in text. */
static void
locate(const struct reader *r, size_t place, unsigned *line, unsigned *column)
{
	size_t to = r->at[place < r->n ? place : r->n], from = r->start;

	*line = r->line;
	for (size_t i = r->start; i < to; i++) {
		if (r->bytes.p[i] == '\n') {
			++*line;
			from = i + 1;
		}
	}
	*column = (unsigned)(to - from + 1);
}

/* A value that cannot be used. why is in words; place is where in the line at hand. */
static enum qf_code
refuse(struct reader *r, size_t place, const char *hint, const char *why)
{
	qf_err_set(r->err, QF_E_CONFIG, r->cf->name, "%s", why);
	if (r->err) {
		locate(r, place, &r->err->line, &r->err->column);
		qf_err_hint(r->err, "%s", hint);
	}
	return QF_E_CONFIG;
}

/* OPTION=VALUE with what cannot be printed as '?', cut where it is long. */
static void
put_assignment(char out[96], const char *option, const char *value, size_t n)
{
	size_t i = (size_t)snprintf(out, 96, "%.40s=", option);

	for (size_t k = 0; k < n && i < 90; k++)
		out[i++] = value[k] >= ' ' && value[k] <= '~' ? value[k] : '?';
	out[i] = '\0';
}

/* ---------------------------------------------------------------- values */

/* As atoi(): digits that lead it, a sign; the rest is not looked at. */
static int
read_int(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

static int64_t
unit_seconds(char unit)
{
	switch (unit) {
	case 'w':
		return 7 * 86400;
	case 'd':
		return 86400;
	case 'h':
		return 3600;
	case 'm':
		return 60;
	case 's':
		return 1;
	default:
		return 0;
	}
}

static const char hint_span[] = "write it as 4d, 1d12h, 30m, or now";
static const char hint_never[] =
	"sendmail knows no \"never\" here and takes it for 0, returned at the first failed try; "
	"write a long time, such as 5200w";

/*
 * A span: digits and a unit, several of them, digits without one in the option's own unit; "now".
 * No text is 0, a unit without digits 0 of it. option is for messages; place is where value stands
 * in the line at hand.
 * Origin: sendmail/convtime.c convtime(), which complains of another unit and goes on with the
 * option's own.
 */
static enum qf_code
read_span(struct reader *r, const char *option, const char *value, size_t n, size_t place,
	  char unit, int64_t *out)
{
	bool negative = n > 0 && *value == '-';
	char why[192], what[96];
	int64_t sum = 0;

	if (same_word(value, n, "now")) {
		*out = QF_SPAN_NOW;
		return QF_OK;
	}
	put_assignment(what, option, value, n);
	for (size_t i = negative; i < n;) {
		int64_t t = 0, factor = unit_seconds(unit);
		size_t first = i;

		for (; i < n && is_digit(value[i]); i++)
			t = t < SPAN_MAX ? t * 10 + (value[i] - '0') : SPAN_MAX;
		if (i < n) {
			factor = unit_seconds(value[i]);
			if (!factor) {
				snprintf(why, sizeof(why), "%s: no time, its units are w d h m s",
					 what);
				return refuse(r, place + i,
					      same_word(value, n, "never") ? hint_never : hint_span,
					      why);
			}
			i++;
		}
		if (t >= SPAN_MAX / factor || sum > SPAN_MAX - t * factor) {
			snprintf(why, sizeof(why), "%s: too long a time", what);
			return refuse(r, place + first, hint_span, why);
		}
		sum += t * factor;
	}
	*out = negative ? -sum : sum;
	return QF_OK;
}

/* A span that counts only when it is positive. */
static enum qf_code
read_age(struct reader *r, const char *option, size_t place, int64_t *out)
{
	int64_t span;
	enum qf_code code = read_span(r, option, r->text + place, r->n - place, place, 'm', &span);

	if (!code)
		*out = span > 0 ? span : 0;
	return code;
}

/*
 * Origin: sendmail/envelope.c dropenvelope(): a warning needs a span above 0, so that "now" and
 * negative ones are none; "never" draws a complaint and gives 0, which is what it says.
 */
static enum qf_code
read_warning(struct reader *r, const char *option, size_t place, size_t end, int64_t *out)
{
	enum qf_code code;
	int64_t span;

	if (same_word(r->text + place, end - place, "never")) {
		*out = QF_SPAN_NEVER;
		return QF_OK;
	}
	code = read_span(r, option, r->text + place, end - place, place, 'h', &span);
	if (!code)
		*out = span > 0 ? span : 0;
	return code;
}

/* A negative span other than "now" (-1s is the same to sendmail) lets a message be tried and then
   returns it, as 0 does. */
static enum qf_code
read_return(struct reader *r, const char *option, size_t place, size_t end, int64_t *out)
{
	int64_t span;
	enum qf_code code = read_span(r, option, r->text + place, end - place, place, 'd', &span);

	if (!code)
		*out = span >= 0 || span == QF_SPAN_NOW ? span : 0;
	return code;
}

/* Origin: sendmail/conf.c atooct(). */
static uint32_t
read_octal(const char *text)
{
	uint32_t mode = 0;

	for (; *text >= '0' && *text <= '7'; text++)
		mode = (mode << 3 | (uint32_t)(*text - '0')) & 0777;
	return mode;
}

/* Origin: sendmail/conf.c atobool(): only words like "true" and "yes" are, "1" and "on" are not. */
static enum qf_super_safe
read_super_safe(const char *text)
{
	switch (*text) {
	case 'i':
	case 'I':
		return QF_SAFE_INTERACTIVE;
	case 'p':
	case 'P':
		return QF_SAFE_POSTMILTER;
	case '\0':
	case 't':
	case 'T':
	case 'y':
	case 'Y':
		return QF_SAFE_TRUE;
	default:
		return QF_SAFE_FALSE;
	}
}

static enum qf_code
read_sort_order(struct reader *r, size_t place)
{
	static const char letters[] = "phtfmrsn"; /* as enum qf_sort_order */
	char c = r->text[place], why[160], what[96];
	const char *found = c ? strchr(letters, c | 0x20) : NULL;

	if (!found) {
		put_assignment(what, "QueueSortOrder", r->text + place, r->n - place);
		snprintf(why, sizeof(why), "%s: no such order", what);
		return refuse(r, place,
			      "priority, host, time, filename, modification, random or none", why);
	}
	r->cf->policy.sort_order = (enum qf_sort_order)(found - letters);
	return QF_OK;
}

/* The uid of TrustedUser. A name nobody has here is none, without a word: a queue is often looked
   at on another machine than the one that serves it. */
static enum qf_code
read_trusted_user(struct reader *r, size_t place)
{
	const char *text = r->text + place;
	struct passwd entry, *found = NULL;
	size_t size = 4096;
	int failure = ERANGE;

	r->cf->policy.trusted_uid = 0;
	if (is_digit(*text)) {
		r->cf->policy.trusted_uid = (uint32_t)read_int(text);
		return QF_OK;
	}
	while (failure == ERANGE && size <= (1 << 20)) {
		char *scratch = malloc(size);

		if (!scratch)
			return qf_err_nomem(r->err);
		failure = getpwnam_r(text, &entry, scratch, size, &found);
		if (!failure && found)
			r->cf->policy.trusted_uid = (uint32_t)entry.pw_uid;
		free(scratch);
		size *= 2;
	}
	return QF_OK;
}

static const char *
copy(struct reader *r, const char *text, size_t n)
{
	return qf_arena_copy(&r->cf->arena, (struct qf_slice){text, n}).p;
}

static enum qf_code
refuse_macro(struct reader *r, const char *option)
{
	char why[96];

	snprintf(why, sizeof(why), "%.40s: macros are not expanded here", option);
	return refuse(r, r->macro, "sendmail does not expand it either: write the directory out",
		      why);
}

static enum qf_code
read_queue_directory(struct reader *r, size_t place)
{
	struct qf_cf *cf = r->cf;

	if (r->macro != SIZE_MAX && r->macro >= place)
		return refuse_macro(r, "QueueDirectory");
	cf->queue_directory = place < r->n ? copy(r, r->text + place, r->n - place) : "mqueue";
	cf->queue_line = r->line;
	return cf->queue_directory ? QF_OK : qf_err_nomem(r->err);
}

/* ---------------------------------------------------------------- options */

static enum qf_code
keep(struct reader *r, size_t index, size_t from, size_t to)
{
	struct setting *setting = &r->cf->settings[index];
	char *value = strndup(r->text + from, to - from);

	if (!value)
		return qf_err_nomem(r->err);
	free(setting->value);
	setting->value = value;
	setting->line = r->line;
	setting->order = ++r->cf->nset;
	return QF_OK;
}

/* Index of a sub-option of Timeout, "*" for all classes understood; SIZE_MAX for none. */
static size_t
find_timeout(const char *name, size_t n)
{
	if (n > 2 && name[n - 2] == '.' && name[n - 1] == '*') {
		if (same_word(name, n - 2, timeouts[RETURN_ALL]))
			return RETURN_ALL;
		return same_word(name, n - 2, timeouts[WARN_ALL]) ? WARN_ALL : SIZE_MAX;
	}
	for (size_t i = 0; i < NTIMEOUTS; i++)
		if (same_word(name, n, timeouts[i]))
			return i;
	return SIZE_MAX;
}

/* Timeout.NAME: text[name..name_end) is the name, text[from..to) the value. */
static enum qf_code
set_timeout(struct reader *r, size_t name, size_t name_end, size_t from, size_t to)
{
	struct qf_policy *policy = &r->cf->policy;
	size_t i = find_timeout(r->text + name, name_end - name);
	char option[48], why[160], what[96];
	enum qf_code code = QF_OK;

	if (i == SIZE_MAX) {
		/* It looks as if it were about the queue; sendmail does not start with it. */
		if (name_end - name >= 5 && strncasecmp(r->text + name, "queue", 5) == 0) {
			put_assignment(what, "Timeout", r->text + name, name_end - name);
			what[strlen("Timeout")] = '.';
			snprintf(why, sizeof(why), "%s: no such timeout", what);
			return refuse(r, name,
				      "queuereturn or queuewarn, alone or with .normal, .urgent, "
				      ".non-urgent, .dsn",
				      why);
		}
		return QF_OK;
	}
	snprintf(option, sizeof(option), "Timeout.%s", timeouts[i]);
	if (i < WARN_ALL) {
		int64_t *values = policy->queue_return;
		size_t k = i > RETURN_ALL ? i - RETURN_FIRST : 0;

		code = read_return(r, option, from, to, &values[k]);
		for (size_t c = 0; !code && i == RETURN_ALL && c < QF_CLASS_COUNT; c++)
			values[c] = values[k];
	} else if (i < WARN_FIRST + QF_CLASS_COUNT) {
		int64_t *values = policy->queue_warn;
		size_t k = i > WARN_ALL ? i - WARN_FIRST : 0;

		code = read_warning(r, option, from, to, &values[k]);
		for (size_t c = 0; !code && i == WARN_ALL && c < QF_CLASS_COUNT; c++)
			values[c] = values[k];
	}
	return code ? code : keep(r, NOPTIONS + i, from, to);
}

/* Timeout without a sub-option: NAME=TIME or NAME:TIME, separated by commas. A bare time sets those
   of the SMTP dialogue, and what is neither is passed over. Origin: inittimeouts(). */
static enum qf_code
set_timeouts(struct reader *r, size_t from)
{
	enum qf_code code = QF_OK;

	while (from < r->n && !code) {
		size_t to, sign;

		while (from < r->n && is_space(r->text[from]))
			from++;
		to = from + strcspn(r->text + from, ",");
		for (sign = from; sign < to && r->text[sign] != ':'; sign++)
			;
		if (sign == to)
			for (sign = from; sign < to && r->text[sign] != '='; sign++)
				;
		if (sign < to)
			code = set_timeout(r, from, sign, sign + 1, to);
		from = to + 1;
	}
	return code;
}

/* QueueTimeout, the old form of two timeouts: RETURN or RETURN/WARN. */
static enum qf_code
set_queue_timeout(struct reader *r, size_t from)
{
	size_t slash = from + strcspn(r->text + from, "/");
	struct qf_policy *policy = &r->cf->policy;
	enum qf_code code = QF_OK;
	int64_t span;

	if (slash < r->n) {
		code = read_warning(r, "QueueTimeout", slash + 1, r->n, &span);
		for (size_t c = 0; !code && c < QF_CLASS_COUNT; c++)
			policy->queue_warn[c] = span;
		if (!code)
			code = keep(r, NOPTIONS + WARN_ALL, slash + 1, r->n);
	}
	if (!code)
		code = read_return(r, "QueueTimeout", from, slash, &span);
	for (size_t c = 0; !code && c < QF_CLASS_COUNT; c++)
		policy->queue_return[c] = span;
	return code ? code : keep(r, NOPTIONS + RETURN_ALL, from, slash);
}

/* MinFreeBlocks, the old form with MaxMessageSize behind a slash. */
static enum qf_code
set_min_free_blocks(struct reader *r, size_t from)
{
	size_t slash = from + strcspn(r->text + from, "/");

	for (size_t i = 0; slash < r->n && i < NOPTIONS; i++)
		if (strcmp(options[i].name, "MaxMessageSize") == 0)
			return keep(r, i, slash + 1, r->n);
	return QF_OK;
}

/* sub: where the name of a sub-option begins in text, up to sub_end; sub_end for none. */
static enum qf_code
set_option(struct reader *r, size_t index, size_t sub, size_t sub_end, size_t from)
{
	const struct option *option = &options[index];
	struct qf_policy *policy = &r->cf->policy;
	const char *value = r->text + from;
	enum qf_code code = QF_OK;
	int n;

	if (option->effect == TIMEOUT && sub < sub_end)
		return set_timeout(r, sub, sub_end, from, r->n);
	if (option->effect == MILTER && sub < sub_end)
		return QF_OK;
	switch (option->effect) {
	case KEPT:
	case MILTER:
		break;
	case QUEUE_DIRECTORY:
		code = read_queue_directory(r, from);
		break;
	case MIN_QUEUE_AGE:
		code = read_age(r, option->name, from, &policy->min_queue_age);
		break;
	case MAX_QUEUE_AGE:
		code = read_age(r, option->name, from, &policy->max_queue_age);
		break;
	case QUEUE_FILE_MODE:
		policy->queue_file_mode = read_octal(value);
		break;
	case SUPER_SAFE:
		policy->super_safe = read_super_safe(value);
		break;
	case SORT_ORDER:
		code = read_sort_order(r, from);
		break;
	case MAX_RUN_SIZE:
		n = read_int(value);
		policy->max_queue_run_size = n > 0 ? n : 0;
		break;
	case TRUSTED_USER:
		code = read_trusted_user(r, from);
		break;
	case QUEUE_TIMEOUT:
		code = set_queue_timeout(r, from);
		break;
	case TIMEOUT:
		code = set_timeouts(r, from);
		break;
	case MIN_FREE_BLOCKS:
		code = set_min_free_blocks(r, from);
		break;
	}
	return code ? code : keep(r, index, from, r->n);
}

/* Index of an option by its name or an abbreviation that only one has; SIZE_MAX for none. */
static size_t
find_option(const char *name, size_t n)
{
	size_t found = SIZE_MAX, matches = 0;

	for (size_t i = 0; n > 0 && i < NOPTIONS; i++) {
		if (strncasecmp(options[i].name, name, n) != 0)
			continue;
		if (options[i].name[n] == '\0')
			return i;
		found = i;
		matches++;
	}
	return matches == 1 ? found : SIZE_MAX;
}

/* An option sendmail does not know because of blanks where it allows none. Of those that are about
   the queue this is said; with others it is sendmail's affair. */
static enum qf_code
refuse_blanks(struct reader *r, size_t from, size_t to)
{
	char why[160];

	while (from < to && is_space(r->text[from]))
		from++;
	while (from < to && is_space(r->text[to - 1]))
		to--;
	for (size_t i = 0; i < NOPTIONS; i++) {
		if (options[i].effect == KEPT || options[i].effect == MILTER ||
		    !same_word(r->text + from, to - from, options[i].name))
			continue;
		snprintf(why, sizeof(why), "%s: sendmail does not know it with these blanks",
			 options[i].name);
		return refuse(r, from,
			      "write O NAME=VALUE: one blank behind O, around = blanks and no tabs",
			      why);
	}
	return QF_OK;
}

/* O NAME=VALUE, O NAME.SUB=VALUE, or the old form: O, a letter, the value. */
static enum qf_code
read_option(struct reader *r)
{
	const char *text = r->text;
	size_t name = 2, end, dot, from, index;

	if (text[1] && !is_space(text[1])) {
		for (size_t i = 0; i < NOPTIONS; i++)
			if (options[i].letter == text[1])
				return set_option(r, i, 0, 0, 2);
		return QF_OK;
	}
	if (r->n < 3)
		return QF_OK;
	from = end = name + strcspn(text + name, "=");
	while (end > name && text[end - 1] == ' ')
		end--;
	from += from < r->n;
	while (text[from] == ' ')
		from++;
	dot = name + strcspn(text + name, ".");
	if (dot > end)
		dot = end;
	index = text[1] == ' ' ? find_option(text + name, dot - name) : SIZE_MAX;
	if (index == SIZE_MAX)
		return refuse_blanks(r, name, dot);
	return set_option(r, index, dot < end ? dot + 1 : end, end, from);
}

/* ---------------------------------------------------------------- queue groups */

/*
 * The value of one field of a Q line from *place on: quotes and backslashes taken off, up to a
 * comma outside quotes, where *place is left.
 * Origin: sendmail/readcf.c munchstring().
 */
static char *
read_field(struct reader *r, size_t *place)
{
	char *value = qf_arena_alloc(&r->cf->arena, r->n - *place + 1), *at = value;
	bool quoted = false;
	size_t i;

	if (!value)
		return NULL;
	for (i = *place; i < r->n && (quoted || r->text[i] != ','); i++) {
		if (r->text[i] == '"')
			quoted = !quoted;
		else if (r->text[i] != '\\')
			*at++ = r->text[i];
		else if (i + 1 < r->n)
			*at++ = r->text[++i];
	}
	*at = '\0';
	*place = i;
	return value;
}

/* Flags are single letters, blanks among them none. */
static const char *
squeeze(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (!is_space(*from))
			*to++ = *from;
	*to = '\0';
	return text;
}

static enum qf_code
set_group_field(struct reader *r, struct qf_group *group, char field, char *value, size_t place)
{
	enum qf_code code = QF_OK;
	int n;

	switch (field) {
	case 'P':
		if (!*value)
			return refuse(r, place, "", "queue group: empty path");
		group->path = value;
		break;
	case 'F':
		group->flags = squeeze(value);
		break;
	case 'I':
		code = read_span(r, "queue group: Interval", value, strlen(value), place, 'm',
				 &group->interval);
		if (!code && group->interval < 0)
			group->interval = 0;
		break;
	case 'r':
		n = read_int(value);
		group->max_recipients = n > 0 ? n : 0;
		break;
	default:
		break; /* says nothing of where the queue is, or is of another version */
	}
	return code;
}

static enum qf_code
add_group(struct reader *r, const struct qf_group *group)
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
		return refuse(r, 0, "", "too many queue groups: sendmail takes 50");
	cf->groups[cf->ngroups++] = *group;
	return QF_OK;
}

/* QNAME, FIELD=VALUE, ...; only the first letter of a field counts. */
static enum qf_code
read_group(struct reader *r)
{
	struct qf_group group = {.flags = "", .line = r->line};
	size_t i = 1 + strcspn(r->text + 1, ", \t\n\v\f\r");
	enum qf_code code = QF_OK;

	if (r->n == 1)
		return refuse(r, 0, "", "queue group without a name");
	group.name = copy(r, r->text + 1, i - 1);
	if (!group.name)
		return qf_err_nomem(r->err);
	i += i < r->n;
	while (i < r->n && !code) {
		char field, *value;
		size_t place;

		while (i < r->n && (r->text[i] == ',' || is_space(r->text[i])))
			i++;
		field = r->text[i];
		i += strcspn(r->text + i, "=,");
		if (r->text[i] != '=')
			return refuse(r, i, "QNAME, P=/directory, F=f, I=15m, r=20",
				      "queue group: = expected");
		i++;
		while (i < r->n && is_space(r->text[i]))
			i++;
		place = i;
		value = read_field(r, &i);
		if (!value)
			return qf_err_nomem(r->err);
		if (field == 'P' && r->macro != SIZE_MAX && r->macro >= place && r->macro < i)
			return refuse_macro(r, "queue group: Path");
		code = set_group_field(r, &group, field, value, place);
	}
	if (!code && !group.path) {
		group.path = r->cf->queue_directory;
		if (!group.path)
			return refuse(r, 0, "",
				      "queue group without a path before QueueDirectory is set");
	}
	return code ? code : add_group(r, &group);
}

/* ---------------------------------------------------------------- the file */

/* VLEVEL/VENDOR. Of no number sendmail takes no notice. */
static void
read_version(struct reader *r)
{
	const char *text = r->text + 1;

	while (is_space(*text))
		text++;
	if (is_digit(*text))
		r->level = strtol(text, NULL, 10);
}

/* The logical line bytes[start..end). */
static enum qf_code
read_line(struct reader *r, size_t start, size_t end)
{
	char letter = start < end ? r->bytes.p[start] : '\0';

	if (letter != 'O' && letter != 'Q' && letter != 'V')
		return QF_OK;
	r->start = start;
	if (!understand(r, start, end))
		return qf_err_nomem(r->err);
	switch (letter) {
	case 'O':
		return read_option(r);
	case 'Q':
		return read_group(r);
	default:
		read_version(r);
		return QF_OK;
	}
}

/* Lines, with those that continue them: that begin with a blank or a tab. */
static enum qf_code
read_lines(struct reader *r)
{
	const char *p = r->bytes.p;
	size_t n = r->bytes.n, start = 0;
	enum qf_code code = QF_OK;
	unsigned line = 1;

	while (start < n && !code) {
		unsigned first = line;
		size_t i = start;

		for (;;) {
			const char *nl = memchr(p + i, '\n', n - i);

			i = nl ? (size_t)(nl - p) : n;
			if (!nl || i + 1 == n || (p[i + 1] != ' ' && p[i + 1] != '\t'))
				break;
			i++;
			line++;
		}
		r->line = first;
		code = read_line(r, start, i);
		start = i + 1;
		line++;
	}
	return code;
}

enum qf_code
qf_cf_parse(struct qf_slice bytes, const char *name, struct qf_cf **out, struct qf_err *err)
{
	struct qf_cf *cf = calloc(1, sizeof(*cf));
	struct reader r = {.cf = cf, .bytes = bytes, .err = err};
	enum qf_code code;

	if (!cf)
		return qf_err_nomem(err);
	cf->name = copy(&r, name, strlen(name));
	qf_policy_default(&cf->policy);
	cf->groups[cf->ngroups++] = (struct qf_group){.name = "mqueue", .flags = ""};
	if (!cf->name)
		code = qf_err_nomem(err);
	else if (bytes.n > QF_CF_MAX)
		code = qf_err_set(err, QF_E_CONFIG, name, "larger than %zu MB: no sendmail.cf",
				  QF_CF_MAX >> 20);
	else
		code = read_lines(&r);
	free(r.text);
	free(r.at);
	if (code) {
		qf_cf_free(cf);
		return code;
	}
	if (!r.mqueue_given) {
		cf->groups[0].path = cf->queue_directory ? cf->queue_directory : DEFAULT_QUEUE;
		cf->groups[0].line = cf->queue_line;
	}
	*out = cf;
	return QF_OK;
}

/* A file's bytes, no more than one over the limit. Returns an errno. */
static int
read_bytes(struct qf_io *io, int fd, struct qf_buf *buf)
{
	ssize_t got = 1;

	while (got > 0 && buf->n <= QF_CF_MAX) {
		char *room = qf_buf_room(buf, 65536);

		if (!room)
			return ENOMEM;
		got = qf_io_read(io, fd, room, 65536);
		if (got < 0)
			return errno;
		buf->n += (size_t)got;
	}
	return 0;
}

enum qf_code
qf_cf_read(const char *path, struct qf_cf **out, struct qf_err *err)
{
	struct qf_buf buf = {0};
	enum qf_code code;
	struct qf_io io;
	struct stat st;
	int fd, failure;

	qf_io_init(&io, NULL, 0);
	/* Not to wait for a FIFO's writer. */
	fd = qf_io_open(&io, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return qf_err_sys(err, errno, path, "cannot open");
	if (qf_io_fstat(&io, fd, &st) < 0) {
		code = qf_err_sys(err, errno, path, "cannot stat");
	} else if (!S_ISREG(st.st_mode)) {
		code = qf_err_set(err, QF_E_CONFIG, path, "not a plain file");
	} else {
		failure = read_bytes(&io, fd, &buf);
		code = failure ? qf_err_sys(err, failure, path, "cannot read")
			       : qf_cf_parse((struct qf_slice){buf.p ? buf.p : "", buf.n}, path,
					     out, err);
	}
	qf_io_close(&io, fd);
	qf_buf_release(&buf);
	return code;
}

void
qf_cf_free(struct qf_cf *cf)
{
	if (!cf)
		return;
	for (size_t i = 0; i < NOPTIONS + NTIMEOUTS; i++)
		free(cf->settings[i].value);
	qf_arena_release(&cf->arena);
	free(cf);
}

/* ---------------------------------------------------------------- questions */

const struct qf_policy *
qf_cf_policy(const struct qf_cf *cf)
{
	return &cf->policy;
}

/* The setting of an option by its full name. */
static const struct setting *
find_setting(const struct qf_cf *cf, const char *name)
{
	static const char prefix[] = "Timeout.";

	if (strncasecmp(name, prefix, sizeof(prefix) - 1) == 0) {
		const char *sub = name + sizeof(prefix) - 1;
		size_t i = find_timeout(sub, strlen(sub));

		return i == SIZE_MAX ? NULL : &cf->settings[NOPTIONS + i];
	}
	for (size_t i = 0; i < NOPTIONS; i++)
		if (strcasecmp(options[i].name, name) == 0)
			return &cf->settings[i];
	return NULL;
}

const char *
qf_cf_option(const struct qf_cf *cf, const char *name, unsigned *line)
{
	const struct setting *setting = find_setting(cf, name);

	if (line)
		*line = setting ? setting->line : 0;
	return setting ? setting->value : NULL;
}

unsigned
qf_cf_line(const struct qf_cf *cf, const char *name)
{
	const struct setting *setting = find_setting(cf, name), *all, *first, *kind;

	if (!setting)
		return 0;
	first = cf->settings + NOPTIONS;
	if (setting < first || setting >= first + WARN_FIRST + QF_CLASS_COUNT)
		return setting->line;
	/* The value of a class comes from its own line or from one for all, whichever is last; the
	   question without a class is taken for the normal one. */
	kind = setting < first + WARN_ALL ? first + RETURN_ALL : first + WARN_ALL;
	all = kind;
	if (setting == all)
		setting = all + 1;
	return all->order > setting->order ? all->line : setting->line;
}

const struct qf_group *
qf_cf_groups(const struct qf_cf *cf, size_t *n)
{
	*n = cf->ngroups;
	return cf->groups;
}

const char *
qf_cf_queue_directory(const struct qf_cf *cf, unsigned *line)
{
	if (line)
		*line = cf->queue_line;
	return cf->queue_directory;
}

const char *
qf_cf_name(const struct qf_cf *cf)
{
	return cf->name;
}
