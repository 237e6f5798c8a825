#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf audit report: a restore drill with a real sendmail. What the sink took, and what the real queue
holds, says of each message of the backup what became of it."""
import fcntl
import html.parser
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", "test-fixtures"), "lab"))
from harness import FIXTURES, QF, differences, qf, snapshot
from lab import Lab, Missing, Sink, queue_id, submit, wait_until
from tap import Tap, skip_all

tap = Tap()


def audit(command, *args, **options):
    return qf("audit", command, "--db=" + db, "-C", cf, *args, **options)


def index(label, *args):
    done = audit("index", "--label=" + label, "--format=json", *args)
    return json.loads(done.stdout)["snapshot"] if done.stdout else done


def report(*args):
    done = audit("report", "--format=json", *args)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return ([r for r in lines if r["schema"] == "qf.audit.report/1"],
            [r for r in lines if r["schema"] != "qf.audit.report/1"], done)


def remove(queue, id):
    for name in ("qf", "hf", "df"):
        if os.path.exists(os.path.join(queue, name + id)):
            os.unlink(os.path.join(queue, name + id))


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, content):
    with open(path, "wb") as f:
        f.write(content)


class Drill:
    def __init__(self, lab, sink):
        self.lab, self.sink, self.ids, self.rcpts = lab, sink, {}, {}

    def send(self, name, *rcpts):
        id = queue_id(submit(self.port, "ann@src.example", list(rcpts),
                             "Subject: %s\nMessage-Id: <%s@x>\n\nbody of %s\n" % (name, name, name)))
        self.ids[name], self.rcpts[name] = id, rcpts

    def again(self, name, more=""):
        """Submitted once more: the client had not seen that it was taken."""
        self.lab.clock = 0
        daemon = self.lab.daemon()
        submit(daemon.port, "ann@src.example", list(self.rcpts[name]),
               "Subject: %s\nMessage-Id: <%s@x>\n\nbody of %s\n%s" % (name, name, name, more))
        daemon.stop()

    def at(self, clock, *messages):
        """Submitted so many seconds ago."""
        self.lab.clock = -clock
        daemon = self.lab.daemon()
        self.port = daemon.port
        for name, *rcpts in messages:
            self.send(name, *rcpts)
        daemon.stop()
        self.lab.clock = 0

    def fill(self):
        self.at(6 * 86400, ("expired", "ex@dst.example"))
        self.at(5 * 3600, ("will-warn", "ww@dst.example"))
        self.at(600, ("delivered", "d1@dst.example", "d2@dst.example"),
                ("partly-delivered", "ok@dst.example", "later1@dst.example"),
                ("partly-expired", "ok2@dst.example", "later3@dst.example"),
                ("returned", "fail@dst.example"), ("still-live", "later2@dst.example"),
                ("safe", "s@dst.example"), ("quarantined", "q@dst.example"),
                ("damaged", "dam@dst.example"), ("torn", "torn@dst.example"),
                ("same", "same@dst.example"), ("doubt", "doubt@dst.example"))
        qf("hold", "-C", cf, "--reason=looked at", self.ids["quarantined"])

    def lose(self, *names):
        """From the live queue, without a word in any log."""
        for name in names:
            remove(self.lab.queue, self.ids[name])


def drill(lab, sink):
    global restored
    d = Drill(lab, sink)
    d.fill()
    index("before")
    restored = os.path.join(tmp, "aws-backup-restore_2026-11-26T09-00-00-123Z", "mqueue")
    shutil.copytree(lab.queue, restored)
    shutil.rmtree(os.path.join(restored, ".qf"))
    # The real queue goes on.
    d.lose("expired", "will-warn", "safe", "quarantined", "damaged", "same", "doubt")
    d.again("same")
    d.again("doubt", "and more\n")
    sink.answer("rcpt", "450 4.2.0 later", only="later")
    sink.answer("rcpt", "550 5.1.1 no such", only="fail@")
    lab.run_queue()
    lab.run_queue()
    d.lose("partly-delivered", "partly-expired")
    d.at(0, ("new", "later-new@dst.example"))
    time.sleep(1.1)
    live = index("live")
    audit("log", lab.log)
    # A backup of files, not of an instant.
    path = os.path.join(restored, "qf" + d.ids["damaged"])
    write(path, read(path)[:-2])
    path = os.path.join(restored, "df" + d.ids["torn"])
    write(path, read(path)[:5])
    # As if it had been created long ago: its return time is over.
    path = os.path.join(restored, "qf" + d.ids["partly-expired"])
    then = int(time.time()) - 6 * 86400
    write(path, re.sub(rb"(?m)^T\d+$", b"T%d" % then, read(path)))
    old = os.path.join(restored, "qf" + d.ids["expired"])
    number = index("restored", "-Q", restored)
    records, rest, done = report("--snapshot=restored", "--against=live")
    got = {r["id"]: r for r in records}
    wanted = {name: {"partly-expired": "partly-delivered", "same": "delivered",
                     "doubt": "undecided"}.get(name, name) for name in d.ids if name != "new"}
    wrong = [(name, wanted[name], got.get(d.ids[name])) for name in wanted
             if got.get(d.ids[name], {}).get("class") != wanted[name]]
    tap.ok(not wrong and len(got) == len(wanted), "each message is in the class it belongs in",
           *wrong, done.stderr)
    states = {(name, r["address"].strip("<>")): r["state"] for name in wanted
              for r in got[d.ids[name]]["recipients"]}
    taken = {r for m in sink.messages for r in m["recipients"]}
    wrong = [(k, s) for k, s in states.items()
             if (s == "delivered") != (k[1] in taken) and k[0] not in ("torn", "damaged", "still-live", "doubt")]
    tap.ok(not wrong and states["returned", "fail@dst.example"] == "returned",
           "who has it is who the sink gave it to", wrong, states)
    tap.ok(all(r["evidence"] for r in records) and
           all("LogLevel 9" in got[d.ids[n]]["why"] for n in ("safe",)),
           "each class has its evidence", [r for r in records if not r["evidence"]], got[d.ids["safe"]])
    total = rest[-1]
    tap.ok(done.returncode == 1 and total["schema"] == "qf.audit.report.total/1" and
           total["snapshot"] == number and total["messages"] == len(records) and
           sum(total["classes"].values()) == len(records) and total["classes"]["safe"] == 1,
           "the total", total)
    actions = {name: got[d.ids[name]]["action"] for name in wanted}
    tap.ok(actions == {"damaged": "leave", "torn": "hold", "still-live": "rm", "delivered": "rm",
                       "returned": "rm", "partly-delivered": "edit", "partly-expired": "hold, edit",
                       "quarantined": "leave", "expired": "hold", "will-warn": "leave",
                       "safe": "leave", "same": "rm", "doubt": "hold"}, "and what the plan does with it", actions)
    expired = got[d.ids["expired"]]
    tap.ok(expired["expired"] and expired["return_at"] and not got[d.ids["safe"]]["expired"] and
           got[d.ids["will-warn"]]["warn_at"], "when it would be returned, or warned of", expired)
    records_seen.extend(records)
    totals_seen.append(total)
    return d


def forms(d):
    text = audit("report", "--snapshot=restored", "--against=live").stdout.decode()
    tap.ok(text.index("damaged") < text.index("The plan") and d.ids["torn"] in text and
           "qf rm -Q " + restored in text and "--drop-rcpt=" in text, "text: totals, and the plan", text)
    csv = audit("report", "--snapshot=restored", "--against=live", "--format=csv").stdout
    tap.ok(csv.startswith(b"id,queue,snapshot,class,expired,") and csv.count(b"\r\n") == 14, "CSV", csv)
    hidden = audit("report", "--snapshot=restored", "--against=live", "--redact",
                   "--format=json").stdout
    tap.ok(b"dst.example" not in hidden and b"later1" not in hidden, "--redact: no address", hidden)


class Page(html.parser.HTMLParser):
    """What a page shows, and what it would load."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.loads, self.rows, self.text, self.script = [], [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.loads += [v for k, v in attrs.items() if k in ("src", "href", "action", "data", "srcset")]
        self.script = tag in ("script", "style")
        if tag == "tr" and "data-class" in attrs:
            self.rows.append((attrs["data-class"], "hidden" in attrs))

    def handle_endtag(self, tag):
        self.script = False

    def handle_data(self, data):
        if not self.script:
            self.text.append(data)


def browser():
    return next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p),
                None)


def opened(path, fragment, *args):
    """The page as a browser has it after its script ran; without any network."""
    return subprocess.run([browser(), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                           "--user-data-dir=" + tmp + "/profile", "--host-resolver-rules=MAP * ~NOTFOUND",
                           "--virtual-time-budget=2000", "--window-size=1300,1000", *args,
                           "file://" + path + fragment], capture_output=True, timeout=120).stdout.decode()


def page(d):
    path = os.path.join(tmp, "report.html")
    write(path, b"an old one")
    os.chmod(path, 0o644)
    done = audit("report", "--snapshot=restored", "--against=live", "--html=" + path)
    text = read(path).decode()
    shown = Page(text)
    tap.ok(done.returncode == 1 and len(shown.rows) == 13 and not shown.loads and
           "default-src 'none'" in text and "svg" in shown.tags and
           all(i in text for n, i in d.ids.items() if n != "new") and "qf rm -Q" in text,
           "--html: totals, chart, table, plan, and nothing is loaded", shown.loads, done.stderr)
    tap.ok(os.stat(path).st_mode & 0o777 == 0o600, "it says who writes to whom: 0600")
    tap.ok(not re.search(r"https?:|//[a-z]", text), "no address of a web page in it")
    done = audit("report", "--snapshot=restored", "--html=/nonexistent/x.html")
    tap.ok(done.returncode == 66 and b"nonexistent" in done.stderr, "nowhere to write: said",
           done.returncode, done.stderr)
    if not browser():
        tap.skip("the page in a browser", "no chromium")
        return
    rows = Page(opened(path, "#safe%20s@dst", "--dump-dom")).rows
    tap.ok(len(rows) == 13 and [c for c, hidden in rows if not hidden] == ["safe"],
           "in a browser, its filter shows what it is to", rows)
    rows = Page(opened(path, "", "--dump-dom")).rows
    tap.ok(rows and not any(hidden for _, hidden in rows), "and all of it without one")
    picture = os.environ.get("QF_SCREEN") or os.path.join(tmp, "page.png")
    opened(path, "", "--screenshot=" + picture)
    tap.ok(os.path.exists(picture) and read(picture)[:4] == b"\x89PNG", "a screenshot")


HOSTILE = b"""<script>document.title='owned'</script><img src=x onerror="document.title='owned'">'"&amp;"""


def hostile():
    """Markup, escapes, NUL and what is no UTF-8: shown, never interpreted."""
    global db
    whole, db = db, os.path.join(tmp, "hostile.db")
    queue = os.path.join(tmp, "aws-backup-restore_h", "mqueue")
    os.makedirs(queue)
    for i, nasty in enumerate((HOSTILE, b"\x1b[2J\x1b]0;owned\x07", b"\xff\xfe\x80", b"'; DROP TABLE messages; --",
                               b"$(touch owned) `touch owned` '")):
        name = "6AO8MsV80%05d" % i
        write(os.path.join(queue, "df" + name), b"body\n")
        write(os.path.join(queue, "qf" + name), b"V8\nT%d\nK0\nN0\nP30000\nS<%s@src>\nRPFD:<%s@dst>\n"
              b"H??Subject: %s\n.\n" % (int(time.time()) - 60, nasty.replace(b"\xff", b"\xff\xff"),
                                        nasty.replace(b"\xff", b"\xff\xff"), nasty))
        os.chmod(os.path.join(queue, "qf" + name), 0o600)
    index("h", "-Q", queue)
    path = os.path.join(tmp, "hostile.html")
    done = audit("report", "--html=" + path)
    text = read(path).decode()
    shown = Page(text)
    tap.ok(shown.tags.count("script") == 1 and "img" not in shown.tags and len(shown.rows) == 5 and
           "document.title" in "".join(shown.text) and not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text),
           "hostile contents are text on the page", shown.tags, shown.rows)
    tap.ok(b"\x1b" not in done.stdout, "and on a terminal", done.stdout)
    records, rest, done = report()
    tap.ok(len(records) == 5 and len(rest) == 1, "and in JSON", done.stderr)
    if browser():
        dom = opened(path, "", "--dump-dom")
        tap.ok("<title>qf audit report</title>" in dom and "<img" not in dom, "a browser runs none of it",
               dom[:300])
    done = audit("report", "--apply", "--yes")
    tap.ok(done.returncode == 1 and not os.path.exists("owned") and
           len([n for n in os.listdir(queue) if n.startswith("hf")]) == 5, "and the plan is carried out",
           done.stderr)
    db = whole


def commands(d):
    """The commands of the plan do what --apply does."""
    copy = restored + "-copy"
    shutil.copytree(restored, copy)
    plan = [line for line in audit("report", "--snapshot=restored", "--against=live").stdout.decode()
            .split("The plan", 1)[1].splitlines()[1:] if line.startswith("qf ")]
    env = {**os.environ, "PATH": os.path.dirname(os.path.realpath(os.environ.get(
        "QF", "build/qf"))) + ":" + os.environ["PATH"]}
    runs = [subprocess.run(["sh", "-c", line.replace(restored, copy).replace("qf ", "qf ", 1)],
                           capture_output=True, env=env, stdin=subprocess.DEVNULL) for line in plan]
    tap.ok(plan and all(r.returncode == 0 for r in runs), "the commands of the plan run as they stand",
           plan, *[(r.args, r.stderr) for r in runs if r.returncode])
    return copy


def state_of(queue):
    """Names of control files, and who is owed."""
    found = {}
    for name in sorted(os.listdir(queue)):
        if name[:2] in ("qf", "hf", "Qf"):
            found[name] = sorted(re.findall(rb"(?m)^R[A-Z]*:(.*)$", read(os.path.join(queue, name))))
    return found


def apply(d, copy):
    args = ["--snapshot=restored", "--against=live", "--apply"]
    before = snapshot(restored)
    done = audit("report", "-n", *args)
    tap.ok(done.returncode == 1 and not differences(before, snapshot(restored)) and
           b"planned" in done.stdout, "--apply -n: says it, does nothing", done.stdout, done.stderr)
    done = audit("report", *args)
    tap.ok(done.returncode == 64 and b"--yes" in done.stderr and
           not differences(before, snapshot(restored)), "needs --yes off a terminal", done.stderr)
    done = audit("report", "--yes", "-Q", lab.queue, *args)
    tap.ok(done.returncode == 64 and not differences(before, snapshot(restored)),
           "another queue than the snapshot's: refused", done.returncode, done.stderr)
    stranger = os.path.join(restored, "qf" + d.ids["safe"])
    aside = os.path.join(tmp, "aside")
    was = state_of(restored)
    os.rename(stranger, aside)
    write(stranger, read(aside))
    os.chmod(stranger, 0o600)
    done = audit("report", "--yes", *args)
    tap.ok(done.returncode == 75 and d.ids["safe"].encode() in done.stderr and
           state_of(restored) == was, "a queue that has changed since: refused", done.returncode,
           done.stderr, state_of(restored))
    index("restored", "-Q", restored)
    done = audit("report", "--yes", "-Q", restored, "--format=json", *args)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    tally = lines[-1]
    tap.ok(done.returncode == 1 and tally["schema"] == "qf.tally/1" and
           tally["done"] == tally["selected"] == 10, "--apply: done", tally, done.stderr)
    tap.ok(state_of(restored) == state_of(copy), "the same as the commands do", state_of(restored),
           state_of(copy))
    journal = qf("journal", "-C", cf, "-Q", restored).stdout
    tap.ok(journal.count(b"audit report") == 10, "all of it is in the journal", journal)
    undone = [qf("undo", "-C", cf, "-Q", restored) for _ in range(10)]
    tap.ok(all(r.returncode == 0 for r in undone) and state_of(restored) == was,
           "and all of it can be taken back", *[r.stderr for r in undone], state_of(restored), was)
    index("restored", "-Q", restored)
    done = audit("report", "--yes", *args)
    tap.ok(done.returncode == 1 and state_of(restored) == state_of(copy), "and be done again",
           done.stderr)
    done = audit("report", "--yes", *args)
    tap.ok(done.returncode == 75, "the old snapshot is of a queue that is no more", done.returncode)
    records_seen.extend(r for r in lines if r["schema"] == "qf.audit.report/1")


def run_it(d):
    """The restored queue is run, and the real one: nobody gets a message twice, none loses one."""
    sink.clear()
    lab.run_queue("-OQueueDirectory=" + restored)
    lab.run_queue("-OQueueDirectory=" + restored)
    lab.run_queue()
    copies = {}
    for message in sink.messages:
        name = re.search(rb"Subject: (\S+)", message["headers"]).group(1).decode()
        for rcpt in message["recipients"]:
            if message["sender"]:
                copies[name, rcpt] = copies.get((name, rcpt), 0) + 1
    reports = [m for m in sink.messages if not m["sender"]]
    there = {**state_of(lab.queue), **state_of(restored)}
    wrong = []
    for name, rcpts in d.rcpts.items():
        for rcpt in rcpts:
            n = copies.get((name, rcpt), 0)
            kept = any(d.ids[name] in file and any(rcpt.encode() in r for r in owed)
                       for file, owed in there.items())
            returned = name == "returned"
            # What is torn or in doubt is held, whatever became of the real one.
            if (n if name in ("torn", "doubt") else n + kept + returned) != 1:
                wrong.append((name, rcpt, n, kept))
    tap.ok(not wrong, "no recipient has it twice, none has lost it", *wrong, there)
    # And none of the senders was told of a return again.
    returns = [m for m in reports if b"Returned mail" in m["headers"] or b"undeliver" in m["headers"].lower()]
    tap.ok(len(returns) == 1, "one return, the one of the real queue",
           [m["headers"][-400:] for m in returns])
    tap.ok(sum(m["recipients"] == ["ann@src.example"] and m["sender"] == "" for m in sink.messages)
           == len(reports) and copies.get(("safe", "s@dst.example")) == 1, "what was safe went out", copies)


def without_evidence(d):
    """No log, or one at LogLevel 2: nothing is decided, everything is held."""
    global db
    whole, db = db, os.path.join(tmp, "nothing.db")
    queue = os.path.join(tmp, "aws-backup-restore_x", "mqueue")
    os.makedirs(queue)
    now = int(time.time())
    for i in range(3):
        write(os.path.join(queue, "df6AO8MsV80%05d" % i), b"body\n")
        write(os.path.join(queue, "qf6AO8MsV80%05d" % i), b"V8\nT%d\nK0\nN0\nP30000\nS<ann@src.example>\n"
              b"RPFD:<b%d@dst.example>\nH??Message-Id: <m%d@x>\n.\n" % (now - 60, i, i))
        os.chmod(os.path.join(queue, "qf6AO8MsV80%05d" % i), 0o600)
    index("r", "-Q", queue)
    records, rest, done = report()
    tap.ok(done.returncode == 1 and {r["class"] for r in records} == {"undecided"} and
           {r["action"] for r in records} == {"hold"} and all("LogLevel 8" in r["missing"] for r in records),
           "no log: undecided, and what it would take", records, done.stderr)
    quiet = os.path.join(tmp, "quiet.log")
    stamp = time.strftime("%b %e %H:%M:%S", time.gmtime(now - 3600))
    write(quiet, b"%s lab sendmail[1]: starting daemon (8.17): SMTP\n" % stamp.encode())
    audit("log", quiet)
    records, rest, done = report("--snapshot=r")
    tap.ok({r["class"] for r in records} == {"undecided"} and all("LogLevel" in r["missing"] for r in records),
           "LogLevel 2: no better", records)
    # The same again in another tree: a backup may have it twice.
    other = os.path.join(tmp, "aws-backup-restore_y", "mqueue")
    shutil.copytree(queue, other)
    index("two", "-Q", os.path.dirname(queue), "-Q", os.path.dirname(other))
    records, rest, done = report("--snapshot=two")
    classes = sorted(r["class"] for r in records)
    tap.ok(classes == ["torn"] * 3 + ["undecided"] * 3, "a message that lies there twice", classes,
           done.stderr)
    # In the live queue under another id.
    live = os.path.join(tmp, "live")
    os.makedirs(live)
    for name in os.listdir(queue):
        if name.endswith("1") and name[:2] in ("qf", "df"):
            shutil.copy2(os.path.join(queue, name), os.path.join(live, name[:2] + "6AO9MsV8000007"))
    index("l", "-Q", live, "--digest")
    records, rest, done = report("--snapshot=r", "--against=l")
    got = {r["id"]: r["class"] for r in records}
    tap.ok(got == {"6AO8MsV8000000": "undecided", "6AO8MsV8000001": "still-live",
                   "6AO8MsV8000002": "undecided"}, "a double under another id", records)
    for args, status, word in ((["--snapshot=nonsense"], 66, b"there are"),
                               (["--snapshot=r", "--against=r"], 64, b"live"), (["r"], 64, b"no arg")):
        done = audit("report", *args)
        tap.ok(done.returncode == status and word in done.stderr and not done.stdout,
               "said: " + " ".join(args), done.stderr)
    db = whole


def stamp(when):
    return time.strftime("%b %e %H:%M:%S", time.gmtime(when))


DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"


def id_at(when, n):
    """An id of that second, as sendmail makes it: the zone of a log is learned from them."""
    t = time.gmtime(when)
    return "".join(DIGITS[i] for i in ((t.tm_year - 1900) % 60, t.tm_mon - 1, t.tm_mday, t.tm_hour,
                                       t.tm_min, t.tm_sec, 0, n)) + "012345"


class Unsafe:
    """Restored queues by hand, and a log of LogLevel 9 that goes on to the end."""

    def __init__(self, name):
        global db
        self.name, self.now, self.lines = name, int(time.time()), []
        self.ids = {}
        db = os.path.join(tmp, name + ".db")
        self.say(3000, "starting daemon (8.17.1): SMTP+queueing@00:30:00", id=None)
        other = id_at(self.now - 2900, 40)
        self.accepted(other, 2900)
        self.to(other, "<z@dst.example>", 2899, "Deferred: x", "4.0.0")
        self.to(other, "<z@dst.example>", 2898)

    def queue(self, tree="x"):
        return os.path.join(tmp, "aws-backup-restore_%s-%s" % (self.name, tree), "mqueue")

    def message(self, n, *rcpts, tree="x", mid=None, more=b"", age=600):
        id = id_at(self.now - age, n)
        path = self.queue(tree)
        os.makedirs(path, exist_ok=True)
        write(os.path.join(path, "df" + id), b"body\n")
        write(os.path.join(path, "qf" + id), b"V8\nT%d\nK0\nN0\nP30000\nS<ann@src.example>\n" % (
            self.now - age) + b"".join(b"RPFD:%s\n" % r.encode() for r in rcpts) +
            b"H??Message-Id: <%s@x>\n.\n" % (mid or id).encode())
        os.chmod(os.path.join(path, "qf" + id), 0o600)
        return id

    def say(self, ago, text, id=None):
        self.lines.append("%s lab sendmail[7]: %s%s\n" % (stamp(self.now - ago), id + ": " if id else "", text))

    def accepted(self, id, ago=600, sender="<ann@src.example>", mid=None, n=1):
        self.say(ago, "from=%s, size=5, class=0, nrcpts=%d, msgid=<%s@x>, proto=ESMTP, daemon=MTA, "
                 "relay=h [192.0.2.1]" % (sender, n, mid or id), id)

    def to(self, id, rcpt, ago=590, stat="Sent (ok)", dsn="2.0.0", more=""):
        self.say(ago, "to=%s,%s delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=30057, "
                 "relay=mx.dst.example. [198.51.100.7], dsn=%s, stat=%s" % (rcpt, more, dsn, stat), id)

    def index(self, *trees):
        index("r", *["-Q" + self.queue(t) for t in trees or "x"])
        path = os.path.join(tmp, self.name + ".log")
        write(path, "".join(self.lines).encode())
        audit("log", path)

    def judged(self, *args):
        records, rest, done = report("--snapshot=r", *args)
        return {(r["id"], os.path.basename(os.path.dirname(r["queue"])).rsplit("-", 1)[1]): r
                for r in records}, done


def not_proven():
    """What the log says of another message, or under other names, makes nothing safe or delivered."""
    u = Unsafe("proof")
    id = {n: u.message(i, r) for i, (n, r) in enumerate((
        ("safe", "<s@dst.example>"), ("other-mid", "<m@dst.example>"), ("other-sender", "<o@dst.example>"),
        ("alias", "list"), ("elsewhere", "<e@dst.example>"), ("half", "<h@dst.example>")))}
    u.accepted(id["safe"])
    u.accepted(id["other-mid"], mid="another")
    u.to(id["other-mid"], "<m@dst.example>")
    u.accepted(id["other-sender"], sender="<eve@other.example>")
    u.to(id["other-sender"], "<o@dst.example>")
    u.accepted(id["alias"])
    u.to(id["alias"], "<member@dst.example>", more=" ctladdr=<list@lab> (1/1),")
    # One recipient was served before the backup: that makes the other one no alias.
    u.accepted(id["half"], n=2)
    u.to(id["half"], "<h@dst.example>", stat="Deferred: x", dsn="4.0.0")
    u.to(id["half"], "<before@dst.example>")
    u.index()
    got, done = u.judged()
    got = {n: got[i, "x"] for n, i in id.items()}
    classes = {n: r["class"] for n, r in got.items()}
    tap.ok(classes == {"safe": "safe", "half": "safe", "other-mid": "undecided", "other-sender": "undecided",
                       "alias": "undecided", "elsewhere": "undecided"},
           "lines about another message, or other names, prove nothing", classes, done.stderr)
    tap.ok("alias" in got["alias"]["missing"] and "host that accepted" in got["elsewhere"]["missing"] and
           "another" in got["other-mid"]["missing"], "and why is said",
           {n: r["missing"] for n, r in got.items()})


def alias_looked_up_late():
    """The real sendmail looks up an alias when it delivers; the restored copy has the alias alone."""
    global db, cf
    whole, usual = db, cf
    with Lab(options={"LogLevel": "9", "DeliveryMode": "defer"}) as late, Sink() as there:
        db, cf = os.path.join(tmp, "alias.db"), late.cf
        late.relay_to(there)
        late.aliases("list: m1@dst.example, m2@dst.example\n")
        daemon = late.daemon()
        submit(daemon.port, "ann@src.example", ["list"], "Subject: x\n\nhello\n")
        daemon.stop()
        copy = os.path.join(tmp, "aws-backup-restore_alias", "mqueue")
        shutil.copytree(late.queue, copy)
        index("r", "-Q", copy)
        late.run_queue()
        time.sleep(1.1)
        index("live")
        audit("log", late.log)
        records, rest, done = report("--snapshot=r", "--against=live")
        tap.ok([m["recipients"] for m in there.messages] == [["m1@dst.example", "m2@dst.example"]] and
               [(r["class"], r["action"]) for r in records] == [("undecided", "hold")] and
               "alias" in records[0]["missing"],
               "sent to the members of an alias: not safe to send again", records, done.stderr)
    db, cf = whole, usual


def newer_beside():
    """A tf that is newer tells who was served: qf orphans comes first, and --apply leaves the message."""
    global db
    whole, db = db, os.path.join(tmp, "beside.db")
    queue, live = os.path.join(tmp, "aws-backup-restore_beside", "mqueue"), os.path.join(tmp, "beside-live")
    os.makedirs(queue)
    os.makedirs(live)
    now = int(time.time())
    id = id_at(now - 3000, 1)
    text = ("V8\nT%d\nK0\nN0\nP30000\nS<ann@src.example>\n%sH??Message-Id: <1@x>\n.\n")
    for folder in (queue, live):
        write(os.path.join(folder, "df" + id), b"body\n")
        write(os.path.join(folder, "qf" + id), (text % (now - 3000, "RPFD:<a@dst.example>\nRPFD:<b@dst.example>\n")).encode())
        os.chmod(os.path.join(folder, "qf" + id), 0o600)
    write(os.path.join(queue, "tf" + id), (text % (now - 3000, "RPFD:<b@dst.example>\n")).encode())
    os.chmod(os.path.join(queue, "tf" + id), 0o600)
    for name, ago in (("df", 3000), ("qf", 3000), ("tf", 2900)):
        os.utime(os.path.join(queue, name + id), (now - ago, now - ago))
    index("live", "-Q", live)
    index("r", "-Q", queue)
    records, rest, done = report("--snapshot=r", "--against=live")
    command = records[0]["command"]
    tap.ok(records[0]["class"] == "still-live" and command.startswith("qf orphans -Q ") and
           command.index("qf orphans") < command.index("&& qf rm "), "a newer tf beside it: qf orphans first", records)
    text = audit("report", "--snapshot=r", "--against=live").stdout
    tap.ok(command.encode() in text, "so it stands in the plan", text)
    before = state_of(queue)
    done = audit("report", "--snapshot=r", "--against=live", "--apply", "--yes")
    tap.ok(done.returncode == 2 and b"qf orphans first" in done.stderr and state_of(queue) == before,
           "--apply leaves it, and says so", done.returncode, done.stderr)
    run = subprocess.run(["sh", "-c", command.replace("qf ", QF + " ", 1).replace("&& qf ", "&& %s " % QF)],
                         capture_output=True, env={**os.environ, "QF_CONF": "/dev/null"})
    tap.ok(run.returncode == 0 and not state_of(queue) and not os.path.exists(os.path.join(queue, "tf" + id)),
           "the command does it", run.stdout, run.stderr, os.listdir(queue))
    db = whole


def told_apart():
    """What differs in the tree alone, or in the case of letters alone."""
    u = Unsafe("apart")
    first = u.message(1, "<keep@dst.example>", tree="a")
    u.message(1, "<other@dst.example>", tree="b", mid="m2")
    u.message(2, "<q@dst.example>", tree="b")
    u.accepted(first)
    u.accepted(id_at(u.now - 600, 2))
    u.index("a", "b")
    got, done = u.judged()
    torn = [t for t in "ab" if got[first, t]["class"] == "torn"]
    done = audit("report", "--snapshot=r", "--apply", "--yes")
    names = {t: sorted(n for n in os.listdir(u.queue(t)) if n.endswith(first) and n[0] != "d") for t in "ab"}
    tap.ok(torn == ["b"] and names == {"a": ["qf" + first], "b": ["hf" + first]},
           "one id in two trees: the one that was judged is changed", names, torn, done.stderr)
    u = Unsafe("case")
    id = u.message(1, "<Bob@dst.example>", "<bob@dst.example>", "<carl@dst.example>", "<A.d/e@dst.example>",
                   "<a.D/e@dst.example>")
    u.accepted(id, n=5)
    for rcpt in ("<Bob@dst.example>", "<carl@dst.example>", "<a.D/e@dst.example>"):
        u.to(id, rcpt)
    u.to(id, "<bob@dst.example>", 500, "Deferred: x", "4.0.0")
    u.to(id, "<A.d/e@dst.example>", 500, "Deferred: x", "4.0.0")
    u.index()
    shutil.copytree(u.queue(), u.queue("y"))
    command = u.judged()[0][id, "x"]["command"]
    done = audit("report", "--snapshot=r", "--apply", "--yes")
    left = state_of(u.queue()).get("qf" + id)
    tap.ok(left == [b"<A.d/e@dst.example>", b"<bob@dst.example>"],
           "recipients that differ by case: who is open stays", left, done.stdout, done.stderr)
    env = {**os.environ, "PATH": os.path.dirname(os.path.realpath(os.environ.get(
        "QF", "build/qf"))) + ":" + os.environ["PATH"]}
    subprocess.run(["sh", "-c", command.replace(u.queue(), u.queue("y")).replace("qf edit", "qf edit -C none", 1)],
                   env=env, stdin=subprocess.DEVNULL, capture_output=True)
    tap.ok(state_of(u.queue("y")).get("qf" + id) == left, "by the command, too", command)


def faulty(at, do, during=lambda: None):
    """--apply of the plan, and at that change of files something happens."""
    library = os.path.join(tmp, "faults.so")
    if not os.path.exists(library):
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", library,
                        os.path.join(FIXTURES, "lab/faults.c"), "-ldl"], check=True, capture_output=True)
    run = subprocess.Popen([os.environ.get("QF", "build/qf"), "audit", "report", "--db=" + db, "-C", cf,
                            "--snapshot=r", "--apply", "--yes", "--format=json"],
                           env={**os.environ, "LD_PRELOAD": library, "FAULTS_AT": str(at), "FAULTS_DO": do},
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if do == "stop":
        wait_until(lambda: run.poll() is not None or
                   open("/proc/%d/stat" % run.pid).read().rsplit(")", 1)[1].split()[0] == "T")
        during()
        run.send_signal(18)
    out, err = run.communicate(timeout=60)
    return run.returncode, out, err


def under_way():
    """Between the look at the queue and the change, somebody else changes it; or a hold fails."""
    wrong, refused = [], 0
    for at in range(1, 30):
        u = Unsafe("change%d" % at)
        id = u.message(1, "<d@dst.example>")
        u.accepted(id)
        u.to(id, "<d@dst.example>")
        u.index()
        path, added = os.path.join(u.queue(), "qf" + id), []

        def add():
            """As whoever heeds the lock."""
            if not os.path.exists(path):
                return
            with open(path, "r+b") as f:
                try:
                    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return
                content = f.read().replace(b"RPFD:", b"RPFD:<new@dst.example>\nRPFD:", 1)
                write(path + "new", content)
                os.chmod(path + "new", 0o600)
                os.rename(path + "new", path)
                added.append(at)

        status, out, err = faulty(at, "stop", add)
        refused += status == 2 and b'"changed":1' in out.replace(b" ", b"")
        if added and state_of(u.queue()).get("qf" + id) != [b"<d@dst.example>", b"<new@dst.example>"]:
            wrong.append((at, status, out[-400:], err))
    tap.ok(not wrong and refused, "a message that changes after the look at the queue is not removed",
           refused, *wrong[:3])
    # Expired, and one of two is delivered: hold and edit.
    wrong, refused = [], 0
    for at in range(1, 30):
        u = Unsafe("hold%d" % at)
        id = u.message(1, "<d@dst.example>", "<l@dst.example>", age=2000)
        path = os.path.join(u.queue(), "qf" + id)
        write(path, re.sub(rb"(?m)^T\d+$", b"T%d" % (u.now - 6 * 86400), read(path)))
        os.chmod(path, 0o600)
        u.accepted(id, 2000, n=2)
        u.to(id, "<d@dst.example>", 1990)
        u.to(id, "<l@dst.example>", 1990, "Deferred: x", "4.0.0")
        u.index()
        status, out, err = faulty(at, "5")
        state = state_of(u.queue())
        refused += "qf" + id in state and status == 2
        if "qf" + id in state and len(state["qf" + id]) < 2:
            wrong.append((at, state, out[-300:], err))
    tap.ok(not wrong and refused, "what cannot be held is not edited either", refused, *wrong[:3])


def schemas():
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        tap.skip("records keep to their schemas", "no python3-jsonschema")
        return
    wrong = []
    for name, got in (("audit-report", records_seen), ("audit-report-total", totals_seen)):
        with open(os.path.join(os.path.dirname(FIXTURES), "docs/schema/%s.json" % name)) as f:
            validator = Draft202012Validator(json.load(f))
        wrong += [(name, e.message) for r in got for e in validator.iter_errors(r)]
        wrong += [(name, "none")] * (not got)
    tap.ok(not wrong, "records keep to their schemas", *wrong[:5])


def plans():
    """Every statement finds its rows by an index."""
    top = os.path.join(os.path.dirname(FIXTURES), "tools")
    connection = sqlite3.connect(db)
    connection.create_function("qf_address", 1, lambda x: x)
    wrong, n = [], 0
    with open(os.path.join(top, "audit_recall.h")) as f:
        columns = f.read()
    for name in ("audit_classify.c", "audit_whole.c", "audit_apply.c"):
        with open(os.path.join(top, name)) as f:
            source = f.read()
        for macro, text in re.findall(r"#define (\w+)\s*\\\n((?:.*\\\n)*.*\n)", source + columns):
            source = re.sub(r'(")\s*\b%s\b\s*(["\n;])' % macro,
                            lambda m: m[1] + " " + text.replace("\\\n", "\n") + m[2], source)
        for text in re.findall(r'((?:"(?:[^"\\]|\\.)*"\s*)+)', source):
            sql = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text))
            if not sql.startswith("SELECT"):
                continue
            n += 1
            count = max([int(x) for x in re.findall(r"\?(\d)", sql)] + [0])
            for row in connection.execute("EXPLAIN QUERY PLAN " + sql, (1,) * count):
                if re.match(r"SCAN (?!CONSTANT)", row[3]):
                    wrong.append((name, row[3], sql))
    tap.ok(not wrong and n >= 8, "no statement goes through a whole table", n, *wrong)


records_seen, totals_seen = [], []
tmp = tempfile.mkdtemp(prefix="qf-report.")
db = os.path.join(tmp, "audit.db")
try:
    try:
        lab = Lab(options={"LogLevel": "9", "Timeout.queuereturn": "5d", "Timeout.queuewarn": "4h"})
    except Missing as why:
        skip_all(str(why))
    cf = lab.cf
    try:
        with Sink() as sink:
            lab.relay_to(sink)
            d = drill(lab, sink)
            forms(d)
            page(d)
            copy = commands(d)
            apply(d, copy)
            run_it(d)
        plans()
        without_evidence(d)
        hostile()
        not_proven()
        alias_looked_up_late()
        newer_beside()
        told_apart()
        under_way()
        schemas()
    finally:
        lab.stop()
        shutil.rmtree(lab.dir, ignore_errors=True)
finally:
    shutil.rmtree(tmp, ignore_errors=True)
tap.done()
