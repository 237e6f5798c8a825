/*
 * audit_html - the page of qf audit report --html: totals, an age chart, the table to filter, the
 * plan. One file: its policy forbids every load, and whatever comes from messages is text.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "audit_html.h"
#include "save.h"

static const struct {
	int64_t below;
	const char *label;
} ages[AUDIT_AGES] = {
	{3600, "1h"},	   {4 * 3600, "4h"},  {86400, "1d"},	 {2 * 86400, "2d"},
	{3 * 86400, "3d"}, {4 * 86400, "4d"}, {5 * 86400, "5d"}, {7 * 86400, "7d"},
};

/* By class; the same in the chart, the totals and the table. */
static const char *const colors[AUDIT_CLASS_COUNT] = {
	[AUDIT_IS_DAMAGED] = "#7f1d1d",	    [AUDIT_IS_TORN] = "#b91c1c",
	[AUDIT_IS_STILL_LIVE] = "#c2410c",  [AUDIT_IS_DELIVERED] = "#d97706",
	[AUDIT_IS_RETURNED] = "#a16207",    [AUDIT_IS_PARTLY] = "#ca8a04",
	[AUDIT_IS_QUARANTINED] = "#7c3aed", [AUDIT_IS_EXPIRED] = "#be185d",
	[AUDIT_IS_UNDECIDED] = "#475569",   [AUDIT_IS_WILL_WARN] = "#0369a1",
	[AUDIT_IS_SAFE] = "#15803d",
};

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	"'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"referrer\" content=\"no-referrer\">\n"
	"<title>qf audit report</title>\n<style>\n"
	":root { color-scheme: light dark; --bg: #fff; --fg: #1e293b; --soft: #64748b; --line: "
	"#e2e8f0; --card: #f8fafc; }\n"
	"@media (prefers-color-scheme: dark) { :root { --bg: #0f172a; --fg: #e2e8f0; --soft: "
	"#94a3b8; --line: #334155; --card: #1e293b; } }\n"
	"body { margin: 2rem auto; max-width: 84rem; padding: 0 1.5rem; background: var(--bg); "
	"color: var(--fg); font: 15px/1.5 system-ui, sans-serif; }\n"
	"h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }\n"
	"p.about { color: var(--soft); margin: .2rem 0 1.2rem; }\n"
	".totals { display: flex; flex-wrap: wrap; gap: .6rem; }\n"
	".totals button { font: inherit; color: inherit; text-align: left; background: "
	"var(--card); "
	"border: 1px solid var(--line); border-left: 6px solid var(--c); border-radius: .4rem; "
	"padding: .5rem .9rem; cursor: pointer; }\n"
	".totals button b { display: block; font-size: 1.5rem; line-height: 1.2; }\n"
	".totals button[aria-pressed=true] { outline: 2px solid var(--c); }\n"
	"svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }\n"
	"input { font: inherit; width: 26rem; max-width: 100%; padding: .4rem .7rem; border: 1px "
	"solid var(--line); border-radius: .4rem; background: var(--card); color: inherit; }\n"
	"#count { color: var(--soft); margin-left: .8rem; }\n"
	".scroll { overflow-x: auto; }\n"
	"table { border-collapse: collapse; width: 100%; margin-top: .8rem; }\n"
	"th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 2px solid "
	"var(--line); padding: .4rem .6rem; }\n"
	"td { vertical-align: top; border-bottom: 1px solid var(--line); padding: .4rem .6rem; "
	"overflow-wrap: anywhere; }\n"
	"td.id, pre, td.to { font-family: ui-monospace, monospace; font-size: .85em; }\n"
	"td.id { white-space: nowrap; } td.to div { margin-bottom: .15rem; }\n"
	".tag { display: inline-block; color: #fff; background: var(--c); border-radius: 1rem; "
	"padding: 0 .6rem; white-space: nowrap; font-size: .85em; }\n"
	".state { color: var(--soft); }\n"
	"pre { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; "
	"padding: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }\n"
	"</style>\n</head>\n<body>\n";

static const char script[] =
	"<script>\n'use strict';\n"
	"const input = document.getElementById('filter'), count = "
	"document.getElementById('count');\n"
	"const rows = [...document.querySelectorAll('#messages tbody tr')].map(\n"
	"\trow => ({row, text: row.textContent.toLowerCase(), cls: row.dataset.class}));\n"
	"const buttons = [...document.querySelectorAll('.totals button')];\n"
	"function show() {\n"
	"\tconst words = input.value.toLowerCase().split(/\\s+/).filter(w => w);\n"
	"\tconst chosen = buttons.filter(b => b.getAttribute('aria-pressed') === 'true')\n"
	"\t\t.map(b => b.dataset.class);\n"
	"\tlet n = 0;\n"
	"\tfor (const {row, text, cls} of rows) {\n"
	"\t\tconst on = words.every(w => text.includes(w)) &&\n"
	"\t\t\t(!chosen.length || chosen.includes(cls));\n"
	"\t\trow.hidden = !on;\n\t\tn += on;\n\t}\n"
	"\tcount.textContent = n + ' of ' + rows.length;\n}\n"
	"input.addEventListener('input', show);\n"
	"for (const b of buttons)\n"
	"\tb.addEventListener('click', () => {\n"
	"\t\tb.setAttribute('aria-pressed', b.getAttribute('aria-pressed') !== 'true');\n"
	"\t\tshow();\n\t});\n"
	"function from_address() {\n"
	"\tinput.value = decodeURIComponent(location.hash.slice(1));\n\tshow();\n}\n"
	"addEventListener('hashchange', from_address);\n"
	"from_address();\n</script>\n</body>\n</html>\n";

/* Made visible first, as for a terminal; then nothing in it is markup. */
static void
add_text(struct audit_html *page, struct qf_slice text, struct qf_buf *out)
{
	qf_buf_clear(&page->scratch);
	qf_escape_terminal(&page->scratch, text, true);
	for (size_t i = 0; i < page->scratch.n; i++) {
		char c = page->scratch.p[i];

		if (c == '&')
			qf_buf_adds(out, "&amp;");
		else if (c == '<')
			qf_buf_adds(out, "&lt;");
		else if (c == '>')
			qf_buf_adds(out, "&gt;");
		else if (c == '"')
			qf_buf_adds(out, "&quot;");
		else if (c == '\'')
			qf_buf_adds(out, "&#39;");
		else
			qf_buf_addc(out, c);
	}
}

static void
add_string(struct audit_html *page, const char *text, struct qf_buf *out)
{
	add_text(page, (struct qf_slice){text, strlen(text)}, out);
}

static void
add_address(struct audit_html *page, struct qf_slice address, const struct qf_redactor *redactor,
	    struct qf_buf *out)
{
	struct qf_buf hidden = {0};

	if (redactor && address.p) {
		qf_redact_address(redactor, address, &hidden);
		address = (struct qf_slice){hidden.p, hidden.n};
	}
	if (address.p)
		add_text(page, address, out);
	qf_buf_release(&hidden);
}

void
audit_html_add(struct audit_html *page, const struct audit_case *of, int64_t now,
	       const struct qf_redactor *redactor)
{
	struct qf_buf *out = &page->rows;
	int64_t age = of->created == QF_TIME_NONE ? 0 : now - of->created;
	char when[QF_TIME_TEXT] = "";
	size_t column = 0;

	while (column < AUDIT_AGES && age >= ages[column].below)
		column++;
	page->ages[column][of->class]++;
	if (of->created != QF_TIME_NONE)
		qf_time_format(of->created, when);
	qf_buf_addf(out, "<tr data-class=\"%s\"><td><span class=\"tag\" style=\"--c:%s\">%s</span>",
		    audit_class_name(of->class), colors[of->class], audit_class_name(of->class));
	qf_buf_adds(out, "</td><td class=\"id\">");
	add_text(page, of->id, out);
	qf_buf_addf(out, "</td><td>%s</td><td>", when);
	add_address(page, of->sender, redactor, out);
	qf_buf_adds(out, "</td><td class=\"to\">");
	for (size_t i = 0; i < of->recipients.n; i++) {
		qf_buf_addf(out, "<div><span class=\"state\">%s</span> ",
			    audit_state_name(of->standing[i].state));
		add_address(page, of->recipients.all[i].address, redactor, out);
		qf_buf_adds(out, "</div>");
	}
	qf_buf_adds(out, "</td><td>");
	if (of->subject.p && !redactor)
		add_text(page, of->subject, out);
	qf_buf_adds(out, "</td><td>");
	if (!redactor)
		add_string(page, of->why, out);
	qf_buf_addf(out, "</td><td>%s</td></tr>\n", audit_action_name(of->action));
}

/* ------------------------------------------------------------------ the page */

static void
add_chart(const struct audit_html *page, struct qf_buf *out)
{
	const int width = 84, height = 160;
	uint64_t most = 1;

	for (size_t i = 0; i <= AUDIT_AGES; i++) {
		uint64_t sum = 0;

		for (int k = 0; k < AUDIT_CLASS_COUNT; k++)
			sum += page->ages[i][k];
		most = sum > most ? sum : most;
	}
	qf_buf_addf(out,
		    "<h2>By age</h2>\n<svg width=\"%d\" height=\"%d\" role=\"img\" "
		    "aria-label=\"messages by age and class\">\n",
		    (AUDIT_AGES + 1) * width, height + 44);
	for (size_t i = 0; i <= AUDIT_AGES; i++) {
		double y = height + 20;
		uint64_t sum = 0;

		for (int k = 0; k < AUDIT_CLASS_COUNT; k++) {
			double h = (double)page->ages[i][k] * height / (double)most;

			if (!page->ages[i][k])
				continue;
			y -= h;
			sum += page->ages[i][k];
			qf_buf_addf(out,
				    "<rect x=\"%zu\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" "
				    "fill=\"%s\"><title>%llu %s</title></rect>\n",
				    i * (size_t)width + 8, y, width - 16, h, colors[k],
				    (unsigned long long)page->ages[i][k],
				    audit_class_name((enum audit_class)k));
		}
		if (sum)
			qf_buf_addf(
				out,
				"<text x=\"%zu\" y=\"%.1f\" text-anchor=\"middle\">%llu</text>\n",
				i * (size_t)width + (size_t)width / 2, y - 4,
				(unsigned long long)sum);
		qf_buf_addf(out, "<text x=\"%zu\" y=\"%d\" text-anchor=\"middle\">%s%s</text>\n",
			    i * (size_t)width + (size_t)width / 2, height + 38,
			    i < AUDIT_AGES ? "under " : "from ",
			    ages[i < AUDIT_AGES ? i : AUDIT_AGES - 1].label);
	}
	qf_buf_adds(out, "</svg>\n");
}

static void
add_totals(const uint64_t *counts, struct qf_buf *out)
{
	qf_buf_adds(out, "<div class=\"totals\">\n");
	for (int i = 0; i < AUDIT_CLASS_COUNT; i++)
		if (counts[i])
			qf_buf_addf(out,
				    "<button style=\"--c:%s\" data-class=\"%s\" "
				    "aria-pressed=\"false\"><b>%llu</b>%s</button>\n",
				    colors[i], audit_class_name((enum audit_class)i),
				    (unsigned long long)counts[i],
				    audit_class_name((enum audit_class)i));
	qf_buf_adds(out, "</div>\n");
}

static void
add_plan(struct audit_html *page, const struct audit_plan *plan, struct qf_buf *out)
{
	struct qf_buf lines = {0};

	if (!plan || !plan->n)
		return;
	audit_plan_commands(plan, &lines);
	qf_buf_adds(out, "<h2>The plan</h2>\n<pre>");
	for (size_t at = 0; at < lines.n;) {
		const char *line = lines.p + at;
		const char *end = memchr(line, '\n', lines.n - at);
		size_t n = end ? (size_t)(end - line) : lines.n - at;

		add_text(page, (struct qf_slice){line, n}, out);
		qf_buf_addc(out, '\n');
		at += n + 1;
	}
	qf_buf_adds(out, "</pre>\n");
	qf_buf_release(&lines);
}

enum qf_code
audit_html_save(struct audit_html *page, const char *path, const struct audit_classifier *of,
		const uint64_t *counts, const struct audit_plan *plan, struct qf_err *err)
{
	struct qf_buf out = {0};
	char when[QF_TIME_TEXT];
	enum qf_code code;
	mode_t mask;

	qf_buf_adds(&out, head);
	qf_time_format(of->snapshot.started, when);
	qf_buf_addf(&out, "<h1>May this queue run?</h1>\n<p class=\"about\">Snapshot %lld",
		    (long long)of->snapshot.id);
	if (*of->snapshot.label) {
		qf_buf_adds(&out, " (");
		add_string(page, of->snapshot.label, &out);
		qf_buf_adds(&out, ")");
	}
	qf_buf_addf(&out, " of %s", when);
	if (of->against.id) {
		qf_time_format(of->against.started, when);
		qf_buf_addf(&out, ", against snapshot %lld of %s", (long long)of->against.id, when);
	}
	qf_time_format(of->source->now, when);
	qf_buf_addf(&out, "; as of %s. %s</p>\n", when,
		    of->snapshot.complete ? "" : "The snapshot is incomplete.");
	add_totals(counts, &out);
	add_chart(page, &out);
	qf_buf_adds(&out,
		    "<h2>Messages</h2>\n<input id=\"filter\" type=\"search\" placeholder=\"filter: "
		    "words that have to be in the row\" aria-label=\"filter\" autocomplete=\"off\">"
		    "<span id=\"count\"></span>\n<div class=\"scroll\"><table id=\"messages\">\n"
		    "<thead><tr><th>Class</th><th>Id</th><th>Created</th><th>Sender</th>"
		    "<th>Recipients</th><th>Subject</th><th>Why</th><th>Plan</th></tr></thead>\n"
		    "<tbody>\n");
	if (page->rows.n)
		qf_buf_add(&out, page->rows.p, page->rows.n);
	qf_buf_adds(&out, "</tbody></table></div>\n");
	add_plan(page, plan, &out);
	qf_buf_adds(&out, script);
	if (out.failed || page->rows.failed || page->scratch.failed) {
		qf_buf_release(&out);
		return store_no_memory(err);
	}
	/* It says who writes to whom. */
	mask = umask(077);
	code = save_file(path, out.p, out.n, err);
	umask(mask);
	qf_buf_release(&out);
	return code;
}

void
audit_html_release(struct audit_html *page)
{
	qf_buf_release(&page->rows);
	qf_buf_release(&page->scratch);
}
