/*
 * Expected texts are what sendmail 8.17.1 printed for the same files: see docs/mailq.md and
 * test-fixtures/t/mailq-oracle.t, which asks it again.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "mailq.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW 1795350000

static const struct qf_mailq_style plain = {.verbose = false};
static const struct qf_mailq_style verbose = {.verbose = true};

static struct qf_slice
slice(const char *text)
{
	return (struct qf_slice){text, strlen(text)};
}

/* ---------------------------------------------------------------- pieces and numbers */

struct number_case {
	const char *text;
	int64_t number;
};

static const struct number_case numbers[] = {
	{"0", 0},
	{"", 0},
	{"x1", 0},
	{"12abc", 12},
	{" \t\r\v\f+7", 7},
	{"-5", -5},
	{"--5", 0},
	{"9223372036854775807", INT64_MAX},
	{"9223372036854775808", INT64_MAX},
	{"99999999999999999999999", INT64_MAX},
	{"-9223372036854775808", INT64_MIN},
	{"-99999999999999999999999", INT64_MIN},
};

Test(mailq, reads_numbers_as_atol_does)
{
	for (size_t i = 0; i < COUNT(numbers); i++)
		cr_expect_eq(qf_mailq_number(slice(numbers[i].text)), numbers[i].number, "%s",
			     numbers[i].text);
}

Test(mailq, pieces_end_at_line_ends_and_at_the_limit)
{
	struct qf_slice rest = slice("abc\nde\n\nfghijklm"), piece;
	static const char *const pieces[] = {"abc\n", "de\n", "\n", "fghij", "klm"};

	for (size_t i = 0; i < COUNT(pieces); i++) {
		cr_assert(qf_mailq_piece(&rest, 5, &piece));
		cr_expect(piece.n == strlen(pieces[i]) && memcmp(piece.p, pieces[i], piece.n) == 0,
			  "piece %zu is %.*s", i, (int)piece.n, piece.p);
	}
	cr_expect_not(qf_mailq_piece(&rest, 5, &piece));
}

struct string_case {
	const char *piece;
	size_t n, length;
};

static const struct string_case strings[] = {
	{"Sx\n", 3, 2}, {"Sx\r\n", 4, 2}, {"Sx\r\r\n", 5, 3}, {"Sx", 2, 2},	    {"Sx\r", 3, 3},
	{"\n", 1, 0},	{"\r\n", 2, 0},	  {"Sx\0y\n", 5, 2},  {"S\r\0y\r\n", 6, 2}, {"\0\n", 2, 0},
};

Test(mailq, a_string_ends_at_its_line_end_or_a_nul)
{
	for (size_t i = 0; i < COUNT(strings); i++)
		cr_expect_eq(qf_mailq_string((struct qf_slice){strings[i].piece, strings[i].n}).n,
			     strings[i].length, "case %zu", i);
}

/* ---------------------------------------------------------------- addresses */

struct address_case {
	const char *address;
	int columns;
	const char *text;
};

static const struct address_case addresses[] = {
	{"", 10, ""},
	{"abcdefghij", 10, "abcdefghij"},
	{"abcdefghijk", 10, "abcdefghij"},
	{"a b", 10, "a b"},
	{"\\\\\\", 10, "\\\\\\\\\\\\"},
	{"abcdefgh\\x", 10, "abcdefgh\\\\"},
	{"abcdefghi\\x", 10, "abcdefghi"},
	{"abcde\xe4z", 10, "abcde\\344z"},
	{"abcdef\xe4z", 10, "abcdef"},
	{"abcdefg\xe4z", 10, "abcdefg"},
	{"\t\r\x7f", 20, "\\011\\015\\177"},
	{"\t\tz", 8, "\\011"},
};

Test(mailq, addresses_keep_to_their_columns)
{
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct qf_buf out = {0};

		qf_mailq_address(&out, &plain, slice(addresses[i].address), addresses[i].columns);
		qf_buf_addc(&out, '\0');
		cr_expect_str_eq(out.p, addresses[i].text, "case %zu", i);
		qf_buf_release(&out);
	}
}

/* ---------------------------------------------------------------- times */

static void
expect_as_ctime(struct qf_mailq_clock *clock, int64_t when)
{
	time_t t = when;
	const char *expected = ctime(&t);
	char text[17] = "";

	/* Asserted only where wrong: there are very many. */
	if (qf_mailq_time(clock, when, text) != (expected != NULL) ||
	    (expected && strncmp(text, expected, 16) != 0))
		cr_assert_fail("%lld in %s: \"%s\" is not %s", (long long)when, getenv("TZ"), text,
			       expected);
}

Test(mailq, times_are_those_of_ctime_in_any_zone)
{
	/* The last has leap seconds. */
	static const char *const zones[] = {
		"UTC",		"Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
		"Asia/Kolkata", "Pacific/Apia",	 "Europe/Amsterdam", "<+0545>-5:45",
		"right/UTC"};
	static const int64_t special[] = {0,
					  -1,
					  1795000000,
					  3599,
					  253402300800,
					  67768036191676799,
					  -67768040609740800,
					  67768036191676800,
					  INT64_MAX,
					  INT64_MIN,
					  (int64_t)1 << 40,
					  -62167219200,
					  951782399,
					  951868800};
	uint64_t random = 88172645463325252u;

	for (size_t z = 0; z < COUNT(zones); z++) {
		struct qf_mailq_clock clock = {0};

		setenv("TZ", zones[z], 1);
		tzset();
		for (size_t i = 0; i < COUNT(special); i++)
			expect_as_ctime(&clock, special[i]);
		for (int i = 0; i < 20000; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			/* Half of them within 120 years, around the changes of offset. */
			expect_as_ctime(&clock, i % 2 ? (int64_t)(random % 4000000000u)
						      : (int64_t)(random >> 22) - (1ll << 41));
		}
		/* Every quarter of an hour through a year, so that every change is met. */
		for (int64_t t = 1767225600; t < 1767225600 + 366 * 86400; t += 899)
			expect_as_ctime(&clock, t);
	}
}

/* ---------------------------------------------------------------- before it sorts */

struct gather_case {
	const char *text;
	size_t n;
	enum qf_kind kind;
	int64_t min_age, max_age;
	int64_t priority, created;
	bool young, set_aside;
};

#define FILE_OF(text) text, sizeof(text) - 1
#define SEEN_256                                                                                   \
	"HX: 56789012345678901234567890123456789012345678901234567890123456"                       \
	"7890123456789012345678901234567890123456789012345678901234567890123456789012345678901234" \
	"5678901234567890123456789012345678901234567890123456789012345678901234567890123456789012" \
	"3456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"

static const struct gather_case gathered[] = {
	{FILE_OF("V8\nT5\nP7\n"), QF_KIND_QUEUED, 0, 0, 7, 5, false, false},
	{FILE_OF(""), QF_KIND_QUEUED, 0, 0, 0x7fffffff, 0, false, false},
	{FILE_OF("T5\nS<a@b>\n"), QF_KIND_QUEUED, 0, 0, 0x7fffffff, 5, false, false},
	/* It stops once it has both: what comes later is not seen. */
	{FILE_OF("T5\nP7\nP8\nT6\n"), QF_KIND_QUEUED, 0, 0, 7, 5, false, false},
	{FILE_OF("P7\nP8\nT6\nP9\n"), QF_KIND_QUEUED, 0, 0, 8, 6, false, false},
	{FILE_OF("T5\nP7\nqx\n"), QF_KIND_QUEUED, 0, 0, 7, 5, false, false},
	{FILE_OF("T5\nqx\nP7\nP8\n"), QF_KIND_QUEUED, 0, 0, 8, 5, false, true},
	{FILE_OF("T5\nqx\nP7\nP8\n"), QF_KIND_HELD, 0, 0, 7, 5, false, false},
	{FILE_OF("T5\nqx\nP7\nP8\n"), QF_KIND_LOST, 0, 0, 7, 5, false, false},
	/* Too young, by one rule or the other. */
	{FILE_OF("T5\nK1795349990\nN1\nP7\n"), QF_KIND_QUEUED, 60, 0, 7, 5, true, false},
	{FILE_OF("T5\nK1795349990\nN1\nP7\n"), QF_KIND_QUEUED, 10, 0, 7, 5, false, false},
	{FILE_OF("T5\nK1795349990\nN0\nP7\n"), QF_KIND_QUEUED, 60, 0, 7, 5, false, false},
	{FILE_OF("T5\nN0\nK1795349990\nP7\n"), QF_KIND_QUEUED, 60, 0, 7, 5, true, false},
	{FILE_OF("T5\nK1795350010\nN1\nP7\n"), QF_KIND_QUEUED, 60, 0, 7, 5, false, false},
	{FILE_OF("T5\nK1795350010\nN1\nP7\n"), QF_KIND_QUEUED, 0, 60, 7, 5, true, false},
	{FILE_OF("T1795349900\nK1795349960\nN1\nP7\n"), QF_KIND_QUEUED, 0, 600, 7, 1795349900, true,
	 false},
	{FILE_OF("T1795349900\nK1795349945\nN1\nP7\n"), QF_KIND_QUEUED, 0, 600, 7, 1795349900,
	 false, false},
	{FILE_OF("T5\nP7\nK1795349990\nN1\n"), QF_KIND_QUEUED, 60, 0, 7, 5, false, false},
	/* Behind a NUL the next line is lost; behind 256 bytes the rest of the line. */
	{FILE_OF("T5\nM\0\nP7\nP8\n"), QF_KIND_QUEUED, 0, 0, 8, 5, false, false},
	{FILE_OF("T5\0x\nP7\nP8\n"), QF_KIND_QUEUED, 0, 0, 8, 5, false, false},
	{FILE_OF(SEEN_256 "\nP7\nT5\n"), QF_KIND_QUEUED, 0, 0, 7, 5, false, false},
	{FILE_OF(SEEN_256 "P6\nP7\nT5\n"), QF_KIND_QUEUED, 0, 0, 7, 5, false, false},
	{FILE_OF("P99999999999999999999\nT-3"), QF_KIND_QUEUED, 0, 0, INT64_MAX, -3, false, false},
};

Test(mailq, gathers_what_sendmail_sorts_by)
{
	for (size_t i = 0; i < COUNT(gathered); i++) {
		const struct gather_case *c = &gathered[i];
		struct qf_policy policy = {.min_queue_age = c->min_age,
					   .max_queue_age = c->max_age};
		struct qf_mailq_rank rank;

		qf_mailq_gather((struct qf_slice){c->text, c->n}, c->kind, &policy, NOW, false,
				&rank);
		cr_expect_eq(rank.priority, c->priority, "case %zu: priority %lld", i,
			     (long long)rank.priority);
		cr_expect_eq(rank.created, c->created, "case %zu: created", i);
		cr_expect_eq(rank.young, c->young, "case %zu: young", i);
		cr_expect_eq(rank.set_aside, c->set_aside, "case %zu: set aside", i);
	}
}

struct host_case {
	const char *text;
	const char *host; /* NULL: none */
	int64_t priority;
};

static const struct host_case hosts[] = {
	{"V8\nT1\nP2\nRPF:<a@b.example>\nP3\n", "b.example>", 2},
	{"V8\nT1\nP2\nRPF:<a@b>,<c@d>\nRPF:<e@f>\n", "d>", 2},
	/* One without a host is passed over, and what lies between is seen. */
	{"V8\nT1\nP2\nRPF:root\nP3\nRPF:<e@f>\nP4\n", "f>", 3},
	{"V8\nT1\nP2\nRPF:root\nP3\n", NULL, 3},
};

Test(mailq, gathers_the_host_of_a_recipient)
{
	const struct qf_policy policy = {0};

	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct qf_mailq_rank rank;

		qf_mailq_gather(slice(hosts[i].text), QF_KIND_QUEUED, &policy, NOW, true, &rank);
		cr_expect_eq(rank.priority, hosts[i].priority, "case %zu", i);
		cr_expect_eq(rank.host.p == NULL, hosts[i].host == NULL, "case %zu", i);
		if (hosts[i].host && rank.host.p)
			cr_expect(rank.host.n == strlen(hosts[i].host) &&
					  memcmp(rank.host.p, hosts[i].host, rank.host.n) == 0,
				  "case %zu: %.*s", i, (int)rank.host.n, rank.host.p);
	}
}

/* ---------------------------------------------------------------- entries */

struct entry_case {
	const char *what;
	const char *text;
	size_t n;
	const char *plain;   /* NULL: not asked */
	const char *verbose; /* NULL: not asked */
};

#define HEAD "V8\nT1795000000\nK0\nN0\nP30000\n"
#define TO "RPFD:<bob@dst.example>\n"
#define P_HEAD "       1 Wed Nov 18 11:06 "
#define V_HEAD "       1      30000 Nov 18 11:06 "
#define P_TO "\n\t\t\t\t\t <bob@dst.example>"
#define V_TO "\n\t\t\t\t\t\t<bob@dst.example>"

static const struct entry_case entries[] = {
	{"whole", FILE_OF(HEAD "S<a@b>\n" TO "H??S: x\n.\n"), P_HEAD "<a@b>" P_TO "\n",
	 V_HEAD "<a@b>" V_TO "\n"},
	{"nothing", FILE_OF(""), " (no control file)\n", " (no control file)\n"},
	{"no sender", FILE_OF(HEAD TO ".\n"), P_TO "\n", V_TO "\n"},
	{"no time", FILE_OF("V8\nS<a@b>\n.\n"),
	 "       1 Thu Jan  1 00:00 <a@b> (no control file)\n", NULL},
	{"time behind the sender", FILE_OF("S<a@b>\nT5\n"), "       1 Thu Jan  1 00:00 <a@b>\n",
	 NULL},
	{"no such year", FILE_OF("T99999999999999999999\nS<a@b>\n"), "       1 (null) <a@b>\n",
	 NULL},
	{"status", FILE_OF(HEAD "MDeferred: x\nS<a@b>\n"),
	 P_HEAD "<a@b>\n                 (Deferred: x)\n",
	 V_HEAD "<a@b>\n                 (Deferred: x)\n"},
	{"last status counts", FILE_OF(HEAD "Mone\nMtwo\nS<a@b>\n"),
	 P_HEAD "<a@b>\n                 (two)\n", NULL},
	{"empty status", FILE_OF(HEAD "M\nS<a@b>\n"), P_HEAD "<a@b>\n", NULL},
	{"status of a recipient", FILE_OF(HEAD "S<a@b>\nMfoo\n" TO TO),
	 P_HEAD "<a@b>" P_TO P_TO "\n", V_HEAD "<a@b>" V_TO "\n\t\t (foo)" V_TO "\n"},
	{"body type", FILE_OF(HEAD "B8BITMIME\nS<a@b>\n"), P_HEAD "<a@b>\n      8BITMIME\n", NULL},
	{"body type and status", FILE_OF(HEAD "B7BIT\nMfoo\nS<a@b>\n"),
	 P_HEAD "<a@b>\n          7BIT   (foo)\n", NULL},
	{"long body type", FILE_OF(HEAD "Babcdefghijklm\nS<a@b>\n"),
	 P_HEAD "<a@b>\n    abcdefghij\n", NULL},
	{"quarantine", FILE_OF(HEAD "qwhy\nS<a@b>\n"), P_HEAD "<a@b>\n     QUARANTINE: why\n",
	 NULL},
	{"warned", FILE_OF(HEAD "F8w\nS<a@b>\nFw\n"), P_HEAD "<a@b>\n",
	 "       1      30000+Nov 18 11:06 <a@b>\n"},
	{"warned too late", FILE_OF(HEAD "S<a@b>\nFw\n"), NULL, V_HEAD "<a@b>\n"},
	{"controlling user", FILE_OF(HEAD "S<a@b>\nCroot:0:0:x\n" TO), P_HEAD "<a@b>" P_TO "\n",
	 V_HEAD "<a@b>\n\t\t\t\t\t\t(---root:0:0:x---)" V_TO "\n"},
	{"two senders", FILE_OF(HEAD "B7BIT\nMfoo\nS<a@b>\nS<c@d>\n"),
	 P_HEAD "<a@b>\n          7BIT   (foo)" P_HEAD "<c@d>\n          7BIT\n", NULL},
	{"format of old", FILE_OF("T1795000000\nS<a@b>\nRfoo\n"), P_HEAD "<a@b>\n\t\t\t\t\t foo\n",
	 NULL},
	{"recipient without colon", FILE_OF(HEAD "S<a@b>\nRfoo\n" TO), P_HEAD "<a@b>" P_TO "\n",
	 NULL},
	{"version is an int", FILE_OF("V4294967296\nT1795000000\nS<a@b>\nRP:foo\n"),
	 P_HEAD "<a@b>\n\t\t\t\t\t P:foo\n", NULL},
	{"folded recipient", FILE_OF(HEAD "S<a@b>\n" TO " R:more\n"), P_HEAD "<a@b>" P_TO "\n",
	 NULL},
	{"CR LF", FILE_OF("V8\r\nT1795000000\r\nS<a@b>\r\n.\r\n"), P_HEAD "<a@b>\n", NULL},
	{"NUL", FILE_OF(HEAD "S<a\0@b>\n"), P_HEAD "<a\n", NULL},
	{"no line end", FILE_OF(HEAD "S<a@b>"), P_HEAD "<a@b>\n", NULL},
};

static void
expect_entry(const struct entry_case *c, const struct qf_mailq_style *style, const char *expected)
{
	struct qf_mailq_clock clock = {0};
	struct qf_buf out = {0};

	if (!expected)
		return;
	qf_mailq_entry(&out, style, &clock, (struct qf_slice){c->text, c->n}, 1, 30000);
	qf_buf_addc(&out, '\0');
	cr_expect_str_eq(out.p, expected, "%s", c->what);
	qf_buf_release(&out);
}

Test(mailq, prints_entries_as_sendmail_does)
{
	setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < COUNT(entries); i++) {
		expect_entry(&entries[i], &plain, entries[i].plain);
		expect_entry(&entries[i], &verbose, entries[i].verbose);
	}
}

Test(mailq, texts_are_cut)
{
	struct qf_mailq_clock clock = {0};
	struct qf_buf file = {0}, out = {0};

	qf_buf_adds(&file, "T1795000000\nq");
	for (int i = 0; i < 200; i++)
		qf_buf_addc(&file, 'q');
	qf_buf_adds(&file, "\nM");
	for (int i = 0; i < 200; i++)
		qf_buf_addc(&file, 'm');
	qf_buf_adds(&file, "\nSx\n");
	qf_mailq_entry(&out, &plain, &clock, (struct qf_slice){file.p, file.n}, 1, 1);
	cr_expect_eq(out.n, strlen(P_HEAD "x\n     QUARANTINE: ") + 60 +
				    strlen("\n                 ()\n") + 60);
	qf_buf_clear(&out);
	qf_mailq_entry(&out, &verbose, &clock, (struct qf_slice){file.p, file.n}, 1, 1);
	cr_expect_eq(out.n, strlen(V_HEAD "x\n     QUARANTINE: ") + 100 +
				    strlen("\n                 ()\n") + 100);
	qf_buf_release(&file);
	qf_buf_release(&out);
}

Test(mailq, a_long_line_falls_into_pieces_that_are_taken_for_records)
{
	struct qf_mailq_clock clock = {0};
	struct qf_buf file = {0}, out = {0};

	qf_buf_adds(&file, "V8\nT1795000000\nS<a@b>\nH??X: ");
	for (int i = 0; i < 2047 - 6; i++)
		qf_buf_addc(&file, 'x');
	qf_buf_adds(&file, "RP:bogus\n");
	setenv("TZ", "UTC", 1);
	qf_mailq_entry(&out, &plain, &clock, (struct qf_slice){file.p, file.n}, 1, 1);
	qf_buf_addc(&out, '\0');
	cr_expect_str_eq(out.p, P_HEAD "<a@b>\n\t\t\t\t\t bogus\n");
	qf_buf_release(&file);
	qf_buf_release(&out);
}

Test(mailq, any_bytes_are_listed)
{
	static const char alphabet[] = "VTKNPSRMBCFqHd$!.\n\n\n\n\r\t :<@>\\w0189\x81\xe4";
	const struct qf_policy policy = {.min_queue_age = 60};
	struct qf_mailq_clock clock = {0};
	uint64_t random = 4101842887655102017u;
	char bytes[600];

	for (int i = 0; i < 20000; i++) {
		struct qf_slice file = {bytes, (size_t)(random % sizeof(bytes))};
		struct qf_mailq_rank rank;
		struct qf_buf out = {0};

		for (size_t k = 0; k < file.n; k++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			bytes[k] = alphabet[random % sizeof(alphabet)];
		}
		qf_mailq_gather(file, QF_KIND_QUEUED, &policy, NOW, i % 2, &rank);
		qf_mailq_entry(&out, i % 2 ? &plain : &verbose, &clock, file, -1, rank.priority);
		cr_assert(out.n > 0 && out.p[out.n - 1] == '\n');
		qf_buf_release(&out);
	}
}

/* ---------------------------------------------------------------- sorting */

struct sort_case {
	enum qf_sort_order order;
	const char *sorted; /* first letters of the texts */
};

/* text and word; key; locked */
static const struct {
	const char *text, *word;
	int64_t key;
	bool locked;
} unsorted[] = {
	{"a", "moc.b", 5, false}, {"b", "moc.a", 7, false}, {"c", "", 5, false},
	{"d", "moc.A", 1, false}, {"e", "moc.a", 0, true},  {"f", "moc", 9, false},
};

static const struct sort_case sorts[] = {
	{QF_ORDER_PRIORITY, "edacbf"},
	{QF_ORDER_TIME, "edacbf"},
	{QF_ORDER_MODIFICATION, "edacbf"},
	{QF_ORDER_FILENAME, "cfdbea"},
	{QF_ORDER_NONE, "abcdef"},
	/* The others of a locked one's host count as locked, and get its mark. */
	{QF_ORDER_HOST, "cfae**"},
	{QF_ORDER_RANDOM, "abcdef"},
};

Test(mailq, sorts_as_sendmail_does)
{
	for (size_t i = 0; i < COUNT(sorts); i++) {
		struct qf_mailq_store store = {0};
		char got[COUNT(unsorted) + 1] = "";

		for (size_t k = 0; k < COUNT(unsorted); k++) {
			struct qf_mailq_head head = {.key = unsorted[k].key,
						     .locked = unsorted[k].locked,
						     .mark = 0,
						     .text_n = 1,
						     .word_n = (uint32_t)strlen(unsorted[k].word)};
			char text[16];

			snprintf(text, sizeof(text), "%s%s", unsorted[k].text, unsorted[k].word);
			cr_assert(qf_mailq_store_add(&store, &head, text));
		}
		cr_assert(qf_mailq_store_sort(&store, sorts[i].order));
		for (size_t k = 0; k < store.n; k++)
			got[k] = *store.items[k].text;
		cr_expect_str_eq(got, sorts[i].sorted, "order %d", (int)sorts[i].order);
		qf_mailq_store_release(&store);
	}
}

Test(mailq, entries_that_sort_alike_keep_their_order)
{
	struct qf_mailq_store store = {0};
	static char large[200000];

	for (uint32_t i = 0; i < 5000; i++) {
		struct qf_mailq_head head = {.key = i * 7919 % 10, .text_n = 1 + i % 1000 * 7};

		/* Some too large for a block shared with others. */
		if (i % 1000 == 0)
			head.text_n = sizeof(large);
		memset(large, 'a' + (int)(i % 26), head.text_n);
		memcpy(large, &i, 1);
		cr_assert(qf_mailq_store_add(&store, &head, large));
		store.items[i].word_n = i;
	}
	cr_assert(qf_mailq_store_sort(&store, QF_ORDER_PRIORITY));
	for (size_t i = 0; i < store.n; i++) {
		const struct qf_mailq_item *item = &store.items[i];

		cr_assert(i == 0 || item[-1].key < item->key ||
			  (item[-1].key == item->key && item[-1].word_n < item->word_n));
		cr_assert_eq((unsigned char)item->text[0], item->word_n % 256);
		cr_assert(item->text_n == 1 ||
			  item->text[item->text_n - 1] == (char)('a' + item->word_n % 26));
	}
	qf_mailq_store_release(&store);
}

/* ---------------------------------------------------------------- whole lists */

static char root[] = "/tmp/qf-mailq-test.XXXXXX";

static void
make_root(void)
{
	cr_assert_not_null(mkdtemp(root));
	setenv("TZ", "UTC", 1);
}

static void
remove_root(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	cr_expect_eq(system(command), 0);
}

static void
write_bytes(const char *name, const char *bytes, size_t n, mode_t mode)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, bytes, n), (ssize_t)n);
	cr_assert_eq(fchmod(fd, mode), 0);
	close(fd);
}

static void
write_text(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text), 0600);
}

static bool
into_buffer(void *ctx, const char *bytes, size_t n)
{
	qf_buf_add(ctx, bytes, n);
	return true;
}

static bool
nowhere(void *ctx, const char *bytes, size_t n)
{
	(void)ctx;
	(void)bytes;
	(void)n;
	return false;
}

/* What is printed for root, which is shown as "@". */
static char *
listed(const struct qf_mailq_options *options, const struct qf_policy *policy)
{
	const char *paths[] = {root};
	struct qf_queue_options queue_options = {.paths = paths, .npaths = 1, .policy = policy};
	struct qf_buf out = {0};
	struct qf_queue *queue;
	struct qf_err err;
	char *at;

	cr_assert_eq(qf_queue_open(&queue_options, &queue, &err), QF_OK, "%s: %s", err.what,
		     err.why);
	cr_assert_eq(qf_render_mailq(queue, options, into_buffer, &out, NULL, &err), QF_OK,
		     "%s: %s", err.what, err.why);
	qf_queue_free(queue);
	qf_buf_addc(&out, '\0');
	while ((at = strstr(out.p, root))) {
		*at = '@';
		memmove(at + 1, at + strlen(root), strlen(at + strlen(root)) + 1);
	}
	return out.p;
}

static void
expect_list(const struct qf_mailq_options *options, const struct qf_policy *policy,
	    const char *expected)
{
	char *text = listed(options, policy);

	cr_expect_str_eq(text, expected);
	free(text);
}

TestSuite(mailq_list, .init = make_root, .fini = remove_root);

#define TITLE "-----Q-ID----- --Size-- -----Q-Time----- ------------Sender/Recipient-----------\n"
#define VERBOSE_TITLE                                                                              \
	"-----Q-ID----- --Size-- -Priority- ---Q-Time--- --------Sender/Recipient--------\n"
#define MESSAGE(priority) "V8\nT1795000000\nP" priority "\nS<a@b>\n.\n"
#define LINE(id, size) id size " Wed Nov 18 11:06 <a@b>\n"

Test(mailq_list, an_empty_queue_is_empty)
{
	const struct qf_mailq_options options = {.kind = QF_KIND_QUEUED, .now = NOW};

	write_text("Qfx", MESSAGE("1"));
	write_text("dfx", "");
	expect_list(&options, NULL, "@ is empty\n\t\tTotal requests: 0\n");
}

Test(mailq_list, ids_take_13_columns_or_more)
{
	const struct qf_mailq_options options = {.kind = QF_KIND_QUEUED, .now = NOW};

	write_text("qf", MESSAGE("1"));
	write_text("df", "12");
	write_text("qf234567890123", MESSAGE("2"));
	write_text("df234567890123", "");
	write_text("qf3456789012345678", MESSAGE("3"));
	write_text("df3456789012345678", "");
	expect_list(&options, NULL,
		    "\t\t@ (3 requests)\n" TITLE LINE("              ",
						      "       2") LINE(" 234567890123 ", "       0")
			    LINE("3456789012345678 ", "       0") "\t\tTotal requests: 3\n");
}

Test(mailq_list, one_request_is_no_requests)
{
	const struct qf_mailq_options options = {.kind = QF_KIND_HELD, .now = NOW};

	write_text("hf1", "V8\nT1795000000\nP1\nqno\nS<a@b>\n.\n");
	write_text("df1", "");
	expect_list(&options, NULL,
		    "\t\t@ (1 request)\n" TITLE
		    "            1        0 Wed Nov 18 11:06 <a@b>\n     QUARANTINE: no\n"
		    "\t\tTotal requests: 1\n");
}

Test(mailq_list, lost_ones_are_marked)
{
	const struct qf_mailq_options options = {.kind = QF_KIND_LOST, .now = NOW};

	write_text("Qf1", MESSAGE("1"));
	write_text("df1", "");
	expect_list(&options, NULL,
		    "\t\t@ (1 request)\n" TITLE LINE("            1?",
						     "       0") "\t\tTotal requests: 1\n");
}

Test(mailq_list, orders_that_read_no_files_have_no_marks)
{
	struct qf_mailq_options options = {.kind = QF_KIND_QUEUED, .now = NOW, .verbose = true};
	struct qf_policy policy;

	qf_policy_default(&policy);
	policy.min_queue_age = 3600;
	write_text("qfb", "V8\nT1795000000\nK1795349990\nN1\nP9\nS<a@b>\n.\n");
	write_text("dfb", "");
	expect_list(&options, &policy,
		    "\t\t@ (1 request)\n" VERBOSE_TITLE
		    "            b-       0          9 Nov 18 11:06 <a@b>\n"
		    "\t\tTotal requests: 1\n");
	policy.sort_order = QF_ORDER_FILENAME;
	expect_list(&options, &policy,
		    "\t\t@ (1 request)\n" VERBOSE_TITLE
		    "            b        0          0 Nov 18 11:06 <a@b>\n"
		    "\t\tTotal requests: 1\n");
}

Test(mailq_list, more_than_a_run_takes_are_counted_and_not_printed)
{
	const struct qf_mailq_options options = {.kind = QF_KIND_QUEUED, .now = NOW};
	struct qf_policy policy;
	char *text;

	qf_policy_default(&policy);
	policy.max_queue_run_size = 2;
	for (char i = '1'; i <= '5'; i++) {
		char name[] = "qf?";

		name[2] = i;
		write_text(name, MESSAGE("7"));
		name[0] = 'd';
		write_text(name, "");
	}
	text = listed(&options, &policy);
	cr_expect(strstr(text, " (5 requests, only 2 printed)\n"), "%s", text);
	cr_expect(strstr(text, "Total requests: 5\n"), "%s", text);
	cr_expect_eq(strlen(text),
		     strlen("\t\t@ (5 requests, only 2 printed)\n" TITLE LINE("            1 ",
									      "       0")
				    LINE("            1 ", "       0") "\t\tTotal requests: 5\n"));
	free(text);
}

Test(mailq_list, what_is_no_file_is_named_above)
{
	struct qf_mailq_options options = {.kind = QF_KIND_QUEUED, .now = NOW};
	char path[256];
	uint64_t shown = 77;

	options.shown = &shown;
	snprintf(path, sizeof(path), "%s/qfdir", root);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/qfnowhere", root);
	cr_assert_eq(symlink("nowhere", path), 0);
	write_text("qf12345678901234567890", MESSAGE("1"));
	expect_list(&options, NULL,
		    "gatherq: @/qfdir is not a regular file\n@ is empty\n"
		    "\t\tTotal requests: 0\n");
	cr_expect_eq(shown, 0);
	options.verbose = true;
	rmdir(path);
	snprintf(path, sizeof(path), "%s/qfdir", root);
	rmdir(path);
	expect_list(&options, NULL,
		    "gatherq: qf12345678901234567890 too long, 21 max characters\n@ is empty\n"
		    "\t\tTotal requests: 0\n");
}

/* ---------------------------------------------------------------- without a data file */

struct missing_case {
	const char *text;
	size_t n;
	mode_t mode;
	const char *said; /* behind the id */
};

#define NO_DATA "readqf: cannot open ./df1: No such file or directory\n"
#define ATTACK "SECURITY ALERT: extra or bogus data in queue file: "
#define BAD(lines, text) "readqf: ./qf1: line " lines ": bad line \"" text "\"\n"
#define UNASSIGNED "Unable to assign macro/class ID (mid = 0xffffffff)\n"
#define SYNTAX(text) "header syntax error, line \"" text "\"\n"
#define TENS "12345678901234567890123456789012345678901234567890123456789012345678901234567890"

static const struct missing_case missing[] = {
	{FILE_OF("V8\nT0\n.\n"), 0600, NO_DATA},
	{FILE_OF("V8\nT0\n.\n"), 0640, NO_DATA},
	{FILE_OF("V8\nT0\n.\n"), 0660, ""},
	{FILE_OF("V8\nT0\n.\n"), 0602, ""},
	{FILE_OF(""), 0600, ""},
	{FILE_OF("V8"), 0600, ""},
	{FILE_OF("Xx"), 0600, BAD("0", "Xx")},
	{FILE_OF("V8\nT0\n"), 0600, "readqf: ./qf1: incomplete queue file read\n"},
	{FILE_OF("V8\nXbad\n.\n"), 0600, BAD("2", "Xbad")},
	{FILE_OF("V8\nH??To: a,\n\tb,\n c\nXbad\n.\n"), 0600, BAD("5", "Xbad")},
	{FILE_OF("V8\nXbad\n and\n\tmore\n.\n"), 0600, BAD("4", "Xbad\n and\n\tmore")},
	{FILE_OF("V8\n\n.\n"), 0600, BAD("2", "")},
	{FILE_OF("\0\0\n\0\n"), 0600, BAD("1", "")},
	{FILE_OF("V8\r\nXa\r\r\n.\n"), 0600, BAD("2", "Xa\r")},
	{FILE_OF("V8\nXa\xe4\x01\x1b[2J\x80 unseen\n.\n"), 0600,
	 "readqf: ./qf1: line 2: bad line \"Xad\x01\x1b[2J\n"},
	{FILE_OF("X" TENS TENS "12345678901234567890123456789012345678901\n"), 0600,
	 BAD("1", "X" TENS TENS "12345678901234567890123456789012345678901")},
	{FILE_OF("X" TENS TENS "123456789012345678901234567890123456789012\n"), 0600,
	 BAD("1", "X" TENS "1234567890123456789...34567890" TENS "123456789012")},
	{FILE_OF("V8\n.\nmore\n"), 0600, ATTACK "more\n"},
	{FILE_OF("V8\n.\n\n"), 0600, ATTACK "\n"},
	{FILE_OF("V8\nBfoo\n.\n"), 0600, ATTACK "Bfoo\n"},
	{FILE_OF("V8\nB8bitmime\n.\n"), 0600, NO_DATA},
	{FILE_OF("V8\nAa b\n.\n"), 0600, ATTACK "Aa b\n"},
	{FILE_OF("V8\nAa+2\n.\n"), 0600, ATTACK "Aa+2\n"},
	{FILE_OF("V8\nA<a+2Bb>\n.\n"), 0600, NO_DATA},
	{FILE_OF("V9\n.\n"), 0600, "Version number in queue file (9) greater than max (8)\n"},
	{FILE_OF("V4294967305\n.\n"), 0600,
	 "Version number in queue file (9) greater than max (8)\n"},
	{FILE_OF("V-1\n.\n"), 0600, NO_DATA},
	{FILE_OF("V8\nFrom x\n.\n"), 0600, "SECURITY ALERT: bogus qf line From x\n"},
	{FILE_OF("V8\nFrom\n.\n"), 0600, NO_DATA},
	{FILE_OF("V8\ndnowhere\n.\n"), 0600, ""},
	{FILE_OF("V8\nd.\n.\n"), 0600, NO_DATA},
	{FILE_OF("V8\n$\n.\n"), 0600, "Name required for macro/class\n" NO_DATA},
	{FILE_OF("V8\n${}x\n.\n"), 0600, "Name required for macro/class\n" NO_DATA},
	{FILE_OF("V8\n${a-b}x\n.\n"), 0600, "Invalid macro/class character -\n" NO_DATA},
	{FILE_OF("V8\n${abc\n.\n"), 0600, "Unbalanced { on abc\n" UNASSIGNED NO_DATA},
	{FILE_OF("V8\n${abcdefghijklmnopqrstuvwxy}\n.\n"), 0600, NO_DATA},
	{FILE_OF("V8\n${abcdefghijklmnopqrstuvwxyz}\n.\n"), 0600,
	 "Macro/class name ({abcdefghijklmnopqrstuvwxy}) too long (25 chars max)\n" UNASSIGNED
		 NO_DATA},
	{FILE_OF("V8\n!\x02 3600\n!\n.\n"), 0600, "Name required for macro/class\n" NO_DATA},
	{FILE_OF("V8\nHfoo\n.\n"), 0600, SYNTAX("foo") NO_DATA},
	{FILE_OF("V8\nH??foo\n.\n"), 0600, SYNTAX("?") NO_DATA},
	{FILE_OF("V8\nH?PD?: x\n.\n"), 0600, SYNTAX("?PD") NO_DATA},
	{FILE_OF("V8\nH?x: y\n.\n"), 0600, SYNTAX("?x: y") NO_DATA},
	{FILE_OF("V8\nH?$?x: y\n.\n"), 0600, SYNTAX("?$?x: y") NO_DATA},
	{FILE_OF("V8\nH?$x?x: y\nH?${abc}?x: y\nH?\x81x?x: y\n.\n"), 0600, NO_DATA},
	{FILE_OF("V8\nH?\x81xy?x: y\n.\n"), 0600, SYNTAX("?\x01xy?x: y") NO_DATA},
	{FILE_OF("V8\nH?a\xe4?x: y\n.\n"), 0600, SYNTAX("?ad?x: y") NO_DATA},
	{FILE_OF("V8\nHfoo \t\n : bar\n.\n"), 0600, NO_DATA},
};

Test(mailq_list, says_what_sendmail_says_without_a_data_file)
{
	const struct qf_mailq_options options = {.kind = QF_KIND_QUEUED, .now = NOW};

	for (size_t i = 0; i < COUNT(missing); i++) {
		struct qf_buf expected = {0};

		write_bytes("qf1", missing[i].text, missing[i].n, missing[i].mode);
		qf_buf_addf(&expected,
			    "\t\t@ (1 request)\n" TITLE
			    "            1%s  (no control file)\n\t\tTotal requests: 1\n",
			    missing[i].said);
		expect_list(&options, NULL, expected.p);
		qf_buf_release(&expected);
	}
}

Test(mailq_list, a_quarantined_one_cannot_be_renamed)
{
	const struct qf_mailq_options options = {.kind = QF_KIND_QUEUED, .now = NOW};
	struct qf_buf expected = {0};

	write_text("qf1", "V8\nT0\nP1\nqwhy\nXbad\n.\n");
	qf_buf_addf(
		&expected,
		"\t\t@ (1 request)\n" TITLE "            1" BAD(
			"5",
			"Xbad") "cannot rename(./hf1, ./Qf1), uid=%u: No such file or directory\n"
				"  (no control file)\n\t\tTotal requests: 1\n",
		(unsigned)geteuid());
	expect_list(&options, NULL, expected.p);
	qf_buf_release(&expected);
	/* Where there is a held one it would be renamed, and nothing said. */
	write_text("hf1", "");
	expect_list(&options, NULL,
		    "\t\t@ (1 request)\n" TITLE "            1" BAD(
			    "5", "Xbad") "  (no control file)\n\t\tTotal requests: 1\n");
}

Test(mailq_list, a_young_one_without_a_data_file_is_not_read)
{
	struct qf_mailq_options options = {.kind = QF_KIND_QUEUED, .now = NOW};
	struct qf_policy policy;

	qf_policy_default(&policy);
	policy.min_queue_age = 200000;
	write_text("qf1", "V8\nT1795000000\nK1795260000\nN1\nP7\nXbad\n.\n");
	expect_list(&options, &policy,
		    "\t\t@ (1 request)\n" TITLE "            1-\n\t\tTotal requests: 1\n");
	options.verbose = true;
	expect_list(&options, &policy,
		    "\t\t@ (1 request)\n" VERBOSE_TITLE
		    "            11: too young (1+01:00:00)\n-\n\t\tTotal requests: 1\n");
}

/* ---------------------------------------------------------------- safety and failure */

Test(mailq_list, nothing_of_a_message_reaches_a_terminal_raw)
{
	struct qf_mailq_options options = {
		.kind = QF_KIND_QUEUED, .now = NOW, .verbose = true, .utf8 = true};
	static const char file[] = "V8\nT1795000000\nP1\nq\x1b[1m\nM450 \x1b[2J\x1b]0;owned\a"
				   "\nB\x1b[3m\nS<\x1b@b>\nC\x1b[4m\nM\x9b"
				   "6n\nRP:<\x1b@d>\nX\x1b[5m\n";
	char *text;

	write_text("qf\x1b[7m", file);
	write_text("dfq", "");
	text = listed(&options, NULL);
	cr_expect(strstr(text, "\x1b"), "without safe the bytes are kept");
	free(text);
	options.safe = true;
	text = listed(&options, NULL);
	for (const char *p = text; *p; p++)
		cr_assert((*p >= ' ' && *p < 0x7f) || *p == '\n' || *p == '\t', "byte %02x",
			  (unsigned char)*p);
	free(text);
}

Test(mailq_list, addresses_are_hashed_everywhere)
{
	struct qf_mailq_options options = {.kind = QF_KIND_QUEUED, .now = NOW, .verbose = true};
	struct qf_redactor *redactor = qf_redactor_new("key", 3);
	char *text;

	cr_assert_not_null(redactor);
	options.redactor = redactor;
	write_text("qf1", "V8\nT1795000000\nP1\nM450 no bob@secret.example\nS<ann@secret.example>\n"
			  "C:bob@secret.example\nMno bob@secret.example\nRP:<bob@secret.example>\n"
			  "Xbob@secret.example\n.\n");
	text = listed(&options, NULL);
	cr_expect_null(strstr(text, "secret"), "%s", text);
	cr_expect(strstr(text, "@redacted>"), "%s", text);
	free(text);
	qf_redactor_free(redactor);
}

Test(mailq_list, a_filter_leaves_out_and_does_not_count)
{
	struct qf_mailq_options options = {.kind = QF_KIND_QUEUED, .now = NOW};
	struct qf_query *query;
	struct qf_err err;

	write_text("qf1", MESSAGE("1"));
	write_text("df1", "");
	write_text("qf2", "V8\nT1795000000\nP1\nS<c@d>\n.\n");
	write_text("df2", "");
	cr_assert_eq(qf_query_parse("from:a@b", NOW, &query, &err), QF_OK, "%s", err.why);
	options.query = query;
	expect_list(&options, NULL,
		    "\t\t@ (1 request)\n" TITLE LINE("            1 ",
						     "       0") "\t\tTotal requests: 1\n");
	qf_query_free(query);
}

Test(mailq_list, output_that_is_not_taken_is_an_error)
{
	const struct qf_mailq_options options = {.kind = QF_KIND_QUEUED, .now = NOW};
	const char *paths[] = {root};
	const struct qf_queue_options queue_options = {.paths = paths, .npaths = 1};
	struct qf_queue *queue;
	struct qf_err err;

	cr_assert_eq(qf_queue_open(&queue_options, &queue, &err), QF_OK);
	cr_expect_eq(qf_render_mailq(queue, &options, nowhere, NULL, NULL, &err), QF_E_SYS);
	qf_queue_free(queue);
}

Test(mailq_list, a_listing_can_be_broken_off)
{
	static const volatile int cancel = 1;
	const struct qf_mailq_options options = {
		.kind = QF_KIND_QUEUED, .now = NOW, .cancel = &cancel};
	const char *paths[] = {root};
	const struct qf_queue_options queue_options = {.paths = paths, .npaths = 1};
	struct qf_scan_stats stats;
	struct qf_buf out = {0};
	struct qf_queue *queue;
	struct qf_err err;

	write_text("qf1", MESSAGE("1"));
	cr_assert_eq(qf_queue_open(&queue_options, &queue, &err), QF_OK);
	cr_expect_eq(qf_render_mailq(queue, &options, into_buffer, &out, &stats, &err),
		     QF_E_INTERRUPTED);
	cr_expect_eq(out.n, 0);
	qf_queue_free(queue);
}
