/*
 * gen-queue - make a queue as sendmail 8.17 leaves it: control and data files in their order of
 * records, from one to many recipients, varied senders, domains, ages, attempts and states.
 *
 * The same options give the same names and bytes, on any machine; each message depends on the
 * seed and its own number alone. gen-queue --help lists the options and the states.
 *
 * Not real: the I record (device and inode of the data file; sendmail does not read it),
 * Message-Ids, and file times, which are those of the writing unless --times is given.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DAY 86400
#define MAX_DIRS 1000

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "gen-queue: %s: %s\n", what, why);
	exit(1);
}

/* ---------------------------------------------------------------- options */

static struct {
	int64_t messages;
	int64_t recipients;
	int64_t seed;
	int64_t header_bytes;
	int64_t body_bytes;
	int64_t dirs;
	int64_t now;
	int64_t share;
	bool subdirs;
	bool times;
	const char *states;
} opt = {
	.messages = 1000,
	.seed = 1,
	.body_bytes = 400,
	.dirs = 0,
	.now = 1795331700, /* a while after the corpus was made */
	.states = "queued",
};

static const struct option_row {
	const char *name;
	int64_t *number; /* one of the three */
	bool *flag;
	const char **text;
	int64_t most;
	const char *help;
} option_rows[] = {
	{"messages", &opt.messages, NULL, NULL, 100000000, "messages (1000)"},
	{"recipients", &opt.recipients, NULL, NULL, 1000000,
	 "recipients of each; 0: mostly one, at times up to 30 (0)"},
	{"seed", &opt.seed, NULL, NULL, INT64_MAX, "another one gives another queue (1)"},
	{"header-bytes", &opt.header_bytes, NULL, NULL, 1 << 30,
	 "at least so many bytes of header lines; 0: as they come, about 500 (0)"},
	{"body-bytes", &opt.body_bytes, NULL, NULL, 1 << 30,
	 "bytes of data file on average; 0: all empty (400)"},
	{"dirs", &opt.dirs, NULL, NULL, MAX_DIRS,
	 "spread over DIR/q1 to DIR/qN; 0: in DIR itself (0)"},
	{"subdirs", NULL, &opt.subdirs, NULL, 0, "each directory with qf/, df/ and xf/"},
	{"now", &opt.now, NULL, NULL, 4102444800,
	 "messages are up to five days older (1795331700)"},
	{"times", NULL, &opt.times, NULL, 0, "file times are those of the last attempt"},
	{"share", &opt.share, NULL, NULL, 100000000,
	 "write so many messages, link the others to them; 0: write all (0)"},
	{"states", NULL, NULL, &opt.states, 0, "STATE[:WEIGHT],... (queued)"},
};

/* ---------------------------------------------------------------- states */

/* How much of a control file is written. */
enum extent { NOTHING, EMPTY, CUT, WHOLE };

/* What of a message lies in the queue. The weights of --states are kept to exactly: with
   "queued:990,lone-data:10" every 100th message has lost its control file. */
static const struct state {
	const char *name;
	const char *prefix; /* of the control file */
	enum extent control;
	bool data;
	const char *other_prefix; /* of a further file of the same id, or NULL */
	enum extent other;
	const char *help;
} states[] = {
	{"queued", "qf", WHOLE, true, NULL, NOTHING, "waits to be delivered"},
	{"held", "hf", WHOLE, true, NULL, NOTHING, "quarantined"},
	{"lost", "Qf", WHOLE, true, NULL, NOTHING, "set aside by sendmail"},
	{"incomplete", "qf", CUT, true, NULL, NOTHING, "control file without its end"},
	{"empty", "qf", EMPTY, true, NULL, NOTHING, "control file of 0 bytes"},
	{"no-data", "qf", WHOLE, false, NULL, NOTHING, "control file alone"},
	{"lone-data", "qf", NOTHING, true, NULL, NOTHING, "data file alone"},
	{"lone-transcript", "qf", NOTHING, false, "xf", WHOLE, "transcript alone"},
	{"lone-staged", "tf", WHOLE, true, NULL, NOTHING, "complete tf and data file"},
	{"stale-staged", "qf", WHOLE, true, "tf", CUT, "whole, beside a cut tf"},
	{"staged-aside", "qf", WHOLE, true, "Tf", CUT, "whole, beside a Tf"},
	{"doubled", "hf", WHOLE, true, "qf", WHOLE, "both held and queued"},
};

static struct {
	int64_t weight, given;
} share_of[COUNT(states)];
static int64_t weights;

static void
read_states(const char *list)
{
	while (*list) {
		size_t n = strcspn(list, ":,"), s = 0;
		int64_t weight = 1;
		char *end;

		while (s < COUNT(states) &&
		       (strlen(states[s].name) != n || memcmp(states[s].name, list, n) != 0))
			s++;
		if (s == COUNT(states))
			die(list, "no such state");
		list += n;
		if (*list == ':') {
			errno = 0;
			weight = strtoll(list + 1, &end, 10);
			if (end == list + 1 || errno || weight < 0 || weight > 1000000000)
				die(list, "not a weight");
			list = end;
		}
		if (*list == ',')
			list++;
		else if (*list)
			die(list, "states are separated by commas");
		share_of[s].weight += weight;
		weights += weight;
	}
	if (weights == 0)
		die("--states", "no weight at all");
}

/* The state whose share lags most behind. Called once for each message, in their order. */
static const struct state *
next_state(int64_t nth)
{
	size_t best = 0;
	int64_t most = INT64_MIN;

	for (size_t s = 0; s < COUNT(states); s++) {
		int64_t lag = share_of[s].weight * (nth + 1) - share_of[s].given * weights;

		if (share_of[s].weight > 0 && lag > most) {
			most = lag;
			best = s;
		}
	}
	share_of[best].given++;
	return &states[best];
}

/* ---------------------------------------------------------------- chance */

static uint64_t chance_state;

/* splitmix64: good enough, and a seed can be anything. */
static uint64_t
chance(void)
{
	uint64_t z = chance_state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static void
chance_begin(int64_t seed, int64_t nth)
{
	chance_state = (uint64_t)seed * 0xd1342543de82ef95u ^ (uint64_t)nth;
	chance_state = chance() ^ (uint64_t)nth << 32;
}

static int64_t
below(int64_t n)
{
	return (int64_t)(chance() % (uint64_t)n);
}

static bool
percent(int64_t p)
{
	return below(100) < p;
}

/* Most often the first, seldom the last: what is large in a queue is very large. */
static size_t
skewed(size_t n)
{
	double u = (double)(chance() >> 11) / 9007199254740992.0;

	return (size_t)((double)n * u * u * u);
}

/* ---------------------------------------------------------------- words */

static const char *const first_names[] = {
	"anna",	 "boris", "carol", "david", "elena",  "felix", "gina",	"hugo",	 "irene",
	"jonas", "karla", "luis",  "maria", "nils",   "olga",  "pavel", "quinn", "rosa",
	"simon", "tessa", "uma",   "vera",  "walter", "xenia", "yusuf", "zoe"};
static const char *const last_names[] = {
	"archer", "baker",  "carter", "dyer",  "eaton",	 "fisher", "gardner", "hunter", "ingram",
	"joyner", "keller", "lister", "mason", "nolan",	 "osborn", "parker",  "quill",	"reeve",
	"sadler", "tanner", "usher",  "vance", "weaver", "young",  "zeller"};
static const char *const domains[] = {"alder.example",
				      "birch.example",
				      "cedar.example.com",
				      "elm.example.net",
				      "fir.example.com",
				      "hazel.example",
				      "juniper.example.com",
				      "larch.example.com",
				      "maple.example",
				      "oak.example",
				      "pine.example",
				      "rowan.example",
				      "spruce.example",
				      "yew.example.com",
				      "mx.willow.example",
				      "students.ash.example",
				      "eu.linden.example.org",
				      "mail.poplar.example.net",
				      "b2b.sequoia.example.com",
				      "x.example"};
static const char *const words[] = {"agenda", "backup",	   "budget",   "draft",	   "forecast",
				    "harbor", "invoice",   "ledger",   "meeting",  "minutes",
				    "photo",  "quarterly", "question", "reminder", "report",
				    "review", "shipment",  "summary",  "travel",   "update"};
/* What a status says. %d a number, %h a host, %a the recipient. */
static const char *const statuses[] = {
	"Deferred: 450 4.2.1 Mailbox temporarily unavailable",
	"Deferred: 450 4.7.1 Greylisted, try again in %d seconds",
	"Deferred: Connection refused by %h.",
	"Deferred: 451 4.7.1 Sender rate limited, come back in %d seconds",
	"Deferred: Connection timed out with %h.",
	"Deferred: 421 4.3.2 Service not available, closing transmission channel",
	"Deferred: 452 4.2.2 <%a>: mailbox full",
	"Deferred: 451 4.3.0 Error: queue file write error",
	"host map: lookup (%h): deferred",
	"Deferred: 421 4.7.0 [192.0.2.%d] unusual rate of unsolicited mail, try later",
	"reply: read error from %h.",
	"Deferred: 452 4.3.4 Message size exceeds current limit",
	"Deferred: 454 4.7.5 Certificate validation failure, reason: expired %d days ago"};

#define PICK(table) ((table)[below((int64_t)COUNT(table))])
#define PICK_SKEWED(table) ((table)[skewed(COUNT(table))])

/* ---------------------------------------------------------------- text */

/* What is being written: grows, begins anew for each file. */
struct text {
	char *p;
	size_t n, cap;
};

static void
room(struct text *t, size_t n)
{
	if (n < t->cap - t->n)
		return;
	while (n >= t->cap - t->n)
		t->cap = t->cap ? t->cap * 2 : 65536;
	t->p = realloc(t->p, t->cap);
	if (!t->p)
		die("memory", strerror(ENOMEM));
}

static void
add(struct text *t, const char *s)
{
	size_t n = strlen(s);

	room(t, n);
	memcpy(t->p + t->n, s, n);
	t->n += n;
}

__attribute__((format(printf, 2, 3))) static void
addf(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	room(t, 1000);
	va_start(args, format);
	n = vsnprintf(t->p + t->n, t->cap - t->n, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= t->cap - t->n)
		die("text", "too long");
	t->n += (size_t)n;
}

static void
add_words(struct text *t, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		add(t, PICK(words));
		if (i + 1 < n)
			add(t, " ");
	}
}

#define ADDRESS 128

static void
make_address(char out[ADDRESS])
{
	static const char *const between[] = {"", ".", "-", "_"};
	const char *first = PICK(first_names), *last = PICK(last_names);

	if (percent(40))
		snprintf(out, ADDRESS, "%s%s%s%d@%s", first, PICK(between), last,
			 (int)below(99) + 1, PICK_SKEWED(domains));
	else
		snprintf(out, ADDRESS, "%s%s%s@%s", first, PICK(between), last,
			 PICK_SKEWED(domains));
}

static void
make_status(struct text *t, const char *recipient)
{
	const char *domain = strchr(recipient, '@') + 1;
	int number = (int)below(600) + 1, mx = (int)below(3) + 1;

	add(t, "M");
	for (const char *s = PICK_SKEWED(statuses); *s; s++) {
		room(t, 1);
		if (*s != '%')
			t->p[t->n++] = *s;
		else if (*++s == 'd')
			addf(t, "%d", number);
		else if (*s == 'h')
			addf(t, "mx%d.%s", mx, domain);
		else
			add(t, recipient);
	}
	add(t, "\n");
}

/* ---------------------------------------------------------------- a message */

enum via { BY_SMTP, BY_COMMAND, AS_REPORT };

struct message {
	char id[32];
	int64_t created, last_try, tries;
	enum via via;
	int64_t recipients;
	size_t body_bytes;
	bool eight_bit, warned, brackets;
	char sender[ADDRESS];
};

/* Each message has a process id of its own, so no two ids are alike; a walk modulo a prime leaves
   them in no order. Origin: the form is that of sendmail/queue.c assign_queueid(). */
static void
make_id(char out[32], int64_t when, int64_t nth)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx";
	const int64_t pids = 999983;
	int64_t pid = 1 + (nth % pids * 618033 + nth / pids) % pids + nth / pids * pids;
	time_t t = (time_t)when;
	struct tm tm;

	gmtime_r(&t, &tm);
	snprintf(out, 32, "%c%c%c%c%c%c%c%c%06" PRId64, digits[tm.tm_year % 60], digits[tm.tm_mon],
		 digits[tm.tm_mday], digits[tm.tm_hour], digits[tm.tm_min], digits[tm.tm_sec % 60],
		 digits[below(60)], digits[below(60)], pid);
}

static void
make_message(struct message *m, int64_t nth)
{
	double u;
	int64_t age, kind;

	chance_begin(opt.seed, nth);
	u = (double)((chance() >> 11) + 1) / 9007199254740993.0;
	age = (int64_t)(-log(u) * 1.2 * DAY);
	age = age > 5 * DAY ? below(5 * DAY) : age;
	m->created = opt.now - age;
	make_id(m->id, m->created - below(30), nth);
	/* Tried at once, then every half hour, unless it is as young as that or only queued. */
	m->tries = percent(8) ? 0 : 1 + age / 1800;
	m->last_try = m->tries == 0 ? 0 : m->created + (m->tries - 1) * 1800 + below(20);
	if (m->last_try > opt.now)
		m->last_try = opt.now;
	m->warned = m->tries > 0 && age > 4 * 3600;
	kind = below(100);
	m->via = kind < 78 ? BY_SMTP : kind < 96 ? BY_COMMAND : AS_REPORT;
	m->brackets = m->via != BY_COMMAND;
	m->recipients = opt.recipients			     ? opt.recipients
			: m->via == AS_REPORT || percent(70) ? 1
			: percent(80)			     ? 2 + below(2)
							     : 4 + (int64_t)skewed(27);
	m->eight_bit = percent(25);
	m->body_bytes =
		opt.body_bytes ? (size_t)(opt.body_bytes / 2 + below(opt.body_bytes + 1)) : 0;
	if (m->via == AS_REPORT)
		strcpy(m->sender, "MAILER-DAEMON");
	else
		make_address(m->sender);
}

static void
add_date(struct text *t, int64_t when, const char *zone)
{
	static const char days[] = "SunMonTueWedThuFriSat",
			  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t clock = (time_t)when;
	struct tm tm;

	gmtime_r(&clock, &tm);
	addf(t, "%.3s, %d %.3s %d %02d:%02d:%02d %s", days + 3 * tm.tm_wday, tm.tm_mday,
	     months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, zone);
}

static const char local_host[] = "mail.north.example";

static void
add_macros(struct text *t, const struct message *m, int client)
{
	switch (m->via) {
	case BY_SMTP:
		addf(t,
		     "$_client%d.dyn.example.net [192.0.2.%d]\n$rESMTP\n$sclient.example.net\n"
		     "${daemon_flags}\n",
		     client, client);
		break;
	case BY_COMMAND:
		add(t, "$_root@localhost\n${daemon_flags}c u\n");
		break;
	case AS_REPORT:
		add(t, "$_localhost\n$r\n$slocalhost\n${daemon_flags}\n");
		break;
	}
}

/* The address list as sendmail wraps it: broken after a comma, eight blanks. */
static void
add_to(struct text *t, char (*to)[ADDRESS], int64_t n)
{
	size_t column = 4;

	add(t, "H??To: ");
	for (int64_t i = 0; i < n; i++) {
		size_t width = strlen(to[i]) + 2;

		if (i > 0 && column + width > 78) {
			add(t, ",\n        ");
			column = 8;
		} else if (i > 0) {
			add(t, ", ");
		}
		add(t, to[i]);
		column += width;
	}
	add(t, "\n");
}

static void
add_headers(struct text *t, const struct message *m, char (*to)[ADDRESS], int64_t nto, int client)
{
	size_t from = t->n;

	add(t, "H?P?Return-Path: <\x81g>\n");
	switch (m->via) {
	case BY_SMTP:
		addf(t,
		     "H??Received: from client.example.net (client%d.dyn.example.net "
		     "[192.0.2.%d])\n"
		     "\tby %s (8.17.1.9/8.17.1.9) with ESMTP id %s",
		     client, client, local_host, m->id);
		break;
	case BY_COMMAND:
		addf(t, "H??Received: (from root@localhost)\n\tby %s (8.17.1.9/8.17.1.9) id %s",
		     local_host, m->id);
		break;
	case AS_REPORT:
		addf(t,
		     "H??Received: from localhost (localhost)\n"
		     "\tby %s (8.17.1.9/8.17.1.9) id %s",
		     local_host, m->id);
		break;
	}
	if (nto == 1 && m->via != AS_REPORT)
		addf(t, "\n\tfor %s%s%s; ", m->brackets ? "<" : "", to[0], m->brackets ? ">" : "");
	else
		add(t, ";\n\t");
	add_date(t, m->created, "GMT");
	add(t, "\n");
	if (m->via == AS_REPORT) {
		add(t, "H?D?Date: ");
		add_date(t, m->created, "GMT");
		addf(t,
		     "\nH?F?From: Mail Delivery Subsystem <MAILER-DAEMON>\n"
		     "H?x?Full-Name: Mail Delivery Subsystem\n"
		     "H?M?Message-Id: <%s@%s>\n",
		     m->id, local_host);
		add_to(t, to, nto);
		addf(t,
		     "H??MIME-Version: 1.0\n"
		     "H??Content-Type: multipart/report; report-type=delivery-status;\n"
		     "\tboundary=\"%s.%" PRId64 "/%s\"\n"
		     "H??Subject: Returned mail: see transcript for details\n"
		     "H??Auto-Submitted: auto-generated (failure)\n",
		     m->id, m->created, local_host);
	} else {
		addf(t, "H??From: \"%s %s\" <%s>\n", PICK(words), PICK(words), m->sender);
		add_to(t, to, nto);
		add(t, "H??Subject: ");
		if (percent(6))
			add(t, "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?= ");
		add_words(t, 3 + below(8));
		add(t, "\nH??Date: ");
		add_date(t, m->created, "+0000");
		addf(t, "\nH??Message-ID: <%" PRId64 ".%s@%s>\n", below(1000000000000), PICK(words),
		     local_host);
		if (m->eight_bit)
			add(t, "H??MIME-Version: 1.0\n"
			       "H??Content-Type: text/plain; charset=utf-8\n"
			       "H??Content-Transfer-Encoding: 8bit\n");
	}
	if (t->n - from < (size_t)opt.header_bytes) {
		add(t, "H??References:");
		while (t->n - from + 1 < (size_t)opt.header_bytes)
			addf(t, " <%" PRId64 ".%s@%s>\n\t", below(1000000000000), PICK(words),
			     PICK(domains));
		add(t, " <last@example.com>\n");
	}
}

/* The whole control file, in the order sendmail/queue.c queueup() writes its records. */
static void
make_control(struct text *t, const struct message *m, bool held)
{
	int64_t n = m->recipients;
	int client = (int)below(254) + 1;
	char(*to)[ADDRESS] = malloc((size_t)n * ADDRESS);

	if (!to)
		die("memory", strerror(ENOMEM));
	for (int64_t i = 0; i < n; i++)
		make_address(to[i]);

	t->n = 0;
	addf(t, "V8\nT%" PRId64 "\nK%" PRId64 "\nN%" PRId64 "\nP%" PRId64 "\n", m->created,
	     m->last_try, m->tries,
	     30000 * n + 700 + (int64_t)m->body_bytes +
		     (m->tries > 1 ? 90000 * (m->tries - 1) : 0) +
		     (percent(3) ? 60 * 1800 : 0) /* Precedence: bulk */);
	/* Written when the data file is there already, that is from the second attempt on. */
	if (m->tries > 1)
		addf(t, "I254/0/%" PRId64 "\n", 10000000 + below(1000000));
	if (m->eight_bit)
		add(t, "B8BITMIME\n");
	if (held) {
		add(t, "q");
		add_words(t, 2 + below(3));
		add(t, "\n");
	}
	if (m->tries > 0)
		make_status(t, to[0]);
	add(t, "F");
	if (m->warned)
		add(t, "w");
	if (m->via == AS_REPORT)
		add(t, "r");
	if (m->eight_bit)
		add(t, "8");
	add(t, m->via == BY_SMTP && percent(5) ? "bds\n" : "bs\n");
	add_macros(t, m, client);
	addf(t, m->via == BY_SMTP ? "S<%s>\n" : "S%s\n", m->sender);
	if (m->via == BY_SMTP && percent(3))
		addf(t, "Z%s+2B%" PRId64 "\n", PICK(words), below(1000000));
	if (m->via == BY_COMMAND)
		addf(t, "A%s\n", m->sender);
	for (int64_t i = 0; i < n; i++) {
		if (m->tries > 0 && percent(n > 1 ? 80 : 30))
			make_status(t, to[i]);
		addf(t, m->brackets ? "rRFC822; %s\nR%s:<%s>\n" : "rRFC822; %s\nR%s:%s\n", to[i],
		     m->via == AS_REPORT ? "PF" : "PFD", to[i]);
	}
	add_headers(t, m, to, n, client);
	add(t, ".\n");
	free(to);
}

/* ---------------------------------------------------------------- bodies */

/* Bodies are pieces of one long text, which begins anew at its end. */
static char prose[1 << 16];

static void
make_prose(void)
{
	size_t n = 0, column = 0;

	chance_begin(opt.seed, -1);
	while (n < sizeof(prose)) {
		const char *word = PICK(words);

		while (*word && n < sizeof(prose)) {
			prose[n++] = *word++;
			column++;
		}
		if (n < sizeof(prose))
			prose[n++] = column > 64 ? '\n' : ' ';
		column = column > 64 ? 0 : column + 1;
	}
	prose[sizeof(prose) - 1] = '\n';
}

/* ---------------------------------------------------------------- directories and files */

static struct {
	int control, data, transcript;
} dir[MAX_DIRS];
static size_t ndirs;

static struct {
	int64_t files, control_bytes, data_bytes;
} made;

static int
open_dir(int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		die(name, strerror(errno));
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die(name, strerror(errno));
	return fd;
}

static void
make_dirs(const char *path)
{
	int top = open_dir(AT_FDCWD, path);

	ndirs = opt.dirs ? (size_t)opt.dirs : 1;
	for (size_t i = 0; i < ndirs; i++) {
		char name[32];
		int fd = top;

		if (opt.dirs) {
			snprintf(name, sizeof(name), "q%zu", i + 1);
			fd = open_dir(top, name);
		}
		dir[i].control = opt.subdirs ? open_dir(fd, "qf") : fd;
		dir[i].data = opt.subdirs ? open_dir(fd, "df") : fd;
		dir[i].transcript = opt.subdirs ? open_dir(fd, "xf") : fd;
	}
}

/* Writes a file; its name is prefix and id. */
static void
write_file(int at, const char *prefix, const struct message *m, const char *bytes, size_t n,
	   size_t repeat)
{
	char name[40];
	int fd;

	snprintf(name, sizeof(name), "%s%s", prefix, m->id);
	fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		die(name, strerror(errno));
	while (n > 0) {
		ssize_t w = write(fd, bytes, repeat && n > repeat ? repeat : n);

		if (w <= 0)
			die(name, strerror(w < 0 ? errno : ENOSPC));
		n -= (size_t)w;
		if (!repeat)
			bytes += w;
	}
	if (opt.times) {
		int64_t when = m->last_try ? m->last_try : m->created;
		struct timespec times[2] = {{.tv_sec = (time_t)when}, {.tv_sec = (time_t)when}};

		if (futimens(fd, times) < 0)
			die(name, strerror(errno));
	}
	if (close(fd) < 0)
		die(name, strerror(errno));
	made.files++;
}

static void
link_file(int from, int at, const char *prefix, const struct message *source,
	  const struct message *m)
{
	char old[40], new[40];

	snprintf(old, sizeof(old), "%s%s", prefix, source->id);
	snprintf(new, sizeof(new), "%s%s", prefix, m->id);
	if (linkat(from, old, at, new, 0) < 0)
		die(new, strerror(errno));
	made.files++;
}

static size_t
extent_of(enum extent extent, size_t whole)
{
	return extent == WHOLE ? whole : extent == CUT ? whole * 2 / 3 : 0;
}

static void
make_files(const struct message *m, const struct state *s, int64_t nth)
{
	static struct text control;
	size_t d = (size_t)nth % ndirs;

	make_control(&control, m, strcmp(s->prefix, "hf") == 0);
	if (s->data) {
		size_t at = (size_t)below(sizeof(prose) / 2);

		if (m->body_bytes <= sizeof(prose) / 2)
			write_file(dir[d].data, "df", m, prose + at, m->body_bytes, 0);
		else
			write_file(dir[d].data, "df", m, prose, m->body_bytes, sizeof(prose));
		made.data_bytes += (int64_t)m->body_bytes;
	}
	if (s->control != NOTHING) {
		size_t n = extent_of(s->control, control.n);

		write_file(dir[d].control, s->prefix, m, control.p, n, 0);
		made.control_bytes += (int64_t)n;
	}
	if (s->other != NOTHING) {
		bool transcript = s->other_prefix[0] == 'x';

		write_file(transcript ? dir[d].transcript : dir[d].control, s->other_prefix, m,
			   transcript ? prose : control.p, extent_of(s->other, control.n), 0);
	}
}

/* ---------------------------------------------------------------- main */

static void
usage(FILE *to)
{
	fputs("usage: gen-queue [options] DIR\n", to);
	for (size_t i = 0; i < COUNT(option_rows); i++) {
		char name[40];

		snprintf(name, sizeof(name), "--%s%s", option_rows[i].name,
			 option_rows[i].number ? "=N"
			 : option_rows[i].text ? "=LIST"
					       : "");
		fprintf(to, "  %-18s %s\n", name, option_rows[i].help);
	}
	fputs("states:\n", to);
	for (size_t i = 0; i < COUNT(states); i++)
		fprintf(to, "  %-18s %s\n", states[i].name, states[i].help);
}

static void
read_option(const char *arg)
{
	size_t n = strcspn(arg + 2, "=");
	const char *value = arg[2 + n] ? arg + 2 + n + 1 : NULL;
	const struct option_row *row = option_rows, *end = option_rows + COUNT(option_rows);

	while (row < end && (strlen(row->name) != n || memcmp(row->name, arg + 2, n) != 0))
		row++;
	if (strcmp(arg, "--help") == 0) {
		usage(stdout);
		exit(0);
	}
	if (row == end || !value != !!row->flag) {
		usage(stderr);
		exit(64);
	}
	if (row->flag) {
		*row->flag = true;
	} else if (row->text) {
		*row->text = value;
	} else {
		char *rest;

		errno = 0;
		*row->number = strtoll(value, &rest, 10);
		if (rest == value || *rest || errno || *row->number < 0 || *row->number > row->most)
			die(arg, "not a number in its range");
	}
}

int
main(int argc, char **argv)
{
	const char *path = NULL;
	struct timespec begin, end;
	const struct state **state_of = NULL;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) == 0) {
			read_option(argv[i]);
		} else if (path) {
			usage(stderr);
			return 64;
		} else {
			path = argv[i];
		}
	}
	if (!path) {
		usage(stderr);
		return 64;
	}
	read_states(opt.states);
	if (opt.share) {
		state_of = calloc((size_t)opt.share, sizeof(*state_of));
		if (!state_of)
			die("memory", strerror(ENOMEM));
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	umask(077);
	make_prose();
	make_dirs(path);
	for (int64_t i = 0; i < opt.messages; i++) {
		const struct state *s = next_state(i);
		struct message m, source;

		make_message(&m, i);
		if (opt.share && i < opt.share)
			state_of[i] = s;
		/* Only files that come to rest as they were written can stand for others. */
		if (opt.share && i >= opt.share && state_of[i % opt.share] == s &&
		    s->control == WHOLE && s->other == NOTHING) {
			int64_t j = i % opt.share;
			size_t from = (size_t)j % ndirs, to = (size_t)i % ndirs;

			make_message(&source, j);
			if (s->data)
				link_file(dir[from].data, dir[to].data, "df", &source, &m);
			link_file(dir[from].control, dir[to].control, s->prefix, &source, &m);
		} else {
			make_files(&m, s, i);
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	free(state_of);
	printf("messages %" PRId64 " files %" PRId64 " control-bytes %" PRId64
	       " data-bytes %" PRId64 " seconds %.2f\n",
	       opt.messages, made.files, made.control_bytes, made.data_bytes,
	       (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	return 0;
}
