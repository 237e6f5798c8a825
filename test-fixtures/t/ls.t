#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf ls: every option and format, the filter language, and what is shown, on queues of the corpus
and on queues whose every value is known here."""
import csv
import io
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from acceptance import (Locked, MadeQueue, NOW, QF, SGR, columns_of, control_file, fails, harness,
                        ids_of, ls, ls_on_terminal, run, show, tap, temporary, unsafe_bytes)

HEADING = ("id,queue,state,busy,created,age,last_try,tries,due,bounce_at,priority,size,sender,"
           "recipients,status,quarantine,subject,message_id")
FIELDS = ("id queue from from-domain rcpt domain subject header.X-Tag status dsn relay body envid "
          "reason age idle tries size priority nrcpt due created state busy flags last_try "
          "bounce_at warn_at message_id mark file path data").split()
NUMBERS = "age idle tries size priority nrcpt".split()
DAY = 86400


def rfc3339(when):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))


def json_rows(result):
    return [json.loads(line) for line in result.out.splitlines()]


def csv_rows(result):
    return list(csv.reader(io.StringIO(result.out.decode("utf-8", "surrogateescape"),
                                       newline="")))


def column(queue, field, *args):
    """{id: exact text of the field}"""
    rows = csv_rows(ls(queue, "--format=csv", "--columns=id," + field, *args))
    return {row[0]: row[1] for row in rows[1:]}


# ---------------------------------------------------------------- a queue that is known

GREY = "Deferred: 450 4.7.1 <%s>: Recipient address rejected: Greylisted for %d seconds"


def made(directory):
    """Nine messages that differ in everything a filter can ask about."""
    q = MadeQueue(directory)
    q.add("6AM700AA000001", body="x" * 10, sender="<alice@Alpha.example>",
          rcpts=("<bob@one.example>", "<carol@two.example>"), created=NOW - 7200, priority=60100,
          headers=(("Subject", "Quarterly Report"), ("X-Tag", "red blue"),
                   ("Message-ID", "<m1@alpha.example>")), Z="ENV-1")
    q.add("6AM700AB000002", body="y" * 5000, sender="<bruno@beta.example>",
          rcpts=(("PFD", "<dora@sub.one.example>",
                  {"M": GREY % ("dora@sub.one.example", 300)}),), created=NOW - DAY,
          last_try=NOW - 600, tries=5, priority=480000, M=GREY % ("dora@sub.one.example", 300),
          F="w8", headers=(("Subject", "=?utf-8?B?w5xiZXJzaWNodA==?="), ("X-Tag", "green")))
    q.add("6AM700AC000003", body="report\n", sender="MAILER-DAEMON", F="r",
          rcpts=(("PFD", "<alice@alpha.example>",
                  {"M": "Deferred: Connection refused by mx.alpha.example."}),),
          created=NOW - 6 * DAY, last_try=NOW - 3600, tries=40, priority=3630000,
          M="Deferred: Connection refused by mx.alpha.example.",
          headers=(("Subject", "Returned mail"),))
    q.add("6AM700AD000004", prefix="hf", body="h" * 100, sender="<eve@gamma.example>",
          rcpts=("<bob@one.example>",), created=NOW - 3 * DAY, q="virus suspected")
    q.add("6AM700AE000005", prefix="Qf", body="q" * 200, sender="<frank@delta.example>",
          rcpts=("<gina@three.example>",), created=NOW - 2 * DAY)
    q.add("6AM700AF000006", body="cut", sender="<hugo@alpha.example>",
          rcpts=("<ida@four.example>",), created=NOW - 4000, end=False)
    q.add("6AM700AG000007", body=None, sender="<jan@alpha.example>",
          rcpts=("<kim@five.example>",), created=NOW - 5000, headers=())
    q.add("6AM700AH000008", body="needle in a body\n", sender="<>", rcpts=("postmaster",),
          created=NOW - 100, headers=(("Subject", "two words"), ("Subject", "second")))
    q.add("6AM700AI000009", body="z" * 20000, sender="<alice@alpha.example>",
          rcpts=(("PFD", "<u1@one.example>", {"M": GREY % ("u1@one.example", 60)}),
                 ("PFD", "<u2@one.example>", {"M": "Deferred: 421 4.3.2 mx7.one.example closing"}),
                 ("PFD", "<u3@one.example>", {})),
          created=NOW - 9000, last_try=NOW - 8000, tries=2, priority=210000,
          M="Deferred: 421 4.3.2 mx7.one.example closing")
    return q


# ---------------------------------------------------------------- rows and their order

def test_corpus(tmp):
    """Rows are the control files in the order of the directory, whatever --jobs is; CSV says what
    JSON says."""
    wrong_order, wrong_jobs, wrong_csv, wrong_width, unsafe = [], [], [], [], []
    messages = 0
    for scenario in harness.scenarios():
        top = harness.unpack(scenario, tmp)
        queue = harness.patterns(scenario, top)[0]
        done = ls(queue, "--format=json", "--jobs=1")
        rows = json_rows(done)
        messages += len(rows)
        by_directory = {}
        for row in rows:
            by_directory.setdefault(os.path.dirname(row["path"]), []).append(row["file"])
        if list(by_directory) != list(dict.fromkeys(os.path.dirname(r["path"]) for r in rows)):
            wrong_order.append(scenario + ": directories are mixed")
        for directory, names in by_directory.items():
            there = [n for n in os.listdir(directory)
                     if n[:2] in ("qf", "hf", "Qf") and len(os.fsencode(n)) < 21]
            if [os.fsencode(n) for n in names] != [os.fsencode(n) for n in there] and \
                    names != [os.fsencode(n).decode("utf-8", "replace") for n in there]:
                wrong_order.append("%s: %s, wanted %s" % (scenario, names[:9], there[:9]))
        for form in ("table", "json", "csv", "ids"):
            one = ls(queue, "--format=" + form, "--jobs=1")
            many = ls(queue, "--format=" + form, "--jobs=16")
            if one.out != many.out or one.status or many.status:
                wrong_jobs.append("%s %s: %s" % (scenario, form, one))
            if form == "csv":
                wrong_csv += disagreements(scenario, csv_rows(one), rows)
        for columns in (40, 80, 200):
            done = ls(queue, env={"COLUMNS": str(columns)})
            for line in done.out.decode("utf-8", "replace").splitlines():
                if columns_of(line) > columns:
                    wrong_width.append("%s at %d: %s" % (scenario, columns, line))
            bad = unsafe_bytes(done.out)
            if bad:
                unsafe.append("%s: %s" % (scenario, bad))
        subprocess.run(["rm", "-rf", os.path.join(tmp, scenario)], check=True)
    tap.ok(messages > 1000, "the corpus was listed", messages)
    tap.ok(not wrong_order, "rows are the control files in the order of the directory",
           *wrong_order)
    tap.ok(not wrong_jobs, "the same bytes for --jobs=1 and --jobs=16, all formats, all queues",
           *wrong_jobs)
    tap.ok(not wrong_csv, "CSV says what JSON says, for every message of the corpus", *wrong_csv)
    tap.ok(not wrong_width, "the table fits 40, 80 and 200 columns, for every queue of the corpus",
           *wrong_width)
    tap.ok(not unsafe, "the table has no control characters, for every queue of the corpus",
           *unsafe)


def disagreements(scenario, table, rows):
    """Where CSV differs from JSON. Values with bytes that are not UTF-8 are json-schema.t's."""
    if table[0] != HEADING.split(",") or len(table) != len(rows) + 1:
        return ["%s: heading %s, %d rows for %d" % (scenario, table[0], len(table) - 1, len(rows))]
    wrong = []
    for cells, row in zip(table[1:], rows):
        for name, cell in zip(table[0], cells):
            value = row[name]
            if any(key.split(".")[0] == name for key in row.get("raw", {})):
                continue
            if name == "recipients":
                value = " ".join(r["address"] for r in value)
            wanted = "" if value is None else str(value).lower() if value in (True, False) and \
                isinstance(value, bool) else str(value)
            if cell != wanted:
                wrong.append("%s %s %s: %r, JSON says %r" % (scenario, row["id"], name, cell,
                                                             wanted))
    return wrong


def test_many(tmp):
    """More messages than are read ahead at once."""
    q = MadeQueue(tmp + "/many")
    text = control_file()
    for i in range(3000):
        q.write("qf6AM7%05dA%06d" % (i * 7919 % 100000, i), text)
    order = q.order()
    same = [ids_of(q.path, "--jobs=%d" % jobs) == order for jobs in (1, 2, 16, 64)]
    tap.ok(all(same), "3,000 messages: the order of the directory for 1, 2, 16 and 64 jobs", same)
    tap.ok(ids_of(q.path, "--jobs=16", "--limit=700") == order[:700],
           "--limit takes the first ones, whatever the jobs")


# ---------------------------------------------------------------- options

def test_sort(q):
    order = q.order()
    for field in FIELDS:
        values = column(q.path, field)
        key = int if field in NUMBERS else os.fsencode
        if field in ("from", "rcpt"):
            # As they are shown: sorted by the address, not by a bracket.
            values = {i: re.sub(r"<([^<>]+)>", r"\1", v) for i, v in values.items()}
        present = [i for i in order if values[i]]
        missing = [i for i in order if not values[i]]
        if field == "rcpt":
            values = {i: v.split(" ")[0] for i, v in values.items()}
        if field == "domain":
            present, missing = order, [] # a local address has the empty domain
            values = {i: v.split(" ")[0] for i, v in values.items()}
        up = sorted(present, key=lambda i: key(values[i]))
        down = sorted(present, key=lambda i: key(values[i]), reverse=True)
        # A stable sort in reverse keeps equal ones in order, as is wanted here.
        got = ids_of(q.path, "--sort=" + field)
        tap.ok(got == up + missing, "--sort=%s: ascending, missing values last" % field,
               "got    %s\nwanted %s" % (got, up + missing), values)
        got = ids_of(q.path, "--sort=-" + field)
        tap.ok(got == down + missing, "--sort=-%s: descending, missing values last" % field,
               "got    %s\nwanted %s" % (got, down + missing), values)
    tap.ok(ids_of(q.path, "--sort=-age", "--limit=3") ==
           ["6AM700AC000003", "6AM700AD000004", "6AM700AE000005"],
           "--sort=-age --limit=3: the three oldest", ids_of(q.path, "--sort=-age"))
    tap.ok(ids_of(q.path, "--sort=size", "--limit=2") == ["6AM700AF000006", "6AM700AC000003"],
           "--sort=size --limit=2: the two smallest", ids_of(q.path, "--sort=size"))
    for form in ("table", "json", "csv"):
        rows = ls(q.path, "--format=" + form, "--sort=-size").out
        tap.ok(rows.index(b"6AM700AI000009") < rows.index(b"6AM700AB000002") <
               rows.index(b"6AM700AG000007"), "--sort in format " + form, rows)
    rows = ls(q.path, "--sort=-size", "--explain", "is:queued").lines()
    tap.ok(len(rows) == 13 and all("state is queued" in line for line in rows[2::2]),
           "sorted rows keep their explanations", "\n".join(rows))


def test_limit(q):
    order = q.order()
    for limit in (1, 4, 9, 10, 1000000):
        tap.ok(ids_of(q.path, "--limit=%d" % limit) == order[:limit], "--limit=%d" % limit)
    tap.ok(ids_of(q.path, "--limit=0") == order, "--limit=0 is no limit")
    tap.ok(len(ls(q.path, "--limit=2").lines()) == 3, "--limit counts rows, not the heading")
    tap.ok(len(ls(q.path, "--limit=2", "--by=rcpt-domain", "--format=json").lines()) == 2,
           "--limit with --by counts groups")
    matching = [i for i in order if i in ("6AM700AA000001", "6AM700AI000009")]
    tap.ok(ids_of(q.path, "--limit=1", "from:alice") == matching[:1],
           "--limit counts rows that match")


def test_columns(q):
    done = ls(q.path, "--columns=tries,id,rcpt-domain,header.X-Tag", "--sort=id")
    lines = done.lines()
    tap.ok(lines[0].split() == ["TRIES", "ID", "DOMAIN", "HEADER"] and
           lines[1].split() == ["0", "6AM700AA000001", "one.example", "+1", "red", "blue"],
           "--columns of a table: their titles and values in that order", done)
    done = ls(q.path, "--columns=subject,id", "--format=csv", "--sort=id")
    tap.ok(csv_rows(done)[:3] == [["subject", "id"], ["Quarterly Report", "6AM700AA000001"],
                                  ["Übersicht", "6AM700AB000002"]],
           "--columns of CSV: called as they were asked for; a subject as field is decoded", done)
    done = ls(q.path, "--columns=rcpt,busy,warn_at,last_try", "--format=csv", "--sort=id")
    tap.ok(csv_rows(done)[1] == ["<bob@one.example> <carol@two.example>", "false", "", ""],
           "CSV columns: recipients separated by one space, nothing where there is no value", done)
    for field in FIELDS:
        done = ls(q.path, "--columns=id," + field, "--format=csv")
        table = ls(q.path, "--columns=id," + field)
        tap.ok(done.status == 0 and len(csv_rows(done)) == 10 and len(table.lines()) == 10,
               "--columns=%s" % field, done, table)
    done = ls(q.path, "--columns=ID,From", "--limit=1")
    tap.ok(done.status == 0, "fields in either case", done)
    tap.ok(ls(q.path).lines()[0].split() ==
           ["ID", "AGE", "TRIES", "SIZE", "FROM", "RCPT", "STATUS"], "the usual columns")
    done = ls(q.path, "--sort=id").lines()
    tap.ok(re.match(r"  6AM700AA000001 +2h +0 +10 alice@Alpha.example +bob@one.example \+1$",
                    done[1]) and
           re.match(r"  6AM700AB000002 +1d +5 +4.9k bruno@beta.example +dora@sub", done[2]),
           "a row of the table: age, tries, size, sender, first recipient and how many more",
           "\n".join(done))


def test_marks(q):
    with Locked("flock", os.path.join(q.path, "qf6AM700AI000009")):
        done = ls(q.path, "--sort=id", "--columns=mark,id", "--min-queue-age=30m")
        marks = {line[2:]: line[0] for line in done.lines()[1:]}
    wanted = {"6AM700AA000001": " ", "6AM700AB000002": "-", "6AM700AC000003": " ",
              "6AM700AD000004": "h", "6AM700AE000005": "?", "6AM700AF000006": "!",
              "6AM700AG000007": "!", "6AM700AH000008": " ", "6AM700AI000009": "*"}
    tap.ok(marks == wanted, "marks: * in delivery, h held, ? lost, ! damaged, - too young", done)
    os.chmod(q.place("qf6AM700AA000001"), 0o666)
    done = ls(q.path, "--columns=mark,id", "is:damaged", "--sort=id")
    os.chmod(q.place("qf6AM700AA000001"), 0o600)
    tap.ok([line[0] for line in done.lines()[1:]] == ["!", "!", "!"],
           "what is:damaged says is marked, a mode that sendmail refuses too", done)
    text = run("ls", "--help").out.decode()
    tap.ok(re.search(r"\* in delivery, h held, \? lost, ! damaged, - too young", text),
           "the help says the same marks", text)


def test_csv(tmp):
    q = MadeQueue(tmp + "/csv")
    q.add("6AM700CA000001", sender="<a,\"b\"@c.example>",
          rcpts=("<x,y@z.example>", "\"q q\"@z.example"),
          headers=(("Subject", "line one\n\tfolded, with \"quotes\""),))
    q.add("6AM700CB000002", sender="<plain@c.example>", headers=())
    done = ls(q.path, "--format=csv", "--sort=id")
    tap.ok(done.out.startswith(HEADING.encode() + b"\r\n"), "CSV: the exact heading", done)
    tap.ok(done.out.count(b"\r\n") == 3 and done.out.endswith(b"\r\n"), "CSV: lines end in CR LF",
           done)
    tap.ok(b',"<a,""b""@c.example>",' in done.out, "CSV: quotes doubled, commas quoted", done)
    tap.ok(b'"line one\n\tfolded, with ""quotes"""' in done.out,
           "CSV: a folded subject keeps its line break, quoted", done)
    rows = csv_rows(done)
    tap.ok(rows[1] == ["6AM700CA000001", q.path, "queued", "false", rfc3339(NOW - 3600), "3600",
                       "", "0", rfc3339(NOW - 3600), rfc3339(NOW - 3600 + 5 * DAY), "30000", "5",
                       "<a,\"b\"@c.example>", "<x,y@z.example> \"q q\"@z.example", "", "",
                       "line one\n\tfolded, with \"quotes\"", ""], "CSV: the values of a row", rows)
    tap.ok(b'"' not in done.out.split(b"\r\n")[2], "CSV: nothing is quoted without need", done)
    empty = MadeQueue(tmp + "/csv-empty")
    done = ls(empty.path, "--format=csv")
    tap.ok(done.status == 0 and done.out == HEADING.encode() + b"\r\n",
           "CSV of an empty queue: the heading", done)
    done = ls(q.path, "--format=csv", "from:nobody")
    tap.ok(done.status == 1 and done.out == HEADING.encode() + b"\r\n",
           "CSV without a match: the heading, status 1", done)


def test_ids(q):
    order = q.order()
    tap.ok(ls(q.path, "--format=ids").out.decode() == "".join(i + "\n" for i in order),
           "ids: each with a line end")
    tap.ok(ls(q.path, "--format=ids0").out.decode() == "".join(i + "\0" for i in order),
           "ids0: each with a NUL")


def test_states(q, tmp):
    rows = {row["id"]: row for row in json_rows(ls(q.path, "--format=json"))}
    tap.ok([rows[i]["state"] for i in sorted(rows)] ==
           ["queued", "queued", "queued", "held", "lost", "incomplete", "queued", "queued",
            "queued"], "states in JSON",
           {i: row["state"] for i, row in rows.items()})
    both = MadeQueue(tmp + "/both")
    for prefix in ("qf", "hf", "Qf"):
        both.add("6AM700BB000001", prefix=prefix)
    done = ls(both.path, "--format=json")
    tap.ok(sorted(row["file"] for row in json_rows(done)) ==
           ["Qf6AM700BB000001", "hf6AM700BB000001", "qf6AM700BB000001"],
           "qf, hf and Qf of one id are each listed", done)


# ---------------------------------------------------------------- groups

def test_groups(q, tmp):
    def groups(by, *args):
        return {row["key"]: (row["messages"], row["oldest"], row["size"])
                for row in json_rows(ls(q.path, "--format=json", "--by=" + by, *args))}

    got = groups("rcpt-domain")
    tap.ok(got == {"one.example": (3, 3 * DAY, 20110), "two.example": (1, 7200, 10),
                   "sub.one.example": (1, DAY, 5000), "alpha.example": (1, 6 * DAY, 7),
                   "three.example": (1, 2 * DAY, 200), "four.example": (1, 4000, 3),
                   "five.example": (1, 5000, 0), "(local)": (1, 100, 17)},
           "--by=rcpt-domain: messages, oldest, size; several recipients of a domain count once",
           got)
    tap.ok(groups("domain") == got, "--by=domain is --by=rcpt-domain")
    first = json_rows(ls(q.path, "--format=json", "--by=rcpt-domain"))
    tap.ok(first[0]["key"] == "one.example" and
           [r["key"] for r in first[1:]] == sorted(r["key"] for r in first[1:]),
           "groups: most messages first, then by key", [r["key"] for r in first])
    tap.ok(set(first[0]) == {"schema", "by", "key", "messages", "oldest", "size"} and
           first[0]["schema"] == "qf.group/1" and first[0]["by"] == "rcpt-domain",
           "qf.group/1 has its fields", first[0])
    got = groups("from")
    tap.ok(got.get("<>", (0,))[0] == 2 and
           sum(n for key, (n, _, _) in got.items() if key.lower() == "<alice@alpha.example>" or
               key.lower() == "alice@alpha.example") == 2, "--by=from", got)
    got = groups("from-domain")
    tap.ok(got.get("MAILER-DAEMON") == (2, 6 * DAY, 24) and got.get("alpha.example", (0,))[0] == 4,
           "--by=from-domain: null senders under MAILER-DAEMON", got)
    got = groups("dsn")
    tap.ok({k: v[0] for k, v in got.items()} == {"4.7.1": 2, "4.3.2": 1, None: 7},
           "--by=dsn: codes of the recipients' answers; null where there is none", got)
    got = groups("relay")
    tap.ok({k: v[0] for k, v in got.items()} ==
           {"mx.alpha.example": 1, "mx7.one.example": 1, None: 8}, "--by=relay", got)
    got = groups("state")
    tap.ok({k: v[0] for k, v in got.items()} ==
           {"queued": 6, "held": 1, "lost": 1, "incomplete": 1}, "--by=state", got)
    got = groups("from-domain", "is:held")
    tap.ok(list(got) == ["gamma.example"], "--by with a filter", got)
    done = ls(q.path, "--by=state", "--format=csv")
    tap.ok(done.out.startswith(b"by,key,messages,oldest,size\r\nstate,queued,6,518400,"),
           "--by as CSV: its heading and rows", done)
    done = ls(q.path, "--by=state")
    tap.ok(done.lines()[0].split() == ["MESSAGES", "OLDEST", "SIZE", "KEY"] and
           re.match(r" +6 +6d +24k +queued$", done.lines()[1]), "--by as a table", done)
    done = ls(q.path, "--by=state", "from:nobody", "--format=json")
    tap.ok(done.status == 1 and done.out == b"", "--by without a match: nothing, status 1", done)

    # Statuses of one kind fall together though hosts, addresses, ids and numbers differ.
    kinds = MadeQueue(tmp + "/kinds")
    for i in range(60):
        host, code = "mx%d.host%d.example" % (i, i % 7), 40 + i
        texts = ["Deferred: 450 4.2.0 <user%d@%s>: Greylisted, try in %d seconds" % (i, host, code),
                 "Deferred: Connection timed out with %s." % host,
                 "Deferred: Connection refused by [192.0.2.%d]" % i,
                 "Deferred: 421 4.7.0 %s Too many connections from 203.0.113.%d" % (host, i),
                 "Deferred: 452 4.2.2 <u%d@%s> mailbox of %d kB is full (id %08xABCDEF)" %
                 (i, host, i * 100, i * 7919)]
        text = texts[i % 5]
        kinds.add("6AM7%02dKA%06d" % (i, i), M=text,
                  rcpts=(("PFD", "<user%d@%s>" % (i, host), {"M": text}),), tries=1,
                  last_try=NOW - 60)
    done = ls(kinds.path, "--by=status", "--format=json")
    rows = json_rows(done)
    tap.ok(len(rows) == 5 and all(row["messages"] == 12 for row in rows),
           "--by=status: sixty answers of five kinds are five groups", done)
    keys = " ".join(row["key"] for row in rows)
    tap.ok(not re.search(r"host\d|user\d|192\.0|203\.0", keys) and "450" in keys and
           "4.2.0" in keys, "kinds name no host or address, but reply codes", keys)


# ---------------------------------------------------------------- filters

def test_filters(q):
    def expect(filter, wanted, *args):
        """wanted: last characters of the ids that match."""
        words = filter if isinstance(filter, list) else [filter]
        done = ls(q.path, "--format=ids", *args, *words)
        got = "".join(sorted(i[-1] for i in done.lines()))
        tap.ok(got == "".join(sorted(wanted)) and done.status == (0 if wanted else 1) and
               done.err == b"", "filter %s%s" % (" ".join(words), " " + " ".join(args) if args
                                                 else ""), "wanted " + wanted, done)

    expect("id:700AB", "2")
    expect("id=6AM700AC000003", "3")
    expect("id=6AM700AC00000", "")
    expect("id:/A[AB]0/", "12")
    expect('queue:"%s"' % q.path, "123456789")
    expect("from:alice", "19")
    expect("from:ALICE", "19")
    expect("from=alice@alpha.example", "19")
    expect("from=<alice@alpha.example>", "19")
    expect("from=<>", "38")
    expect("sender:bruno", "2")
    expect("from-domain:alpha.example", "1679")
    expect("from-domain=MAILER-DAEMON", "38")
    expect("rcpt:bob", "14")
    expect("to:bob", "14")
    expect("rcpt=postmaster", "8")
    expect("domain:one.example", "1249")
    expect("domain=one.example", "149")
    expect("rcpt-domain:example", "12345679")
    expect("domain:ne.example", "")
    expect("subject:quarterly", "1")
    expect('subject="Quarterly Report"', "1")
    expect('subject="quarterly report"', "")
    expect("subject:Übersicht", "2")
    expect("subject:übersicht", "2")
    expect("subject:second", "")
    expect("header.subject:second", "8")
    expect("header.X-Tag:red", "1")
    expect("header.x-tag:/^(red|green)/", "12")
    expect('header.X-Tag:""', "12")
    expect("status:greylisted", "29")
    expect("status:/GREYLISTED/", "")
    expect("status:/GREYLISTED/i", "29")
    expect("dsn=4.7.1", "29")
    expect("dsn:4.3", "9")
    expect("relay:mx.alpha.example", "3")
    expect("body:needle", "8")
    expect("body:/^needle in/", "8")
    expect("envid=ENV-1", "1")
    expect("reason:virus", "4")
    expect("quarantine:virus", "4")
    expect("age>1d", "345")
    expect("age>=1d", "2345")
    expect("age<2h", "678")
    expect("age<=2h", "1678")
    expect("age=2h", "1")
    expect("age>86399", "2345")
    expect("age>1d12h", "345")
    expect("age>1w", "")
    expect("idle<15m", "2")
    expect("idle>1m", "239")
    expect("tries=0", "145678")
    expect("tries>4", "23")
    expect("tries:5", "2")
    expect("size>4k", "29")
    expect("size<11", "136")
    expect("size>=20000", "9")
    expect("size=10", "1")
    expect("priority>400000", "23")
    expect("nrcpt>1", "19")
    expect("nrcpt=3", "9")
    expect("due>2000-01-01", "123789")
    expect("created<" + rfc3339(NOW - DAY), "345")
    expect("created<=@%d" % (NOW - DAY), "2345")
    expect("created>=2026-11-23", "1678")
    expect("created<2026-11-23", "23459")
    expect("last_try>@%d" % (NOW - 700), "2")
    expect("flags:warned", "2")
    expect("flags:8bit", "2")
    expect("file=Qf6AM700AE000005", "5")
    expect("file=qf6AM700AE000005", "")
    expect("path:hf6AM700AD", "4")
    expect("greylisted", "29")
    expect("ALICE", "139")
    expect('"two words"', "8")
    expect("nothing-of-the-kind", "")
    # States.
    expect("is:queued", "123789")
    expect("is:held", "4")
    expect("is:lost", "5")
    expect("is:incomplete", "6")
    expect("is:damaged", "67")
    expect("is:warned", "2")
    expect("is:expired", "3")
    expect("is:due", "123789")
    expect("is:due", "13789", "--min-queue-age=30m")
    expect("is:young", "2", "--min-queue-age=30m")
    expect("is:young", "23", "--min-queue-age=8000")
    expect("is:young", "239", "--min-queue-age=8001")
    expect("is:young", "")
    with Locked("flock", os.path.join(q.path, "qf6AM700AA000001"),
                "fcntl", os.path.join(q.path, "qf6AM700AB000002")):
        expect("is:busy", "12")
        expect("not is:busy", "3456789")
        expect("is:due", "3789")
        expect("busy=true", "12")
    expect("is:busy", "")
    # and, or, not, juxtaposition, parentheses, precedence.
    expect("from:alice nrcpt=3", "9")
    expect(["from:alice", "nrcpt=3"], "9")
    expect("from:alice and nrcpt=3", "9")
    expect("is:held or is:lost", "45")
    expect("is:held or is:lost or from:alice nrcpt=3", "459")
    expect("nrcpt=3 from:alice or is:held", "49")
    expect("(is:held or from:alice) nrcpt=1", "4")
    expect("is:held or (from:alice nrcpt=1)", "4")
    expect("not is:queued", "456")
    expect("not is:queued not is:held", "56")
    expect("not (is:held or is:lost) nrcpt=1", "23678")
    expect("NOT is:queued AND NOT is:held", "56")
    expect("not not is:held", "4")
    expect("((is:held))", "4")
    # Quoting.
    expect(r"subject:two\ words", "8")
    expect('subject:"two words"', "8")
    expect('"and"', "")
    expect(r'subject:"Quarterly\x"', "")
    expect('status:"4.7.1 <"', "29")
    # Any recipient, or each.
    expect("rcpt:u1", "9")
    expect("each.rcpt:u1", "")
    expect("each.rcpt:/^u[123]@/", "9")
    expect("each.domain:one.example", "249")
    expect("each.domain=one.example", "49")
    expect("not each.domain:one.example", "135678")
    expect("each.status:greylisted", "2")
    # A value that is not there makes a term false, and `not` of it true.
    expect("idle>0", "239")
    expect("not idle>0", "145678")
    expect("size>=0", "12345689")
    expect("", "123456789")
    expect(["", " "], "123456789")
    done = ls(q.path, "--format=ids", "from:alice", "--limit=5", "nrcpt=3")
    tap.ok(done.lines() == ["6AM700AI000009"], "options may stand among the words of a filter",
           done)
    done = ls(q.path, "--format=ids", "--", "-nothing")
    tap.ok(done.status == 1 and done.err == b"", "-- ends options", done)


def test_filter_errors(q):
    def points(filter, column, pattern):
        fails(ls(q.path, "--format=json", filter), 64,
              r"\(column %d\): .*%s" % (column, pattern), "filter %s: an error that points there"
              % filter)

    points("bogus:x", 1, "unknown field.*bogus")
    points("from:a  bogus:x", 9, "unknown field")
    points("subjct:x", 1, "did you mean .*subject")
    points("header.:x", 1, "field")
    points("is:bogus", 4, "no such state.*queued held lost incomplete")
    points("from:a is:hold", 11, "held")
    points("age>soon", 5, "not an age")
    points("size>10q", 6, "size")
    points("tries>many", 7, "number")
    points("created>yesterday", 9, "time")
    points("status:/(/", 10, "pattern")
    points("status:/abc", 8, "")
    points("from:x and", 11, "missing")
    points("or from:x", 1, "")
    points("(from:x", 1, "")
    points("from:x)", 7, "")
    points('subject:"abc', 9, "")
    points("not", 4, "missing")
    points("()", 2, "")
    points("each.size>1", 1, "")
    points("from>x", 5, "")
    points("from:a and and b", 12, "")


def test_explain(q):
    done = ls(q.path, "--explain", "from:alice (subject:quarterly or is:held)", "--sort=id")
    lines = done.lines()
    tap.ok(len(lines) == 4 and lines[1][2:16] == "6AM700AA000001" and
           lines[2] == "    from:alice: from is alice@Alpha.example" and
           lines[3] == "    subject:quarterly: subject is Quarterly Report",
           "--explain: the terms that matched, and what, under each row", done)
    done = ls(q.path, "--explain", "--format=json", "not from:alice and rcpt:bob")
    rows = json_rows(done)
    tap.ok([row["explain"] for row in rows] ==
           [["not from:alice: from is eve@gamma.example", "rcpt:bob: rcpt is bob@one.example"]],
           "--explain in JSON: a member of the object", done)
    plain = [dict(row) for row in json_rows(ls(q.path, "--format=json", "rcpt:bob id:AD"))]
    for row in rows:
        row.pop("explain")
    tap.ok(rows == plain, "--explain changes nothing else of it", rows, plain)
    done = ls(q.path, "--explain", "--format=ids", "is:held")
    tap.ok(done.lines() == ["6AM700AD000004"], "--explain leaves lists of ids alone", done)


# ---------------------------------------------------------------- time and configuration

def test_times(q):
    def values(*args):
        return {row["id"][-1]: row for row in
                json_rows(run("ls", "-C", "none", "-Q", q.path, "--format=json", *args))}

    rows = values("--now=@%d" % NOW)
    same = values("--now=" + rfc3339(NOW))
    tap.ok(rows == same, "--now=@epoch and --now=RFC 3339 are the same")
    tap.ok(rows["1"]["age"] == 7200 and rows["3"]["age"] == 6 * DAY, "--now: ages",
           rows["1"]["age"])
    later = values("--now=@%d" % (NOW + 1000))
    tap.ok(later["1"]["age"] == 8200, "--now: later is older", later["1"]["age"])
    early = values("--now=@%d" % (NOW - 8000))
    tap.ok(early["1"]["age"] == -800, "--now before creation: a negative age, no more",
           early["1"]["age"])
    clock = values()
    tap.ok(abs(clock["1"]["age"] - (time.time() - (NOW - 7200))) < 30,
           "without --now: by the clock", clock["1"]["age"])
    date = values("--now=2026-11-23")
    tap.ok(date["1"]["age"] == 1795392000 - (NOW - 7200),
           "a date alone is its first second in UTC", date["1"]["age"])

    def all_of(key, *args):
        return {i: row[key] for i, row in values("--now=@%d" % NOW, *args).items()}

    # Without a configuration: sendmail's own defaults, 5 days, no warning, no minimum age.
    created = {"1": NOW - 7200, "2": NOW - DAY, "3": NOW - 6 * DAY, "9": NOW - 9000}
    got = all_of("bounce_at")
    tap.ok(all(got[i] == rfc3339(t + 5 * DAY) for i, t in created.items()),
           "bounce_at: creation and five days", got)
    got = all_of("bounce_at", "--queue-return=36h")
    tap.ok(all(got[i] == rfc3339(t + 36 * 3600) for i, t in created.items()),
           "--queue-return=36h: bounce_at", got)
    got = all_of("bounce_at", "--queue-return=never")
    tap.ok(set(got.values()) == {None}, "--queue-return=never: no bounce_at", got)
    got = all_of("bounce_at", "--queue-return=now")
    tap.ok(all(got[i] == rfc3339(t) for i, t in created.items() if i != "3"),
           "--queue-return=now: bounce_at is the creation", got)
    got = all_of("warn_at")
    tap.ok(set(got.values()) == {None}, "warn_at: no warning by default", got)
    got = all_of("warn_at", "--queue-warn=4h")
    tap.ok(got["1"] == rfc3339(NOW - 7200 + 4 * 3600) and got["2"] is None and got["3"] is None and
           got["8"] is None and got["9"] == rfc3339(NOW - 9000 + 4 * 3600),
           "--queue-warn=4h: warn_at, but for warned ones, reports and null senders", got)
    got = all_of("due")
    tap.ok(got["1"] == rfc3339(NOW - 7200) and got["2"] == rfc3339(NOW - 600) and
           got["4"] is None and got["5"] is None and got["6"] is None,
           "due: creation if never tried, last try else; none for held, lost and cut ones", got)
    got = all_of("due", "--min-queue-age=25m")
    tap.ok(got["1"] == rfc3339(NOW - 7200) and got["2"] == rfc3339(NOW - 600 + 1500) and
           got["9"] == rfc3339(NOW - 8000 + 1500), "--min-queue-age=25m: due", got)
    for args, wanted in ((("--queue-return=1d",), "2345"), (("--queue-return=6d",), "3"),
                         (("--queue-return=518401",), ""), (("--queue-return=never",), ""),
                         (("--queue-return=2d",), "345")):
        got = "".join(sorted(i[-1] for i in ids_of(q.path, "is:expired", *args)))
        tap.ok(got == wanted, "%s: is:expired" % " ".join(args), "got %s, wanted %s"
               % (got, wanted))


# ---------------------------------------------------------------- busy

def test_busy(q):
    def busy(*args, **options):
        return {row["id"][-1]: row["busy"]
                for row in json_rows(ls(q.path, "--format=json", *args, **options))}

    path = {i[-1]: os.path.join(q.path, "qf" + i) for i in q.added}
    with Locked("flock", path["1"], "fcntl", path["2"], "flock-shared", path["3"]):
        got = busy()
        tap.ok(got["1"] is True, "busy: a flock of another process", got)
        tap.ok(got["2"] is True, "busy: an fcntl lock of another process", got)
        tap.ok(got["3"] is False, "not busy: a shared lock, as mailq's", got)
        tap.ok(got["7"] is False, "not busy: no lock", got)
        unshare = ["unshare", "-p", "-f", "--mount-proc"]
        if subprocess.run(unshare + ["true"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode:
            tap.skip("busy: another pid namespace", "unshare is not permitted")
        else:
            inside = run(*unshare[1:], QF, "ls", "-C", "none", "-Q", q.path, "--format=json",
                         program=unshare[0])
            got = {row["id"][-1]: row["busy"] for row in json_rows(inside)}
            tap.ok(got.get("1", 0) is None and got.get("7", 0) is None,
                   "busy is null inside another pid namespace: a flock cannot be seen there", got)
            tap.ok(got.get("2") is True, "busy: an fcntl lock is seen from there too", got)
    got = busy()
    tap.ok(set(got.values()) == {False}, "not busy: all locks are gone", got)


# ---------------------------------------------------------------- colour, verbosity, redaction

def test_color(q):
    done = ls(q.path)
    tap.ok(b"\x1b" not in done.out, "no colour into a pipe", done)
    done = ls(q.path, "--color=always")
    tap.ok(SGR.search(done.out) and SGR.sub(b"", done.out) == ls(q.path).out,
           "--color=always: the same text in colour", done)
    done = ls(q.path, "--color=always", env={"NO_COLOR": "1"})
    tap.ok(SGR.search(done.out), "--color=always outweighs NO_COLOR", done)
    held = [line for line in ls(q.path, "--color=always").out.splitlines() if b"0004 " in line]
    tap.ok(held and held[0].startswith(b"\x1b[33m") and held[0].endswith(b"\x1b[0m"),
           "colour begins and ends with the row", held)
    for form in ("json", "csv", "ids"):
        done = ls(q.path, "--color=always", "--format=" + form)
        tap.ok(b"\x1b" not in done.out, "no colour in " + form, done)
    for name, args, env, wanted in (
            ("a terminal", (), {}, True),
            ("NO_COLOR", (), {"NO_COLOR": "1"}, False),
            ("an empty NO_COLOR", (), {"NO_COLOR": ""}, True),
            ("--color=never", ("--color=never",), {}, False),
            ("--color=auto", ("--color=auto",), {}, True),
            ("TERM=dumb", (), {"TERM": "dumb"}, False),
            ("no TERM", (), {"TERM": None}, False)):
        done = ls_on_terminal(q.path, *args, env=env)
        tap.ok(bool(SGR.search(done.out)) == wanted, "colour on a terminal: " + name, done)


def test_verbosity(q, tmp):
    cf = os.path.join(tmp, "times.cf")
    with open(cf, "w") as f:
        f.write("O MinQueueAge=90m\nO Timeout.queuereturn=4d\nO Timeout.queuewarn.urgent=1h30m\n"
                "O QueueFileMode=0640\nO QueueDirectory=%s/elsewhere\n" % tmp)
    done = run("ls", "-v", "-C", cf, "-Q", q.path, "--queue-warn=2h", "--format=ids")
    err = done.err.decode()
    for pattern in (r"configuration: %s" % re.escape(cf),
                    r"MinQueueAge=90m \(line 1 ", r"Timeout.queuereturn.normal=4d \(line 2 ",
                    r"Timeout.queuewarn.urgent=2h \(--queue-warn\)",
                    r"MaxQueueAge=0s? \(sendmail's default\)", r"QueueFileMode=0640.*line 4",
                    r"queue: %s" % re.escape(q.path)):
        tap.ok(re.search(pattern, err), "-v says: " + pattern, err)
    tap.ok(all(line.startswith("qf: ls: ") for line in err.splitlines()) and
           len(done.lines()) == 9, "-v speaks on standard error alone", done)
    done = run("ls", "-v", "-C", "none", "-Q", q.path, "--min-queue-age=5m", "--format=ids")
    tap.ok(re.search(r"configuration: none", done.err.decode()) and
           re.search(r"MinQueueAge=5m \(--min-queue-age\)", done.err.decode()) and
           re.search(r"Timeout.queuereturn.dsn=5d \(sendmail's default\)", done.err.decode()),
           "-v: no configuration, overrides and defaults", done)
    foreign = os.path.join(tmp, "foreign")
    os.mkdir(foreign)
    for name in ("notes.txt", "core"):
        open(os.path.join(foreign, name), "w").close()
    done = ls(foreign)
    tap.ok(done.status == 0 and done.out == b"" and re.search(rb"foreign: .*2 other", done.err),
           "a directory without queue files is an empty queue; what lies there is said", done)
    done = ls(foreign, "-q")
    tap.ok(done.status == 0 and done.err == b"", "-q: less", done)
    empty = MadeQueue(os.path.join(tmp, "empty"))
    done = ls(empty.path)
    tap.ok(done.status == 0 and done.out == b"", "an empty queue without a filter is 0", done)
    done = ls(empty.path, "is:held")
    tap.ok(done.status == 1 and done.out == b"", "with a filter 1", done)


def test_redact(tmp):
    """No address, subject or line of a body of any message of the corpus, in any format."""
    forms = [["--format=table"], ["--format=json"], ["--format=csv"], ["--format=ids"],
             ["--format=mailq"], ["--format=mailq-verbose"],
             ["--columns=" + ",".join(f for f in FIELDS if f != "queue")],
             ["--columns=" + ",".join(FIELDS), "--format=csv"]]
    forms += [["--by=" + field, "--format=json"] for field in
              ("from", "rcpt", "subject", "status", "body", "header.From", "message_id", "envid",
               "reason", "relay", "id")]
    leaks, looked_for = [], 0
    for scenario in ("plain-deferred", "dsn", "statuses", "addresses", "headers", "aliases-lists-2",
                     "bounces", "quarantine-cmd", "damaged", "auth", "eai"):
        top = harness.unpack(scenario, tmp + "/redacted")
        secrets = set()
        for directory, _, names in os.walk(top):
            for name in names:
                with open(os.path.join(directory, name), "rb") as f:
                    text = f.read(1 << 20)
                if name[:2] in ("qf", "hf", "Qf"):
                    found = re.findall(rb"(?m)^(?:S|R[A-Z]*:)<?([^\s<>]+@[^\s<>]+)>?$", text)
                    found += [s for s in re.findall(rb"(?mi)^H\?\?Subject: *(.{8,})$", text)]
                    secrets.update(s.strip() for s in found)
                elif name[:2] == "df":
                    secrets.update(line for line in text.splitlines()[:50] if len(line) > 14)
        looked_for += len(secrets)
        output = b""
        for form in forms:
            done = ls(top, "--redact", *form)
            if done.status:
                leaks.append("%s %s: %s" % (scenario, form, done))
            output += done.out + done.err
        for id in ids_of(top)[:40]:
            for form in ([], ["--format=json"]):
                done = show(top, "--redact", *form, id)
                output += done.out + done.err
        small = output.lower()
        leaks += ["%s: %r" % (scenario, s) for s in secrets if s.lower() in small]
    tap.ok(looked_for > 500, "addresses, subjects and lines of bodies to look for", looked_for)
    tap.ok(not leaks, "--redact: none of them in any format", *sorted(leaks))
    q = MadeQueue(tmp + "/redact")
    q.add("6AM700RA000001", sender="<secret.sender@private.example>",
          rcpts=(("PFD", "<hidden@private.example>", {"Q": "rfc822;hidden+40alias@private.example",
                                                      "r": "RFC822; hidden@private.example"}),
                 "<localsecret>"), Z="QQ-mail-of-hidden@private.example", q=None,
          M="Deferred: <hidden@private.example>... User busy", A="secret.sender@private.example",
          headers=(("Subject", "top secret plan"), ("From", "Secret <secret.sender@x.example>")),
          body="the body is secret too\n")
    for args in (["--format=json"], ["--columns=" + ",".join(FIELDS), "--format=csv"],
                 ["--format=mailq-verbose"], ["--format=table", "--columns=" + ",".join(FIELDS)]):
        done = ls(q.path, "--redact", *args)
        tap.ok(done.status == 0 and
               not re.search(rb"hidden|secret\.|localsecret|top secret|body is", done.out),
               "--redact %s: ORCPT, ENVID, status and local addresses too" % args[0], done)
    for args in ([], ["--format=json"]):
        done = show(q.path, "--redact", *args, "6AM700RA000001")
        tap.ok(done.status == 0 and
               not re.search(rb"hidden|secret\.|localsecret|top secret|body is", done.out),
               "show --redact %s" % " ".join(args), done)
    done = ls(q.path, "--redact", "--format=json")
    row = json_rows(done)[0]
    tap.ok(re.fullmatch(r"<r-[0-9a-f]{12}@redacted>", row["sender"]) and row["subject"] is None,
           "--redact: a hash in place of an address", row)
    tap.ok(re.search(re.escape(row["recipients"][0]["address"].strip("<>")), row["status"]),
           "--redact: the same address has the same hash, in a status too", row)
    again = json_rows(ls(q.path, "--redact", "--format=json"))[0]
    tap.ok(again["sender"] != row["sender"], "--redact: the key is another one each time")
    for filter in ("subject:secret", "body:secret", "from:secret", "header.From:secret"):
        fails(ls(q.path, "--redact", "--explain", filter), 64, "--explain: .*--redact",
              "--redact and --explain do not go together: " + filter)


# ---------------------------------------------------------------- terminals

WIDE = "漢字かな交じり文の件名です、とても長い件名です"


def test_terminal(tmp):
    q = MadeQueue(tmp + "/terminal")
    q.add("6AM700TA000001", sender="<" + WIDE + "@例え.example>",
          rcpts=("<" + "x" * 300 + "@y.example>",), M="Deferred: 450 " + WIDE * 5, headers=(("Subject", WIDE),), tries=1)
    q.add("6AM700TB000002", sender="<é" + "e\u0301" * 40 + "@y.example>",
          M="Deferred: " + "\U0001f4e7" * 60, tries=12345678901)
    q.add("6AM700TC0000031234", M="long id", created=NOW - 4000 * DAY)
    hostile = (b"Deferred: 450 4.2.0 \x1b[2J\x1b]0;owned\x07 \x9b31m \xc2\x9b31m \xff\xfe "
               b"\xe2\x80\xae\xe2\x81\xa6 \xe2\x80\xa8 \x08\x7f \x00 end")
    text = control_file(sender="<a\x1b[31mb@c.example>", M="@@", tries=1,
                        rcpts=("<r\x1b]52;c;x\x07@d.example>",), Z="E\x1b[0m",
                        headers=(("Subject", "s\x1b[5m \u202eevil"), ("X-Tag", "t\x9b")))
    q.write("qf6AM700TD000004", text.encode().replace(b"@@", hostile))
    q.write("df6AM700TD000004", b"\x1b[2Jbody\x07\n")
    q.write("qf6\x1b[31mX\n\udcff", control_file())
    for columns in (20, 40, 80, 132, 200):
        done = ls_on_terminal(q.path, "--color=never", columns=columns)
        lines = done.out.decode("utf-8", "replace").splitlines()
        long = [line for line in lines if columns_of(line) > columns]
        tap.ok(not long and len(lines) == 6 and done.status == 0,
               "wide characters, long values: one line each within %d columns" % columns,
               *long, done)
        done = ls_on_terminal(q.path, "--color=never", "--columns=" + ",".join(FIELDS),
                              columns=columns)
        lines = done.out.decode("utf-8", "replace").splitlines()
        long = [line for line in lines if columns_of(line) > columns]
        tap.ok(not long and len(lines) == 6, "all columns at once within %d columns" % columns,
               *long)
    done = ls_on_terminal(q.path, "--color=never", columns=100)
    tap.ok(any(line.endswith("…") or "… " in line for line in
               done.out.decode("utf-8", "replace").splitlines()),
           "what is cut ends in an ellipsis", done)
    done = ls_on_terminal(q.path, "--color=never", columns=60)
    tap.ok(b"6AM700TC0000031234" in done.out, "the longest id is shown whole", done)
    every = ",".join(FIELDS)
    for args in ([], ["--columns=" + every], ["--format=json"], ["--format=csv"],
                 ["--format=csv", "--columns=" + every], ["--format=ids"], ["--format=mailq"],
                 ["--format=mailq-verbose"], ["--by=status"], ["--by=from"], ["--by=rcpt"],
                 ["--by=subject"], ["--by=body"], ["--by=id"], ["--by=header.X-Tag"],
                 ["--by=status", "--format=csv"], ["--by=rcpt", "--format=json"],
                 ["--explain", "status:owned or subject:evil or body:body"],
                 ["--explain", "--format=json", "status:owned"]):
        done = ls_on_terminal(q.path, *args, columns=120)
        out = SGR.sub(b"", done.out) if not any("format" in a for a in args) else done.out
        bad = unsafe_bytes(out)
        if "--format=csv" in args:
            # Lines of CSV end in CR LF, on a terminal too.
            bad = unsafe_bytes(out.replace(b"\r\n", b"\n"))
        elif "mailq" in " ".join(args):
            bad = unsafe_bytes(out.replace(b"\t", b" "))
        tap.ok(not bad and done.out, "hostile text is never raw on a terminal: %s" %
               (" ".join(args) or "table")[:60], bad, done)
        done = ls_on_terminal(q.path, *args, columns=120, env={"LC_ALL": "C"})
        bad = [b for b in set(SGR.sub(b"", done.out)) if not 32 <= b < 127 and b not in b"\r\n\t"]
        # JSON is UTF-8 whatever the locale (RFC 8259).
        tap.ok(not bad or "--format=json" in args,
               "nothing but ASCII where the locale is C: %s" % (" ".join(args) or "table")[:60],
               bad, done)
    done = ls_on_terminal(q.path, "--format=ids0")
    tap.ok(not unsafe_bytes(done.out.replace(b"\0", b"\n")), "ids0 on a terminal", done)
    done = ls(q.path, "--columns=status", "id:TD")
    tap.ok(r"\x1b[2J\x1b]0;owned\x07 \x9b31m \u{9b}31m \xff\xfe \u{202e}\u{2066}" in
           done.out.decode(), "what was there can be read: \\xNN and \\u{N}", done)
    done = ls(q.path, "--explain", "status:owned", env={"COLUMNS": "400"})
    tap.ok(r"status is Deferred: 450 4.2.0 \x1b[2J\x1b]0;owned\x07" in done.out.decode(),
           "in an explanation too, and not escaped twice", done)
    # Into a pipe.
    done = ls(q.path, "--columns=" + every)
    tap.ok(not unsafe_bytes(done.out), "the table is made safe in a pipe too", done)
    done = ls(q.path, "--format=json")
    row = [r for r in json_rows(done) if r["id"] == "6AM700TD000004"][0]
    tap.ok(not unsafe_bytes(done.out) and row["status"].startswith("Deferred: 450 4.2.0 \x1b[2J"),
           "JSON in a pipe: escaped, and means the bytes", done)
    done = ls(q.path, "--format=csv")
    tap.ok(b"\x1b[2J\x1b]0;owned\x07 \x9b31m" in done.out, "CSV in a pipe: the exact bytes", done)
    done = ls(q.path, "--format=ids0")
    tap.ok(set(done.out.split(b"\0")[:-1]) == {os.fsencode(i) for i in q.order()},
           "ids0 in a pipe: the exact names", done)


# ---------------------------------------------------------------- command line, help

def test_help():
    done = run("ls", "--help")
    text = done.out.decode()
    tap.ok(done.status == 0 and done.err == b"", "ls --help is 0, on standard output", done)
    for option in ("--format", "--sort", "--limit", "--columns", "--by", "--watch", "--explain",
                   "-Q, --queue", "-C, --config", "--queue-return", "--queue-warn",
                   "--min-queue-age", "--now", "--jobs", "--max-ops", "--redact", "--color", "-v",
                   "-q"):
        tap.ok(option in text, "the help has " + option)
    for name in ("id queue from rcpt domain subject header.NAME status dsn relay body envid reason "
                 "age idle tries size priority nrcpt due created").split():
        tap.ok(re.search(r"\b%s\b" % re.escape(name), text), "the help has the field " + name)
    for state in "queued held lost incomplete busy due young expired warned damaged".split():
        tap.ok(re.search(r"\b%s\b" % state, text), "the help has the state " + state)
    wide = [line for line in text.splitlines() if len(line) > 100]
    tap.ok(not wide, "the help fits 100 columns", *wide)
    done = run("help", "ls")
    tap.ok(done.out.decode() == text, "qf help ls is qf ls --help")
    done = run("--help")
    tap.ok(done.status == 0 and all(word in done.out.decode() for word in ("ls", "show", "shape")),
           "qf --help names the commands", done)
    done = run("--version")
    tap.ok(done.status == 0 and re.match(rb"qf \d", done.out), "qf --version", done)


def test_streaming(tmp):
    """The first row appears before the last file is opened."""
    q = MadeQueue(tmp + "/slow")
    for i in range(60):
        q.write("qf6AM7%02dSA%06d" % (i, i), control_file())
    forms = ("json", "csv", "table", "ids")
    begun = time.monotonic()
    children = [subprocess.Popen([QF, "ls", "-C", "none", "-Q", q.path, "--max-ops=20",
                                  "--format=" + form], stdout=subprocess.PIPE) for form in forms]
    for form, child in zip(forms, children):
        first = child.stdout.readline()
        seconds = time.monotonic() - begun
        ended = child.poll()
        child.kill()
        child.stdout.close()
        child.wait()
        tap.ok(first and ended is None and seconds < 4,
               "%s: the first row comes long before the last file is read" % form,
               "after %.1f s, ended: %s" % (seconds, ended), first)
    begun = time.monotonic()
    done = run("ls", "-v", "-C", "none", "-Q", q.path, "--max-ops=200", "--format=ids",
               "body:nothing")
    seconds = time.monotonic() - begun
    operations = int(re.search(rb"(\d+) file operations", done.err).group(1))
    tap.ok(operations > 120 and seconds > operations / 200 - 0.3,
           "--max-ops: no more operations a second, bodies included", done, seconds)


def main():
    with temporary() as tmp:
        q = made(tmp + "/made")
        test_help()
        test_sort(q)
        test_limit(q)
        test_columns(q)
        test_marks(q)
        test_csv(tmp)
        test_ids(q)
        test_states(q, tmp)
        test_groups(q, tmp)
        test_filters(q)
        test_filter_errors(q)
        test_explain(q)
        test_times(q)
        test_busy(q)
        test_color(q)
        test_verbosity(q, tmp)
        test_redact(tmp)
        test_terminal(tmp)
        test_many(tmp)
        test_streaming(tmp)
        test_corpus(tmp)
    tap.done()


main()
