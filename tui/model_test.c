/* The model and the views: events in, grid out. Pictures are made of control files in memory. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model.h"
#include "view.h"

#define NOW ((int64_t)1795400000)

static char root[] = "/tmp/qf-tui-XXXXXX";
static struct qf_queue *queue;
static struct qf_policy policy;
static struct tui_config config;
static struct tui_model model;
static struct tui_grid grid;
static unsigned effects;

static unsigned
kind(char *const *argv, size_t argc)
{
	const unsigned changes = TUI_COMMAND_KNOWN | TUI_COMMAND_CHANGES | TUI_COMMAND_PLANS |
				 TUI_COMMAND_YES | TUI_COMMAND_JSON;

	(void)argc;
	return strcmp(argv[0], "rm") == 0 || strcmp(argv[0], "edit") == 0 ? changes
	       : strcmp(argv[0], "mend") == 0 ? TUI_COMMAND_KNOWN | TUI_COMMAND_CHANGES
	       : strcmp(argv[0], "ls") == 0   ? TUI_COMMAND_KNOWN
	       : strcmp(argv[0], "tui") == 0  ? TUI_COMMAND_KNOWN | TUI_COMMAND_NOT_HERE
					      : 0;
}

static void
put_file(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
put_file(const char *name, const char *format, ...)
{
	FILE *file = fopen(name, "w");
	va_list args;

	cr_assert_not_null(file);
	va_start(args, format);
	vfprintf(file, format, args);
	va_end(args);
	fclose(file);
}

/* Message i: older the smaller i is; even ones to a.example, odd ones to b.example. */
static void
put_message(const char *prefix, unsigned i)
{
	char name[32];

	snprintf(name, sizeof(name), "%s6AMAAA00000%u", prefix, i);
	put_file(name,
		 "V8\nT%lld\nK%lld\nN%u\nP1\n%sMDeferred: 421 4.2.1 reason %u\nS<ann%u@src.example>\n"
		 "RPFD:<bob%u@%s.example>\nH??Subject: number %u\n.\n",
		 (long long)(NOW - 36000 + 3600 * i), (long long)(NOW - 60), i,
		 *prefix == 'h' ? "qlooked at\n" : "", i, i, i, i % 2 ? "b" : "a", i);
	snprintf(name, sizeof(name), "df6AMAAA00000%u", i);
	put_file(name, "%*s", (int)(1000 * (i + 1)), "x");
}

/* What the reader does, here and now. */
static struct tui_picture *
read_picture(void)
{
	struct qf_scan_options options = {.needs = QF_NEED_STAT | QF_NEED_BUSY | QF_NEED_DATA |
						   QF_NEED_HEADERS};
	struct tui_row *rows[64];
	struct tui_picture *picture;
	struct qf_scan *scan = NULL;
	struct qf_msg *msg = NULL;
	struct qf_err err;
	size_t n = 0;

	cr_assert_eq(qf_scan_new(queue, &options, &scan, &err), QF_OK);
	while (qf_scan_next(scan, &msg, &err) == QF_OK && msg && n < 64) {
		struct qf_buf kept = {0};

		qf_msg_keep(msg, &kept);
		rows[n++] = tui_row_new(msg, (struct qf_slice){kept.p, kept.n}, NOW);
		qf_buf_release(&kept);
	}
	qf_scan_free(scan);
	picture = tui_picture_new(rows, n);
	for (size_t i = 0; i < n; i++)
		tui_row_drop(rows[i]);
	picture->complete = picture->whole = true;
	picture->at = NOW;
	return picture;
}

/* An event; what it asks of the sorter is done at once. */
static void
apply(struct tui_event event)
{
	struct tui_request request;

	effects = tui_apply(&model, &event);
	if (effects & TUI_SORT_AGAIN && tui_model_request(&model, &request)) {
		struct tui_order *order = tui_sort(queue, &policy, &request, NULL);

		tui_request_release(&request);
		effects |= tui_apply(&model, &(struct tui_event){.kind = TUI_EVENT_ORDER,
								 .order = order});
	}
}

static void
press(const char *keys)
{
	for (; *keys; keys++)
		apply((struct tui_event){.kind = TUI_EVENT_KEY,
					 .key = *keys == '\n' ? TUI_KEY_ENTER : (uint32_t)*keys});
}

static void
key(uint32_t k)
{
	apply((struct tui_event){.kind = TUI_EVENT_KEY, .key = k});
}

static void
refresh(void)
{
	apply((struct tui_event){.kind = TUI_EVENT_PICTURE, .picture = read_picture()});
}

/* The screen as text, valid until the next call. */
static const char *
screen(void)
{
	static struct qf_buf text;

	qf_buf_clear(&text);
	tui_draw(&model, &grid);
	tui_grid_dump(&grid, &text);
	qf_buf_addc(&text, '\0');
	return text.p;
}

static bool
shows(const char *text)
{
	return strstr(screen(), text) != NULL;
}

/* The id under the cursor. */
static const char *
under_cursor(void)
{
	static char id[QF_NAME_MAX];
	struct tui_row *row = tui_current_row(&model);
	struct qf_slice text = row ? tui_row_id(row) : (struct qf_slice){"", 0};

	snprintf(id, sizeof(id), "%.*s", (int)text.n, text.p);
	return id;
}

static void
set_up(void)
{
	const char *path = root;
	struct qf_queue_options options = {.paths = &path, .npaths = 1};
	struct qf_err err;

	cr_assert_not_null(mkdtemp(root));
	cr_assert_eq(chdir(root), 0);
	for (unsigned i = 0; i < 6; i++)
		put_message(i == 5 ? "hf" : "qf", i);
	cr_assert_eq(qf_queue_open(&options, &queue, &err), QF_OK);
	qf_policy_default(&policy);
	config = (struct tui_config){.queues = {queue, queue, queue, queue},
				     .policy = &policy,
				     .now = NOW,
				     .idle_limit = 1200,
				     .refresh = 2,
				     .utf8 = true,
				     .command_kind = kind};
	grid.utf8 = true;
	cr_assert_eq(tui_model_init(&model, &config, NOW, &err), QF_OK);
	apply((struct tui_event){.kind = TUI_EVENT_SIZE, .lines = 24, .columns = 80});
	refresh();
}

static void
tear_down(void)
{
	char command[64];

	tui_model_release(&model);
	tui_grid_release(&grid);
	qf_queue_free(queue);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	cr_assert_eq(system(command), 0);
}

#define TEST(name) Test(tui, name, .init = set_up, .fini = tear_down)

TEST(first_screen)
{
	char want[2048];

	snprintf(want, sizeof(want),
		 " %s  6 messages, oldest 10h\n"
		 " 1 messages  2 groups  3 held  4 orphans  5 activity  6 journal\n"
		 "   ID                AGE   SIZE FROM        RCPT            STATUS\n"
		 "   6AMAAA000000      10h   1000 ann0@src.e… bob0@a.example  Deferred: 421 4.2.1…\n",
		 root);
	cr_assert_eq(strncmp(screen(), want, strlen(want)), 0, "%s", screen());
	cr_assert(shows(" h 6AMAAA000005       5h   5.9k ann5@src.e… bob5@b.example  Deferred: 421"));
	/* The last answer of the one under the cursor, whole. */
	cr_assert(shows("\n Deferred: 421 4.2.1 reason 0\nF1help F3find F4filter"), "%s", screen());
}

TEST(the_cursor_stays_on_its_message)
{
	press("jj");
	cr_assert_str_eq(under_cursor(), "6AMAAA000002");
	unlink("qf6AMAAA000000");
	refresh();
	cr_assert_str_eq(under_cursor(), "6AMAAA000002");
	/* Held meanwhile, by somebody: it is the same message. */
	cr_assert_eq(rename("qf6AMAAA000002", "hf6AMAAA000002"), 0);
	refresh();
	cr_assert_str_eq(under_cursor(), "6AMAAA000002");
	cr_assert_eq(tui_current_row(&model)->state, QF_STATE_HELD);
	/* Gone: the place stays. */
	unlink("hf6AMAAA000002");
	refresh();
	cr_assert_str_eq(under_cursor(), "6AMAAA000003");
}

TEST(who_has_not_moved_sees_the_first)
{
	put_message("qf", 6);
	put_file("qf6AMAAA000009", "V8\nT%lld\nK0\nN0\nP1\nS<a@b>\nRPFD:<x@y>\n.\n",
		 (long long)(NOW - 86400));
	refresh();
	cr_assert_str_eq(under_cursor(), "6AMAAA000009");
}

TEST(filter_as_typed)
{
	press("/domain:a.example");
	cr_assert(shows("(3) /domain:a.example"));
	cr_assert(!shows("6AMAAA000001"));
	/* The line is still open, and one can go on typing. */
	press(" (");
	cr_assert(shows("\n/domain:a.example (\n"), "%s", screen());
	cr_assert(model.error[0]);
	cr_assert(shows("(3)"), "what was understood last holds");
	key(TUI_KEY_BACKSPACE);
	press("age>9h");
	cr_assert(shows("(1)"), "%s", screen());
	press("\n");
	cr_assert_eq(model.prompt, TUI_NO_PROMPT);
	cr_assert_str_eq(under_cursor(), "6AMAAA000000");
	key(TUI_KEY_ESCAPE);
	cr_assert(!shows("/domain"));
	cr_assert(shows("6AMAAA000001"));
	/* The history has it. */
	press("/");
	key(TUI_KEY_UP);
	cr_assert_str_eq(model.input.text, "domain:a.example age>9h");
	key(TUI_KEY_ESCAPE);
}

TEST(an_error_is_shown_at_its_place)
{
	press("/nofield:x");
	screen();
	cr_assert(shows("no such field") || model.error[0]);
	cr_assert(grid.cells[22 * 80 + 1].style & TUI_RED, "the n of nofield");
	press("\n");
	cr_assert_eq(model.prompt, TUI_ASK_FILTER, "it is not taken");
	key(TUI_KEY_ESCAPE);
	cr_assert_eq(model.prompt, TUI_NO_PROMPT);
	cr_assert(shows("6AMAAA000003"));
}

TEST(escape_gives_the_filter_back_that_was)
{
	press("/domain:a.example\n/x");
	cr_assert_eq(tui_current_list(&model)->filter.n, strlen("domain:a.examplex"));
	key(TUI_KEY_ESCAPE);
	cr_assert_str_eq(tui_current_list(&model)->filter.text, "domain:a.example");
}

TEST(sort)
{
	press("ss");
	cr_assert_str_eq(under_cursor(), "6AMAAA000005", "who has not moved sees the first");
	cr_assert(strstr(screen(), "6AMAAA000005") < strstr(screen(), "6AMAAA000000"), "by size");
	press("S");
	cr_assert(strstr(screen(), "6AMAAA000005") > strstr(screen(), "6AMAAA000000"));
}

TEST(marks_and_the_question)
{
	press("  H");
	cr_assert_eq(model.prompt, TUI_ASK_REASON);
	press("for a look\n");
	cr_assert(shows("Hold 2 messages: no queue run takes them until released?"), "%s", screen());
	cr_assert(shows("2.9k in all, the oldest 10h. R releases."), "%s", screen());
	cr_assert(shows("Reason: for a look"));
	press("n");
	cr_assert(!(effects & TUI_START_JOB));
	cr_assert(shows("nothing was done"));
	cr_assert_eq(model.marks.n, 2, "and they are marked still");
	press("Hfor a look\ny");
	cr_assert(effects & TUI_START_JOB);
	cr_assert_eq(model.run.argc, 4);
	cr_assert_str_eq(model.run.argv[0], "hold");
	cr_assert_str_eq(model.run.argv[3], "--reason=for a look");
	qf_buf_addc(&model.run.input, '\0');
	cr_assert(strstr(model.run.input.p, "/qf6AMAAA000000\n") &&
		  strstr(model.run.input.p, "/qf6AMAAA000001\n"), "%s", model.run.input.p);
	cr_assert_eq(model.marks.n, 0);
}

TEST(the_age_in_a_question_is_that_of_the_list)
{
	apply((struct tui_event){.kind = TUI_EVENT_CLOCK, .clock = NOW + 86400});
	press("D");
	cr_assert(shows("the oldest 10h."), "%s", screen());
	press("n");
}

TEST(what_is_marked_and_hidden_is_told)
{
	press("*/domain:b.example\nD");
	cr_assert(shows("Remove 6 messages: out of the queue, into its trash"), "%s", screen());
	cr_assert(shows("3 of them are not in this list"), "%s", screen());
	press("n");
}

TEST(a_marked_message_that_has_gone_is_not_counted)
{
	press("  ");
	cr_assert(shows(", 2 marked"), "%s", screen());
	unlink("qf6AMAAA000000");
	refresh();
	cr_assert(shows(", 1 marked"), "%s", screen());
	press("D");
	cr_assert(shows("Remove the message 6AMAAA000001"), "%s", screen());
	press("n");
	unlink("qf6AMAAA000001");
	refresh();
	press("D");
	cr_assert_eq(model.prompt, TUI_NO_PROMPT);
	cr_assert(shows("none of the marked"), "not the one under the cursor instead");
}

TEST(mouse)
{
	/* Line 3 is the first of the list. */
	apply((struct tui_event){.kind = TUI_EVENT_KEY, .key = TUI_KEY_PRESS, .line = 5});
	cr_assert_str_eq(under_cursor(), "6AMAAA000002");
	apply((struct tui_event){.kind = TUI_EVENT_KEY, .key = TUI_KEY_PRESS, .line = 20});
	cr_assert_str_eq(under_cursor(), "6AMAAA000002");
	key(TUI_KEY_WHEEL_DOWN);
	cr_assert_str_eq(under_cursor(), "6AMAAA000003");
	apply((struct tui_event){.kind = TUI_EVENT_KEY, .key = TUI_KEY_PRESS, .line = 6});
	cr_assert_eq(model.text.kind, TUI_TEXT_MESSAGE, "a click where the cursor is goes in");
}

TEST(read_only_changes_nothing)
{
	config.read_only = true;
	cr_assert(shows("read-only"));
	press("D");
	cr_assert_eq(model.prompt, TUI_NO_PROMPT);
	cr_assert(shows("read-only: nothing is changed"));
	press(":rm ALL\n");
	cr_assert(!(effects & TUI_RUN));
}

TEST(groups_and_into_one)
{
	press("2");
	cr_assert(shows(" b.example                              3  9h"), "%s", screen());
	press("j\n");
	cr_assert(shows("(3) domain = b.example"), "%s", screen());
	cr_assert(!shows("6AMAAA000002"));
	key(TUI_KEY_ESCAPE);
	cr_assert(shows("DOMAIN"));
	press("sss");
	cr_assert(shows("4.2.1"), "by dsn: %s", screen());
	press("s");
	cr_assert(shows("older") && shows(" 1d "), "by age: %s", screen());
}

TEST(orphans)
{
	struct tui_orphans orphans = {.found = calloc(2, sizeof(*orphans.found)), .n = 2, .known = true};

	press("4");
	cr_assert(effects & TUI_LOOK_FOR_ORPHANS);
	cr_assert(shows("looking, twice"));
	for (size_t i = 0; i < 2; i++)
		orphans.found[i] = (struct tui_orphan){
			.path = strdup(i ? "/q/df6AMAAA000009" : "/q/qf6AMAAA000008"),
			.why = strdup(i ? "no log was given" : "it goes out empty"),
			.harm = strdup(i ? "" : "goes out as an empty message"),
			.fix = strdup("rescue"), .more = strdup("Files        \x1b[2J\n"),
			.verdict = i ? "partial" : "hazard", .cause = i ? "df-alone" : "qf-alone",
			.text = "a file", .age = 7200, .deadline = QF_TIME_NONE};
	apply((struct tui_event){.kind = TUI_EVENT_ORPHANS, .orphans = &orphans});
	cr_assert(shows(" hazard      qf-alone        qf6AMAAA000008   2h     it goes out empty"), "%s",
		  screen());
	press("j\n");
	cr_assert(shows("Verdict      partial") && shows("Files        \\x1b[2J"), "%s", screen());
	press("qD");
	cr_assert_eq(model.prompt, TUI_NO_PROMPT, "no message here to be removed");
}

TEST(held)
{
	press("3");
	cr_assert(shows("6AMAAA000005") && !shows("6AMAAA000001") && shows("looked at"));
	press("1");
	cr_assert(shows("6AMAAA000001"));
}

TEST(activity_tells_who_came_and_went)
{
	struct tui_picture *picture;

	put_message("qf", 7);
	picture = read_picture();
	picture->came.n = 1;
	picture->came.rows[0] = tui_row_share(picture->rows[0]);
	picture->went.n = 2;
	picture->went.rows[0] = tui_row_share(picture->rows[1]);
	picture->went.rows[1] = tui_row_share(picture->rows[2]);
	apply((struct tui_event){.kind = TUI_EVENT_PICTURE, .picture = picture});
	press("5");
	cr_assert(shows("1 came, 2 went"), "%s", screen());
	cr_assert(shows("nothing is in delivery"));
}

TEST(a_queue_that_is_elsewhere_is_not_changed)
{
	struct tui_picture *picture = tui_picture_new(NULL, 0);

	press("D");
	cr_assert_eq(model.prompt, TUI_ASK_YES);
	apply((struct tui_event){.kind = TUI_EVENT_CLOCK, .clock = NOW + 60});
	picture->complete = picture->same = picture->misplaced = true;
	picture->at = NOW + 60;
	snprintf(picture->trouble, sizeof(picture->trouble), "/q: another directory is there now");
	apply((struct tui_event){.kind = TUI_EVENT_PICTURE, .picture = picture});
	cr_assert(shows("as of 1m ago"), "what is shown is as old as it was: %s", screen());
	press("y");
	cr_assert(!(effects & TUI_START_JOB));
	cr_assert(shows("nothing is changed: /q: another directory is there now"), "%s", screen());
	press("D");
	cr_assert_eq(model.prompt, TUI_NO_PROMPT);
	press(":rm from:ann1\n");
	cr_assert(!(effects & TUI_RUN));
	refresh();
	press("D");
	cr_assert_eq(model.prompt, TUI_ASK_YES, "it is back");
	press("n");
}

TEST(what_cannot_be_told_is_not_called_well)
{
	struct tui_orphans orphans = {.known = true};
	struct tui_picture *picture = read_picture();

	picture->unreadable = 2;
	picture->untold = 3;
	apply((struct tui_event){.kind = TUI_EVENT_PICTURE, .picture = picture});
	cr_assert(shows("6 messages, 2 unreadable, oldest"), "%s", screen());
	press("5");
	cr_assert(shows("nothing tells of 3 messages whether they are in delivery"), "%s", screen());
	cr_assert(!shows("nothing is in delivery"));
	press("4");
	apply((struct tui_event){.kind = TUI_EVENT_ORPHANS, .orphans = &orphans});
	cr_assert(shows("2 control files cannot be read") && !shows("every file belongs"), "%s", screen());
}

TEST(find_and_next)
{
	press("f");
	press("bob3\n");
	cr_assert_str_eq(under_cursor(), "6AMAAA000003");
	press("n");
	cr_assert_str_eq(under_cursor(), "6AMAAA000003", "there is only one");
	press("fsrc.example\n");
	cr_assert_str_eq(under_cursor(), "6AMAAA000004");
	press("N");
	cr_assert_str_eq(under_cursor(), "6AMAAA000003");
	press("fnowhere\n");
	cr_assert(shows("not found: nowhere"));
}

TEST(a_message_and_its_parts)
{
	press("\n");
	cr_assert(effects & TUI_RUN);
	cr_assert_str_eq(model.run.argv[0], "show");
	cr_assert_str_eq(model.run.argv[1], "--no-body");
	apply((struct tui_event){.kind = TUI_EVENT_TEXT, .bytes = {"Message\tx\nSubject \x1b[2J\n", 23}});
	apply((struct tui_event){.kind = TUI_EVENT_TEXT_END});
	cr_assert(shows("Message    x\nSubject \\x1b[2J"), "%s", screen());
	press("b");
	cr_assert(effects & TUI_RUN);
	cr_assert_str_neq(model.run.argv[1], "--no-body");
	key(TUI_KEY_TAB);
	cr_assert_str_eq(model.run.argv[1], "--part=qf");
	key(TUI_KEY_BACKTAB);
	key(TUI_KEY_BACKTAB);
	cr_assert(shows("last try of 0, 1m ago"), "%s", screen());
	/* An action here is for this message, whatever is marked elsewhere. */
	press("D");
	cr_assert(shows("Remove the message 6AMAAA000000"));
	press("nq");
	cr_assert_eq(model.text.kind, TUI_TEXT_NONE);
	press("q");
	cr_assert(effects & TUI_LEAVE);
}

TEST(any_command_line)
{
	press(":ls 'status:a b' -v\n");
	cr_assert(effects & TUI_RUN);
	cr_assert_eq(model.run.argc, 3);
	cr_assert_str_eq(model.run.argv[1], "status:a b");
	press("q:tui\n");
	cr_assert(shows("not from in here"));
	press(":ls 'open\n");
	cr_assert(shows("a quote is open"));
	/* What changes shows first what it would do, then asks. */
	press(":rm from:ann1\n");
	cr_assert(effects & TUI_RUN);
	cr_assert_str_eq(model.run.argv[2], "--dry-run");
	apply((struct tui_event){.kind = TUI_EVENT_TEXT, .bytes = {"6AMAAA000001 planned\n", 21}});
	apply((struct tui_event){.kind = TUI_EVENT_TEXT_END});
	cr_assert(shows("1 message. Run it? Above is what it will do."), "%s", screen());
	cr_assert_eq(model.run.total, 1);
	press("y");
	cr_assert(effects & TUI_START_JOB);
	cr_assert_str_eq(model.run.argv[2], "--yes");
	press(":mend x\n");
	cr_assert(!(effects & TUI_RUN));
	cr_assert(shows("It cannot tell beforehand what it will do. Run it?"), "%s", screen());
	press("y");
	cr_assert(effects & TUI_START_JOB);
	cr_assert_eq(model.run.argc, 2);
	press(":nothing\n");
	cr_assert(shows("no such command"));
	press(":rm nothing\n");
	apply((struct tui_event){.kind = TUI_EVENT_TEXT_END, .status = 64});
	cr_assert_eq(model.prompt, TUI_NO_PROMPT);
}

TEST(columns_are_chosen)
{
	press("Cid,nrcpt,sbject");
	cr_assert(shows("columns: sbject: no such field; did you mean subject?"), "%s", screen());
	cr_assert_eq(model.error_at, 9);
	press("\n");
	cr_assert_eq(model.prompt, TUI_ASK_COLUMNS, "it is not taken");
	key('U' & 0x1f);
	press("body\n");
	cr_assert(shows("no column here"), "%s", screen());
	key('U' & 0x1f);
	press("id,nrcpt, subject  tries,from-domain\n");
	cr_assert(shows("\n   ID             NRCPT SUBJECT                  TRIES FROM-DOMAIN\n"), "%s",
		  screen());
	cr_assert(shows("\n   6AMAAA000003       1 number 3                     3 src.example\n"), "%s",
		  screen());
	/* s goes through these; a click on a heading does the same. */
	press("sss");
	cr_assert(shows("sorted by subject"), "%s", screen());
	press("s");
	cr_assert(shows("sorted by tries"), "%s", screen());
	press("g");
	cr_assert_str_eq(under_cursor(), "6AMAAA000005");
	apply((struct tui_event){.kind = TUI_EVENT_KEY, .key = TUI_KEY_PRESS, .line = 2, .column = 4});
	press("g");
	cr_assert_str_eq(under_cursor(), "6AMAAA000000");
	apply((struct tui_event){.kind = TUI_EVENT_KEY, .key = TUI_KEY_PRESS, .line = 2, .column = 4});
	press("g");
	cr_assert_str_eq(under_cursor(), "6AMAAA000005", "twice: the other way round");
	/* What has no room is told to be there. */
	apply((struct tui_event){.kind = TUI_EVENT_SIZE, .lines = 24, .columns = 40});
	cr_assert(shows("\n   ID             NRCPT SUBJECT  TRIES >\n"), "%s", screen());
	apply((struct tui_event){.kind = TUI_EVENT_SIZE, .lines = 24, .columns = 80});
	press("C");
	cr_assert_str_eq(model.input.text, "id,nrcpt,subject,tries,from-domain");
	key('U' & 0x1f);
	press("\n");
	cr_assert(shows("   ID                AGE   SIZE FROM"), "%s", screen());
}

TEST(recipients_are_edited_by_a_plan)
{
	static const char plan[] = "6AMAAA000000 planned: strike 2 of 9: a, b\n"
				   "6AMAAA000001 planned: strike 1 of 1: planned: strike 7 of 7: x; "
				   "nobody is left: remove\n"
				   "qf: 6AMAAA000002: skipped: nothing in it is to be changed\n";

	press("  E");
	key('U' & 0x1f);
	press("\n");
	cr_assert_eq(model.prompt, TUI_ASK_RCPT, "nothing is not everybody");
	press("size>1\n");
	cr_assert(shows("looks at more than the control file"), "%s", screen());
	key('U' & 0x1f);
	press("rcpt:b\na b\n");
	cr_assert(shows("not an address"), "%s", screen());
	key('U' & 0x1f);
	press("\n");
	cr_assert(effects & TUI_RUN);
	cr_assert_eq(model.run.argc, 4);
	cr_assert_str_eq(model.run.argv[2], "--drop-rcpt=rcpt:b");
	cr_assert_str_eq(model.run.argv[3], "--dry-run");
	cr_assert(strstr(model.run.input.p, "/qf6AMAAA000000\n"));
	press("H");
	cr_assert(shows("first what is planned here"), "%s", screen());
	cr_assert_str_eq(model.run.argv[0], "edit");
	apply((struct tui_event){.kind = TUI_EVENT_TEXT, .bytes = {plan, sizeof(plan) - 1}});
	apply((struct tui_event){.kind = TUI_EVENT_TEXT_END, .status = 2});
	cr_assert(shows("2 messages. Strike 3 recipients? 1 of them has nobody left and goes"), "%s",
		  screen());
	press("y");
	cr_assert(effects & TUI_START_JOB);
	cr_assert_eq(model.run.argc, 5);
	cr_assert_str_eq(model.run.argv[4], "--format=json");
	cr_assert(tui_can_undo(&model.run));
	cr_assert_eq(model.text.kind, TUI_TEXT_NONE, "back in the list");
	cr_assert_eq(model.marks.n, 0);
	press("Erc\nnew@n.example\n");
	cr_assert_str_eq(model.run.argv[2], "--rcpt=rcpt:rc");
	cr_assert_str_eq(model.run.argv[3], "--set-rcpt=new@n.example");
	/* What is typed while the plan comes is not taken for an answer. */
	press("/Sunda");
	apply((struct tui_event){.kind = TUI_EVENT_TEXT, .bytes = {plan, 45}});
	apply((struct tui_event){.kind = TUI_EVENT_TEXT_END});
	press("y");
	cr_assert_eq(model.prompt, TUI_ASK_FIND);
	press("\n");
	cr_assert_eq(model.prompt, TUI_ASK_YES, "%s", screen());
	press("n");
	cr_assert(!(effects & TUI_START_JOB));
}

/* The journal is read: changes that can be taken back, or were, newest first. */
static void
give_journal(size_t n, const struct tui_entry *entries)
{
	struct tui_journal *journal = calloc(1, sizeof(*journal));

	*journal = (struct tui_journal){.entries = calloc(n + 1, sizeof(*entries)), .n = n, .known = true};
	for (size_t i = 0; i < n; i++) {
		journal->entries[i] = entries[i];
		journal->entries[i].entry = strdup(entries[i].entry);
		journal->entries[i].command = strdup(entries[i].command);
		journal->entries[i].id = strdup("x");
		journal->entries[i].user = strdup("bob");
	}
	apply((struct tui_event){.kind = TUI_EVENT_JOURNAL, .journal = journal});
	free(journal);
}

/* u, which reads the journal first. */
static void
press_undo(size_t n, const struct tui_entry *entries)
{
	press("u");
	cr_assert(effects & TUI_READ_JOURNAL);
	give_journal(n, entries);
}

TEST(a_job_has_a_bar_and_can_be_taken_back)
{
	struct tui_jobs jobs = {.jobs = calloc(1, sizeof(*jobs.jobs)), .n = 1};

	jobs.jobs[0] = (struct tui_job){.name = "x.job", .what = "hold of 10 messages", .total = 10,
					.done = 5, .alive = true};
	snprintf(model.last_job, sizeof(model.last_job), "x.job");
	apply((struct tui_event){.kind = TUI_EVENT_JOBS, .jobs = &jobs});
	cr_assert(shows("hold of 10 messages: 5 of 10 ====================...................."), "%s",
		  screen());
	jobs = (struct tui_jobs){.jobs = calloc(1, sizeof(*jobs.jobs)), .n = 1};
	jobs.jobs[0] = (struct tui_job){.name = "x.job", .what = "hold of 10 messages", .total = 10,
					.done = 10, .failed = 1, .ended = true, .last = "qf: busy",
					.can_undo = true, .time = NOW};
	apply((struct tui_event){.kind = TUI_EVENT_JOBS, .jobs = &jobs});
	cr_assert(shows("hold of 10 messages: 9 done, 1 not: qf: busy"), "%s", screen());
	cr_assert(effects & TUI_READ, "what it did is to be seen");
	press_undo(0, NULL);
	cr_assert(shows("Take back: hold of 10 messages (9 were done)?"), "%s", screen());
	press("y");
	cr_assert(effects & TUI_START_JOB);
	cr_assert_str_eq(model.run.takes_back, "x.job");
	cr_assert(model.run.feeds);
}

/* The jobs there are, newest first; the newest was started here and is at work until then. */
static void
jobs_end(const struct tui_job *jobs, size_t n)
{
	for (int alive = 1; alive >= 0; alive--) {
		struct tui_jobs now = {.jobs = calloc(n, sizeof(*jobs)), .n = n};

		memcpy(now.jobs, jobs, n * sizeof(*jobs));
		now.jobs[0].alive = alive;
		snprintf(model.last_job, sizeof(model.last_job), "%s", jobs[0].name);
		apply((struct tui_event){.kind = TUI_EVENT_JOBS, .jobs = &now});
	}
}

TEST(a_message_that_a_job_has_no_word_of_is_not_done)
{
	struct tui_job job = {.name = "x.job", .what = "hold of 3 messages", .command = "hold", .total = 3,
			      .ended = true, .can_undo = true, .time = NOW, .last = "qf: no such message"};

	jobs_end(&job, 1);
	cr_assert(shows("hold of 3 messages: 0 done, 3 not: qf: no such message"), "%s", screen());
	press("J");
	cr_assert(shows("hold of 3 messages: 0 of 3, ended; 3 not done"), "%s", screen());
	press("q");
	job.done = 2;
	jobs_end(&job, 1);
	cr_assert(shows("hold of 3 messages: 2 done, 1 not: qf: no such message"), "%s", screen());
	job.done = 3;
	jobs_end(&job, 1);
	cr_assert(shows("hold of 3 messages: done; u takes it back"), "%s", screen());
}

TEST(a_job_that_did_nothing_is_passed_over_by_undo)
{
	struct tui_job jobs[] = {
		{.name = "y.job", .what = "due of 1 message", .command = "due", .total = 1, .done = 1, .failed = 1,
		 .ended = true, .can_undo = true, .time = NOW, .last = "qf: skipped: held"},
		{.name = "x.job", .what = "hold of 1 message", .command = "hold", .total = 1, .done = 1,
		 .ended = true, .can_undo = true, .time = NOW},
	};

	jobs_end(jobs, 2);
	cr_assert(shows("due of 1 message: 0 done, 1 not: qf: skipped: held"), "%s", screen());
	press_undo(0, NULL);
	cr_assert(shows("Take back: hold of 1 message (1 was done)?"), "%s", screen());
	press("n");
}

TEST(idle_and_stale_are_told)
{
	apply((struct tui_event){.kind = TUI_EVENT_CLOCK, .clock = NOW + 899});
	cr_assert(!shows("cut off"));
	apply((struct tui_event){.kind = TUI_EVENT_CLOCK, .clock = NOW + 900});
	cr_assert(shows("idle: cut off in 5m"), "%s", screen());
	cr_assert(shows("as of 15m ago"), "%s", screen());
	apply((struct tui_event){.kind = TUI_EVENT_CLOCK, .clock = NOW + 1170});
	cr_assert(shows("idle: cut off in 30s"), "%s", screen());
	press("j");
	cr_assert(!shows("cut off"));
}

TEST(what_takes_long_to_read_is_looked_at_less_often)
{
	struct tui_picture *picture = read_picture();

	picture->seconds = 0.1;
	apply((struct tui_event){.kind = TUI_EVENT_PICTURE, .picture = picture});
	cr_assert_eq(model.interval_ms, 2000);
	picture = read_picture();
	picture->seconds = 5;
	apply((struct tui_event){.kind = TUI_EVENT_PICTURE, .picture = picture});
	cr_assert_eq(model.interval_ms, 20000);
	refresh();
	cr_assert_eq(model.interval_ms, 2000, "and as often as before once it does not");
}

TEST(a_job_of_another_session_is_taken_back_as_one)
{
	const struct tui_entry entries[] = {
		{.entry = "20261127T080000Z-vm-143-0", .command = "rm", .time = NOW - 7200, .undo = QF_UNDO_DONE},
		{.entry = "20261127T074309Z-vm-14390-1", .command = "rm", .time = NOW - 7200,
		 .undo = QF_UNDO_POSSIBLE},
	};
	struct tui_jobs jobs = {.jobs = calloc(1, sizeof(*jobs.jobs)), .n = 1};

	jobs.jobs[0] = (struct tui_job){.name = "y.job", .what = "rm of 2 messages", .command = "rm", .total = 2,
					.done = 2, .ended = true, .can_undo = true, .time = NOW - 7200,
					.entries = "20261127T074309Z-vm-14390-"};
	apply((struct tui_event){.kind = TUI_EVENT_JOBS, .jobs = &jobs});
	press_undo(2, entries);
	cr_assert(shows("Take back: rm of 2 messages (2 were done)?"), "%s", screen());
	cr_assert(shows("It was begun 2h ago"), "%s", screen());
	press("n");
}

TEST(the_last_change_is_taken_back_whoever_made_it)
{
	const struct tui_entry entries[] = {
		{.entry = "z-1", .command = "rm", .time = NOW + 60, .undo = QF_UNDO_POSSIBLE},
		{.entry = "x-1", .command = "hold", .time = NOW + 1, .undo = QF_UNDO_POSSIBLE},
	};
	struct tui_job jobs[] = {
		{.name = "u.job", .what = "undo of 1 change", .command = "undo", .total = 1, .done = 1, .failed = 1,
		 .ended = true, .takes_back = "z-1", .time = NOW + 70},
		{.name = "x.job", .what = "hold of 1 message", .command = "hold", .total = 1, .done = 1,
		 .ended = true, .can_undo = true, .time = NOW, .entries = "x-"},
	};

	jobs_end(jobs + 1, 1);
	give_journal(1, entries + 1);
	apply((struct tui_event){.kind = TUI_EVENT_CLOCK, .clock = NOW + 65});
	press_undo(2, entries);
	cr_assert(shows("Take back: rm of x?") && shows("by bob"), "%s", screen());
	press("y");
	cr_assert(effects & TUI_START_JOB);
	cr_assert_str_eq(model.run.takes_back, "z-1");
	/* It was in vain: the one before it is next. */
	jobs_end(jobs, 2);
	press_undo(2, entries);
	cr_assert(shows("Take back: hold of 1 message (1 was done)?"), "%s", screen());
	press("n");
	/* Another key meanwhile: it is not asked any more. */
	press("uj");
	give_journal(2, entries);
	cr_assert_eq(model.prompt, TUI_NO_PROMPT);
}

TEST(an_idle_screen_stays_as_it_is)
{
	char *before;

	config.now = QF_TIME_NONE;
	before = strdup(screen());
	/* Pictures keep coming, and say that nothing has changed. */
	for (int64_t t = NOW + 1; t < NOW + 60; t++) {
		struct tui_picture *picture = tui_picture_new(NULL, 0);

		picture->complete = picture->whole = picture->same = true;
		picture->at = t;
		apply((struct tui_event){.kind = TUI_EVENT_CLOCK, .clock = t});
		apply((struct tui_event){.kind = TUI_EVENT_PICTURE, .picture = picture});
		cr_assert_str_eq(screen(), before);
	}
	free(before);
}

TEST(sizes)
{
	for (size_t lines = 1; lines < 40; lines++) {
		for (size_t columns = 1; columns < 130; columns += 3) {
			apply((struct tui_event){.kind = TUI_EVENT_SIZE, .lines = lines,
						 .columns = columns});
			for (const char *k = "123456J?:"; *k; k++) {
				char text[2] = {*k};

				press(text);
				screen();
				if (*k == ':' || *k == 'J' || *k == '?')
					key(TUI_KEY_ESCAPE);
			}
		}
	}
	apply((struct tui_event){.kind = TUI_EVENT_SIZE, .lines = 10, .columns = 39});
	cr_assert(shows("39x10 is too small: 40x10 or more, plea"), "%s", screen());
	apply((struct tui_event){.kind = TUI_EVENT_SIZE, .lines = 10, .columns = 40});
	press("1");
	cr_assert(shows("6AMAAA000000") && shows("Deferred"), "%s", screen());
}

TEST(redacted)
{
	config.redactor = qf_redactor_new("key", 3);
	cr_assert(!shows("bob0") && !shows("ann0") && shows("r-") && shows("redacted"), "%s", screen());
	press("b");
	cr_assert(!model.bodies);
	apply((struct tui_event){.kind = TUI_EVENT_SIZE, .lines = 24, .columns = 120});
	press("6");
	give_journal(1, &(struct tui_entry){.entry = "E-0", .command = "hold", .result = strdup("done"),
					    .note = strdup("for ann0@src.example"), .time = NOW});
	cr_assert(shows("hold") && shows("for r-") && !shows("ann0"), "%s", screen());
	qf_redactor_free((struct qf_redactor *)config.redactor);
	config.redactor = NULL;
}

TEST(hostile_text_is_shown_not_sent)
{
	put_file("qf6AMAAA00000Z",
		 "V8\nT%lld\nK0\nN0\nP1\nM450 \x1b[2J\x1b]0;owned\x07 \xff\xe2\x80\xae\nS<\x1b[31ma@b>\n"
		 "RPFD:<x@\r\n\x9b" "2J>\nH??Subject: \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d e\xcc\x81 \xe4\xbd\xa0\xe5\xa5\xbd\n.\n",
		 (long long)(NOW - 90000));
	refresh();
	for (const char *k = "123456"; *k; k++) {
		const char *s;
		char text[2] = {*k};

		press(text);
		for (s = screen(); *s; s++)
			cr_assert((unsigned char)*s >= 0x20 || *s == '\n', "%s", screen());
		cr_assert(!strstr(screen(), "\xe2\x80\xae") && !strstr(screen(), "\xc2\x9b"));
	}
	press("1");
	cr_assert(shows("450 \\x1b[2J\\x1b]0;owned"), "%s", screen());
	/* Without UTF-8 there is nothing but ASCII. */
	grid.utf8 = false;
	for (const char *s = screen(); *s; s++)
		cr_assert((unsigned char)*s < 0x7f, "%s", screen());
}

TEST(keys_can_be_set)
{
	static const char *const settings[] = {"remove=X ^X", "up=i"};
	static const char *const bad[][1] = {{"nothing=x"}, {"up=Nokey"}, {"up"}};
	struct tui_keymap map;
	struct qf_err err;

	cr_assert_eq(tui_keymap_init(&map, settings, 2, &err), QF_OK);
	cr_assert_eq(tui_keymap_find(&map, 'X', TUI_IN_LIST), TUI_REMOVE);
	cr_assert_eq(tui_keymap_find(&map, 'X' & 0x1f, TUI_IN_LIST), TUI_REMOVE);
	cr_assert_eq(tui_keymap_find(&map, 'D', TUI_IN_LIST), TUI_NONE);
	cr_assert_eq(tui_keymap_find(&map, 'k', TUI_IN_LIST), TUI_NONE);
	cr_assert_eq(tui_keymap_find(&map, 'i', TUI_IN_TEXT), TUI_UP);
	tui_keymap_release(&map);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(tui_keymap_init(&map, bad[i], 1, &err), QF_E_USAGE);
	/* The table itself: every action is on a key, and no key is lost to another action. */
	cr_assert_eq(tui_keymap_init(&map, NULL, 0, &err), QF_OK);
	for (int i = TUI_NONE + 1; i < TUI_ACTION_COUNT; i++) {
		struct qf_buf names = {0};

		tui_keymap_names(&map, (enum tui_action)i, &names);
		qf_buf_addc(&names, '\0');
		cr_assert_str_eq(names.p, tui_action_row((enum tui_action)i)->keys);
		qf_buf_release(&names);
	}
	tui_keymap_release(&map);
}

/* ------------------------------------------------------------------ keys */

/* Keys of these bytes, with a pause before each byte as long as told; names with blanks between. */
static const char *
decode(const char *bytes, uint64_t pause)
{
	static struct qf_buf names;
	struct tui_decoder decoder = {0};
	uint64_t ms = 100000;

	qf_buf_clear(&names);
	for (; *bytes; bytes++) {
		uint32_t k = TUI_KEY_NONE;

		ms += pause;
		if (pause >= 400 && tui_keys_waiting(&decoder))
			k = tui_keys_pause(&decoder, ms);
		for (; k; k = tui_keys_next(&decoder)) {
			tui_key_name(k, &names);
			qf_buf_addc(&names, ' ');
		}
		k = tui_keys_feed(&decoder, (unsigned char)*bytes, ms);
		for (; k; k = tui_keys_next(&decoder)) {
			tui_key_name(k, &names);
			qf_buf_addc(&names, ' ');
		}
	}
	if (tui_keys_waiting(&decoder)) {
		uint32_t k = tui_keys_pause(&decoder, ms + 400);

		if (k)
			tui_key_name(k, &names);
	}
	qf_buf_addc(&names, '\0');
	return names.p;
}

Test(keys, sequences)
{
	static const struct {
		const char *bytes, *names;
	} cases[] = {
		{"jk", "j k "},
		{"\x1b[A\x1b[B", "Up Down "},
		{"\x1bOA\x1b[1;5D", "Up Left "},
		{"\x1b[5~\x1b[6;2~", "PgUp PgDn "},
		{"\x1b[11~\x1bOP\x1b[24~", "F1 F1 F12 "},
		{"\x1b[Z\t\r\n", "S-Tab Tab Enter Enter "},
		{"\x7f\x08\x0c", "Bsp Bsp ^L "},
		{"\x1b", "Esc"},
		{"\x1b\x1b[A", "Esc Up "},
		{"\x1bj\x1b\r\x1b\x7f\x1b\xc3\xa9", "Esc j Esc Enter Esc Bsp Esc \xc3\xa9 "},
		{"\xc3\xa9\xe4\xbd\xa0x", "\xc3\xa9 \xe4\xbd\xa0 x "},
		{"\xc3x\xff\xfey", "x y "},
		{"\x1b[<0;10;5Mx", "Click x "},
		{"\x1b[<64;1;1M\x1b[<65;1;1M\x1b[<0;10;5m", "WheelUp WheelDown "},
		{"\x1b[M !!j", "Click j "},
		{"\x1b[200~paste\x1b[201~", "p a s t e "},
		{"\x1b[999;999;999;999;999;999;999;999;999;999zj", "j "},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		cr_assert_str_eq(decode(cases[i].bytes, 0), cases[i].names, "case %zu: %s", i,
				 decode(cases[i].bytes, 0));
}

Test(keys, what_comes_late_is_never_taken_for_keys)
{
	/* Each byte on its own, a second apart: an arrow is an Escape then, and not an A. */
	cr_assert_str_eq(decode("\x1b[A", 1000), "Esc Up ");
	cr_assert_str_eq(decode("\x1b[3~", 1000), "Esc Del ");
	/* Less than the pause: nothing is lost. */
	cr_assert_str_eq(decode("\x1b[Aj\xc3\xa9", 300), "Up j \xc3\xa9 ");
	/* Escape by hand, and a key later. */
	cr_assert_str_eq(decode("\x1bj", 1000), "Esc j ");
}

Test(keys, escape_and_the_key_that_cursor_keys_begin_with)
{
	struct tui_decoder decoder = {0};

	cr_assert_eq(tui_keys_feed(&decoder, 27, 1000), TUI_KEY_NONE);
	cr_assert_eq(tui_keys_feed(&decoder, 'O', 1100), TUI_KEY_NONE);
	cr_assert_eq(tui_keys_pause(&decoder, 1600), TUI_KEY_NONE, "more may come");
	cr_assert_eq(tui_keys_pause(&decoder, 3200), TUI_KEY_ESCAPE);
	cr_assert_eq(tui_keys_next(&decoder), 'O');
	cr_assert_eq(tui_keys_next(&decoder), TUI_KEY_NONE);
	/* Escape was told already. */
	tui_keys_feed(&decoder, 27, 4000);
	cr_assert_eq(tui_keys_pause(&decoder, 4500), TUI_KEY_ESCAPE);
	tui_keys_feed(&decoder, 'O', 5000);
	cr_assert_eq(tui_keys_pause(&decoder, 7000), 'O');
	cr_assert_eq(tui_keys_next(&decoder), TUI_KEY_NONE);
}
