#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""How qf audit report and reconcile judge messages and recipients: queues and logs written by hand, in
the form of sendmail's, each with one thing that shows no more than it says."""
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", "test-fixtures"), "lab"))
from harness import qf
from tap import Tap

tap = Tap()
NOW = int(time.time())
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
A, B, CAME = 3600, 50, 4000    # seconds ago
a, b = "<a@dst.example>", "<b@dst.example>"
RECEIVED = ("Received: from c (c [192.0.2.1])\n\tby lab.example (8.17/8.17) with ESMTP id %s%s; "
            "Fri, 27 Nov 2026 07:00:00 GMT\n")


def id_at(ago, n):
    """An id of that second, as sendmail makes it: the zone of a log is learned from them."""
    t = time.gmtime(NOW - ago)
    return "".join(DIGITS[i] for i in ((t.tm_year - 1900) % 60, t.tm_mon - 1, t.tm_mday, t.tm_hour,
                                       t.tm_min, t.tm_sec, 0, n)) + "012345"


def line(ago, id, text):
    return "%s lab sendmail[7]: %s%s\n" % (time.strftime("%b %e %H:%M:%S", time.gmtime(NOW - ago)),
                                           id + ": " if id else "", text)


def came(ago, id, n=1, size=5):
    return line(ago, id, "from=<ann@src.example>, size=%d, class=0, nrcpts=%d, msgid=<%s@x>, proto=ESMTP, "
                "daemon=MTA, relay=h [192.0.2.1]" % (size, n, id))


def to(ago, id, rcpts, stat="Sent (ok)", dsn="2.0.0", more="", pri=30005, delay="00:00:01"):
    return line(ago, id, "to=%s,%s delay=%s, xdelay=00:00:00, mailer=esmtp, pri=%d, "
                "relay=mx.dst.example. [198.51.100.7], dsn=%s, stat=%s" % (rcpts, more, delay, pri, dsn, stat))


def deferred(ago, id, rcpts):
    return to(ago, id, rcpts, "Deferred: x", "4.0.0")


def failed(ago, id, rcpts):
    return to(ago, id, rcpts, "User unknown", "5.1.1")


def report_of(ago, id, n, text="User unknown"):
    report = id_at(ago, n)
    return line(ago, id, "%s: DSN: %s" % (report, text)) + to(ago - 1, report, "<ann@src.example>")


EXPIRED = "Cannot send message for 5 days"
AS_LIST = " ctladdr=<list@lab.example> (1/1),"


class Case:
    """A database, a live queue, a restored one, and a log of LogLevel 9 that goes on to the end."""

    def __init__(self, name):
        self.dir = os.path.join(tmp, name)
        self.queue = os.path.join(self.dir, "mqueue")
        self.restored = os.path.join(self.dir, "aws-backup-restore_x", "mqueue")
        self.db = os.path.join(self.dir, "audit.db")
        os.makedirs(self.queue)
        other = id_at(9000, 40)
        self.lines = [line(9100, None, "starting daemon (8.17.1): SMTP+queueing@00:30:00"), came(9000, other),
                      deferred(8999, other, "<z@dst.example>"), to(8998, other, "<z@dst.example>")]

    def put(self, n, *rcpts, queue=None, ago=CAME, body="body\n", flags="PFD", more="", tried=0, sender="<ann@src.example>",
            msgid="<%ID@x>"):
        id = id_at(ago, n)
        os.makedirs(queue or self.queue, exist_ok=True)
        for name, content in (("df", body), ("qf", "V8\nT%d\nK%d\nN%d\nP30000\nS%s\n%s%sH??Subject: x\n"
                                                   "H??Message-Id: %s\n.\n" % (
                                                       NOW - ago, tried and NOW - tried, tried and 1, sender, "".join("R%s:%s\n" % (flags, r) for r in rcpts),
                                                       more.replace("%ID", id), msgid.replace("%ID", id)))):
            path = os.path.join(queue or self.queue, name + id)
            with open(path, "w") as f:
                f.write(content)
            os.chmod(path, 0o600)
        return id

    def lose(self, *ids):
        for name in os.listdir(self.queue):
            if name[2:] in ids:
                os.unlink(os.path.join(self.queue, name))

    def audit(self, command, *args):
        return qf("audit", command, "--db=" + self.db, "-C", "none", *args)

    def index(self, label, *queues):
        done = self.audit("index", "--label=" + label, "--digest", *["-Q" + q for q in queues or [self.queue]])
        assert done.returncode == 0, done.stderr

    def at(self, label, ago):
        connection = sqlite3.connect(self.db)
        connection.execute("UPDATE snapshots SET started = ?1, finished = ?1 WHERE label = ?2", (NOW - ago, label))
        connection.execute("UPDATE presence SET seen = ?1 WHERE snapshot = (SELECT id FROM snapshots WHERE "
                           "label = ?2)", (NOW - ago, label))
        connection.commit()
        connection.close()

    def log(self, *lines):
        path = os.path.join(self.dir, "mail.log")
        with open(path, "w") as f:
            f.writelines(self.lines + list(lines))
        done = self.audit("log", path)
        assert done.returncode == 0, done.stderr

    def reconcile(self, *lines, b=B):
        """{(id, recipient): outcome}, the total"""
        self.at("a", A)
        self.at("b", b)
        self.log(*lines)
        done = self.audit("reconcile", "a", "b", "-v", "--format=json")
        records = [json.loads(x) for x in done.stdout.splitlines()]
        self.why = [r["why"] for r in records[:-1] if r["why"]]
        self.status = done.returncode
        return {(r["id"], (r["recipient"] or "?").strip("<>")[:1]): r["outcome"] for r in records[:-1]}, records[-1]

    def report(self, *lines, rcpts=(a,), more="", body="body\n", live=()):
        """The class and the action of one message, and what is missing."""
        id = self.put(5, *rcpts, queue=self.restored, ago=2000, more=more, body=body)
        if live:
            self.put(5, *live, ago=2000)
        self.index("live")
        self.index("r", self.restored)
        self.log(*[x(id) for x in lines])
        done = self.audit("report", "--snapshot=r", "--against=live", "--format=json")
        record = json.loads(done.stdout.splitlines()[0])
        return record["class"], record["action"], record["missing"] or record["why"]


def later(text):
    """Of another process."""
    return text.replace("sendmail[7]", "sendmail[8]")


def reports():
    """{name: (class, action, a word of the reason)}"""
    accepted = lambda n=1, size=5: lambda id: came(2000, id, n, size)
    line_of = lambda f, *args, **words: lambda id: f(args[0], id, *args[1:], **words)
    cut = lambda id: to(1990, id, a + "," + b).split("dsn=")[0].rstrip() + "\n"
    undecided = ("undecided", "hold")
    lists = "<list@lab.example>"
    hops = lambda id: later(report_of(1000, id, 7, "Too many hops 26 (25 max): from <ann@src.example>"))
    done = lambda id: later(line(990, id, "done; delay=00:00:20, ntries=2"))
    for name, wanted, word, lines, words in (
            ("too many hops", ("returned", "rm"), "returned", [accepted(), line_of(deferred, 1990, a), hops], {}),
            ("a report of the same attempt", undecided, "reported to its sender as failed",
             [accepted(), line_of(deferred, 1000, a), line_of(report_of, 1000, 7, ":include:/x... Cannot open")], {}),
            ("a report before the last attempt", undecided, "reported to its sender as failed",
             [accepted(), hops, line_of(deferred, 900, a)], {}),
            ("too many hops, of two", undecided, "reported to its sender as failed", [accepted(2), hops],
             {"rcpts": (a, b)}),
            ("too many hops, of two, and done", ("returned", "rm"), "returned",
             [accepted(2), line_of(deferred, 1990, a), hops, done], {"rcpts": (a, b)}),
            ("a report about another one", ("partly-delivered", "edit"), "1 of 2 are open",
             [accepted(2), line_of(deferred, 1500, a), line_of(failed, 1000, b), line_of(report_of, 1000, 7)],
             {"rcpts": (a, b)}),
            ("done, and no more", undecided, "left the queue", [accepted(), line_of(deferred, 1990, a), done], {}),
            ("done, and one sent", ("partly-delivered", "hold, edit"), "for whom",
             [accepted(2), line_of(deferred, 1990, a), line_of(to, 1000, b), done], {"rcpts": (a, b)}),
            ("reported, and one sent", ("partly-delivered", "hold, edit"), "for whom",
             [accepted(2), line_of(deferred, 1990, a), line_of(to, 1000, b), hops], {"rcpts": (a, b)}),
            ("nothing in the way", ("safe", "leave"), "no line", [accepted(), line_of(deferred, 1990, a)], {}),
            ("a to= line that was cut", undecided, "cannot be read", [accepted(2), cut], {"rcpts": (a, b)}),
            ("a to= line without recipients", undecided, "cannot be read", [accepted(), line_of(to, 1990, "")], {}),
            ("sent, by a line with an address that was shortened", undecided, "cannot be read",
             [accepted(), line_of(to, 1990, '<"aaaa...bb@dst.example>')], {}),
            ("an alias that was queued first", undecided, "alias",
             [accepted(), line_of(to, 2000, lists, "queued"), line_of(to, 1000, "<m1@dst.example>", more=AS_LIST)],
             {"rcpts": (lists,)}),
            ("an alias that was deferred first", undecided, "alias",
             [accepted(), line_of(deferred, 2000, lists), line_of(to, 1000, "<m1@dst.example>", more=AS_LIST)],
             {"rcpts": (lists,)}),
            ("an alias, refused for a member", undecided, "alias",
             [accepted(), line_of(failed, 1000, "m1@dst.example"), line_of(report_of, 1000, 7)], {"rcpts": (lists,)}),
            ("beside an alias, deferred: no doubt about that", ("safe", "leave"), "no line",
             [accepted(2), line_of(deferred, 1000, a), line_of(to, 1000, "<m1@dst.example>", more=AS_LIST)], {}),
            ("a local sender controls what it sends: no alias", ("safe", "leave"), "no line",
             [accepted(2), line_of(deferred, 1000, a),
              line_of(to, 900, "<before@dst.example>", more=" ctladdr=<ann@src.example> (1000/1000),")], {}),
            ("less body than the log says", undecided, "whole", [accepted(size=5000)], {"body": ""}),
            ("as much body as the log says", ("safe", "leave"), "no line",
             [accepted(size=5 + len("Message-Id: <@x>\n\n") + 14)], {}),
            ("sent before it was created", undecided, "two ways", [accepted(), line_of(to, 8000, a)], {}),
            ("in the live queue", ("still-live", "rm"), "still", [accepted()], {"live": (a,)}),
            ("in the live queue for one of two", undecided, "live copy", [accepted(2), line_of(deferred, 1990, a)],
             {"rcpts": (a, b), "live": (a,)}),
            ("in the live queue for one, the other one sent", ("still-live", "rm"), "served",
             [accepted(2), line_of(to, 1990, b)], {"rcpts": (a, b), "live": (a,)})):
        case = Case("report-%d" % tap.results)
        got = case.report(*lines, **words)
        tap.ok(got[:2] == wanted and word in got[2], "report: " + name, got)


def not_live():
    """A copy is live where another queue has it, later than the restored one says of itself."""
    undecided, live = ("undecided", "hold"), ("still-live", "rm")
    for name, against, wanted, word in (
            ("there before the copy was last tried", "old", undecided, "later snapshot"),
            ("there since", "live", live, "still"),
            ("nothing but the restored queue, seen again", "again", ("safe", "leave"), "no line"),
            ("the restored queue, by another path", "link", undecided, "same file"),
            ("restored trees, another of which has it", "all", undecided, "restored one"),
            ("the restored queue, and the live one, too", "whole", live, "still")):
        case = Case("live-%d" % tap.results)
        backup = os.path.join(case.dir, "backup", "mqueue")
        restored = case.restored if against in ("all", "whole") else backup
        id = case.put(5, a)
        case.index("old")
        case.at("old", CAME - 500)
        if against in ("live", "whole"):
            case.index("live")
        else:
            case.lose(id)
        case.put(5, a, queue=restored, tried=2000)
        if against == "all":
            shutil.copytree(case.restored, case.restored.replace("_x", "_y"))
        case.index("r", restored)
        case.index("again", restored)
        os.symlink(os.path.dirname(restored), os.path.join(case.dir, "link"))
        if against == "link":
            case.index("link", os.path.join(case.dir, "link", "mqueue"))
        if against == "all":
            case.index("all", case.dir)
        if against == "whole":
            case.index("whole", case.restored, case.queue)
        case.log(came(CAME, id), deferred(2000, id, a), came(1, id_at(1, 30)))
        done = case.audit("report", "--snapshot=r", "--against=" + against, "--format=json")
        record = json.loads(done.stdout.splitlines()[0])
        got = record["class"], record["action"], record["missing"] or record["why"]
        tap.ok(got[:2] == wanted and word in got[2], "not live: " + name, got, done.stderr)
    # Never tried: of when it was copied the others beside it tell.
    case = Case("live-beside")
    id = case.put(5, a)
    case.index("old")
    case.at("old", CAME - 500)
    case.lose(id)
    case.put(5, a, queue=case.restored)
    case.put(6, b, queue=case.restored, tried=2000)
    case.index("r", case.restored)
    case.log(came(CAME, id), came(1, id_at(1, 30)))
    done = case.audit("report", "--snapshot=r", "--against=old", "--format=json")
    got = {r["id"]: (r["class"], r["action"], r["missing"]) for r in map(json.loads, done.stdout.splitlines())
           if r.get("id")}[id]
    tap.ok(got[:2] == undecided and "later snapshot" in got[2], "not live: there before another copy was last tried",
           got, done.stderr)


def live_elsewhere():
    """Under another id: the same for all of its recipients, with a body that was read."""
    undecided = ("undecided", "hold")
    for name, rcpts, digest, body, wanted, word in (
            ("all of them", (a, b), True, "body\n", ("still-live", "rm"), "still"),
            ("one of them", (a,), True, "body\n", undecided, "some of its recipients"),
            ("none of them", ("<c@dst.example>",), True, "body\n", ("safe", "leave"), "no line"),
            ("a body nobody read", (a, b), False, "body\n", undecided, "not read"),
            ("another body", (a, b), True, "b0dy\n", ("safe", "leave"), "no line")):
        case = Case("elsewhere-%d" % tap.results)
        k = case.put(6, *rcpts, ago=1500, msgid="<m@x>", body=body)
        id = case.put(5, a, b, queue=case.restored, ago=2000, msgid="<m@x>")
        case.index("live")
        if not digest:
            connection = sqlite3.connect(case.db)
            connection.execute("UPDATE messages SET data_digest = NULL")
            connection.commit()
            connection.close()
        case.index("r", case.restored)
        case.log(came(2000, id, 2).replace(id + "@x", "m@x"), deferred(1900, id, a + "," + b), came(1, id_at(1, 30)))
        done = case.audit("report", "--snapshot=r", "--against=live", "--format=json")
        record = json.loads(done.stdout.splitlines()[0])
        got = record["class"], record["action"], record["missing"] or record["why"]
        tap.ok(got[:2] == wanted and word in got[2], "live under another id: " + name, got, done.stderr)


def mailboxes():
    """A file proves delivery to one recipient at most, and to nobody where it may be another's."""
    alice, mail, plus = "<alice@dst.example>", "<mail@dst.example>", "<alice+x@dst.example>"
    for name, rcpts, path, received, wanted in (
            ("a directory of the path is no owner", (alice, mail), "mail/dst.example/alice/Maildir", "", {alice}),
            ("the user mail", (alice, mail), "x/dst.example/mail/Maildir", "", {mail}),
            ("two that share a mailbox", (alice, plus), "x/dst.example/alice/Maildir", "", set()),
            ("two of one local part", (alice, "<alice@other.example>"), "home/alice/Maildir",
             "\n\tfor <list@lab.example>", set()),
            ("another member of the alias may have that name", (alice,), "home/alice/Maildir",
             "\n\tfor <list@lab.example>", set()),
            ("for one, by the mail itself", (alice,), "anywhere", "\n\tfor " + alice, {alice})):
        case = Case("box-%d" % tap.results)
        id = case.put(5, *rcpts, queue=case.restored, ago=600,
                      more="H??" + RECEIVED % ("%ID", received))
        case.index("r", case.restored)
        box = os.path.join(case.dir, path)
        for folder in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(box, folder))
        with open(os.path.join(box, "cur", "1.x:2,S"), "w") as f:
            f.write(RECEIVED % (id, received) + "Message-Id: <%s@x>\n\nbody\n" % id)
        case.audit("mailstore", os.path.join(case.dir, path.split("/")[0]))
        record = json.loads(case.audit("report", "--format=json").stdout.splitlines()[0])
        got = {r["address"] for r in record["recipients"] if r["state"] == "delivered"}
        tap.ok(got == wanted, "mailbox: " + name, got, record["why"])


def not_whole():
    """What is in B has to be what was in A."""
    case = Case("whole")
    id = [case.put(n, a) for n in range(7)]
    lost = case.put(8, a)
    os.rename(os.path.join(case.queue, "qf" + lost), os.path.join(case.queue, "Qf" + lost))
    empty = case.put(9, a, body="")
    case.index("a")
    data = os.path.join(case.queue, "df")
    os.unlink(data + id[1])
    os.rename(os.path.join(case.queue, "qf" + id[2]), os.path.join(case.queue, "Qf" + id[2]))
    for n, text in ((3, "b"), (4, "EVIL\n")):
        with open(data + id[n], "w") as f:
            f.write(text)
    with open(os.path.join(case.queue, "qf" + id[5]), "r+") as f:
        f.truncate(40)
    case.put(6, a, queue=case.restored)
    case.lose(id[6])
    case.index("b", case.queue, case.restored)
    got, total = case.reconcile()
    wanted = {(i, "a"): "queued" if i in (id[0], lost, empty) else "missing" for i in id + [lost, empty]}
    tap.ok(got == wanted and case.status == 1 and any("without its body" in w for w in case.why) and
           any("another kind" in w for w in case.why),
           "reconcile: a body or control file that is gone, cut, replaced; a restored copy", got, case.why)


def moved():
    """Under another id, as salvage gives where one is taken: the same, and not what came later."""
    case = Case("moved")
    gone, later = case.put(5, a), case.put(6, a)
    case.index("a")
    for old, new, then in ((gone, id_at(100, 7), CAME), (later, id_at(100, 8), 100)):
        for name in ("df", "qf"):
            path = os.path.join(case.queue, name)
            with open(path + old) as f:
                text = f.read().replace("T%d" % (NOW - CAME), "T%d" % (NOW - then))
            with open(path + new, "w") as f:
                f.write(text)
            os.chmod(path + new, 0o600)
        case.lose(old)
    case.index("b")
    got, total = case.reconcile()
    tap.ok(got == {(gone, "a"): "queued", (later, "a"): "missing"}, "reconcile: moved, under another id", got, case.why)


def accepted_for():
    """For how many it was accepted, and to whom it went."""
    i, k = id_at(2000, 5), id_at(2000, 6)
    member = to(1990, i, "<m1@dst.example>", more=AS_LIST)
    done = line(1980, i, "done; delay=00:00:20, ntries=1")
    for name, lines, wanted in (
            ("two of two", [came(2000, i, 2), to(1990, i, a), to(1980, i, b)], {"a": "delivered", "b": "delivered"}),
            ("two that differ in the case of the domain", [came(2000, i, 2), to(1990, i, a + ",<a@DST.example>")],
             {"a": "delivered"}),
            ("one of two named", [came(2000, i, 2), to(1990, i, a)], {"a": "delivered", "?": "missing"}),
            ("one of two named, and the rest expired",
             [came(2000, i, 2), to(1990, i, a), report_of(1000, i, 7, EXPIRED)], {"a": "delivered", "?": "returned"}),
            ("a member of an alias", [came(2000, i), member], {"m": "delivered", "?": "missing"}),
            ("a member of an alias, as it stands there", [came(2000, i), to(1990, i, "m1@dst.example")],
             {"m": "delivered", "?": "missing"}),
            ("that, and done", [came(2000, i), member, done], {"m": "delivered"}),
            ("more names than it was accepted for", [came(2000, i), to(1990, i, a), to(1990, i, b)],
             {"a": "delivered", "b": "delivered", "?": "missing"}),
            ("that, and done", [came(2000, i), to(1990, i, a), to(1990, i, b), done],
             {"a": "delivered", "b": "delivered"}),
            # Aliases that were looked up at once: its priority has their members, and the header besides.
            ("all of an alias, by its priority", [came(2000, i), to(1990, i, a + ",m1@dst.example", pri=60305)],
             {"a": "delivered", "m": "delivered"}),
            ("not all of an alias, by its priority", [came(2000, i), to(1990, i, a, pri=90305)],
             {"a": "delivered", "?": "missing"}),
            ("all of a list with an owner, by its priority",
             [came(2000, i), line(2000, i, k + ": clone: owner=own@src.example"), to(1990, k, a, pri=30305)],
             {"a": "delivered"}),
            ("not all of a list with an owner, by its priority",
             [came(2000, i), line(2000, i, k + ": clone: owner=own@src.example"), to(1990, k, a, pri=60305)],
             {"a": "delivered", "?": "missing"}),
            ("the priority of a later try", [came(2000, i), to(1990, i, a, pri=90305, delay="00:15:00")],
             {"a": "delivered"}),
            ("a priority out of the queue", [came(2000, i), to(1990, i, "m1@dst.example,m2@dst.example", pri=120005)],
             {"m": "delivered", "?": "missing"}),
            ("a bulk message", [came(2000, i).replace("class=0", "class=-60"),
                                to(1990, i, "m1@dst.example,m2@dst.example", pri=168305)],
             {"m": "delivered"}),
            ("a bulk message, not all of it", [came(2000, i).replace("class=0", "class=-60"), to(1990, i, a, pri=168305)],
             {"a": "delivered", "?": "missing"}),
            ("a message above all", [came(2000, i).replace("class=0", "class=100"),
                                     to(1990, i, "m1@dst.example,m2@dst.example", pri=240305)],
             {"m": "delivered", "?": "missing"}),
            ("too many hops", [came(2000, i), report_of(1000, i, 7, "Too many hops 26")], {"?": "returned"}),
            ("too many hops, for two", [came(2000, i, 2), report_of(1000, i, 7, "Too many hops 26")], {"?": "missing"}),
            ("a to= line that was cut", [came(2000, i, 1), to(1990, i, a)[:-40] + "\n"], {"?": "missing"}),
            ("one part done of two", [came(2000, i, 2), line(2000, i, "split: count=1, id=" + k),
                                      to(1990, i, a), done], {"a": "delivered", "?": "missing"})):
        case = Case("nrcpts-%d" % tap.results)
        case.index("a")
        case.index("b")
        got, total = case.reconcile(*lines)
        got = {r: outcome for (id, r), outcome in got.items() if id == i}
        tap.ok(got == wanted and total["accounted"] == ("missing" not in wanted.values()),
               "reconcile: accepted for so many: " + name, got, case.why)
    case = Case("local")
    case.index("a")
    case.index("b")
    got, total = case.reconcile(
        line(2000, i, "from=root, size=5, class=0, nrcpts=1, msgid=<%s@x>, relay=root@localhost" % i),
        to(1990, i, "cron@dst.example", more=" ctladdr=root (0/0),"))
    tap.ok(got == {(i, "c"): "delivered"} and case.status == 0, "reconcile: submitted locally", got, case.why)
    # The alias itself was in A.
    plain = to(1990, i, "m1@dst.example,m2@dst.example")
    for lines, wanted, word in (([plain], "missing", "members of an alias"), ([plain, done], "delivered", ""),
                                ([failed(1990, i, "<list@lab.example>"), plain, done], "missing", "refused"),
                                ([member], "missing", "members of an alias"), ([member, done], "delivered", "")):
        case = Case("alias-%d" % tap.results)
        i = case.put(5, "<list@lab.example>", ago=CAME)
        case.index("a")
        case.lose(i)
        case.index("b")
        lines = [x.replace(id_at(2000, 5), i) for x in lines]
        got, total = case.reconcile(came(CAME, i), *lines)
        tap.ok(got == {(i, "l"): wanted} and word in "".join(case.why), "reconcile: an alias of A: " + wanted, got,
               case.why)


def members():
    """An alias of A is what its members are: those in B, and those that B has no more."""
    lists, as_list = "<list@lab.example>", "Clist:1:0:<list@lab.example>\n"
    m1, own = "m1@dst.example", "<m1@dst.example>"
    refused = lambda i: failed(1990, i, own) + report_of(1980, i, 7)
    done = lambda i: line(1970, i, "done; delay=00:00:20, ntries=1")
    sent = lambda ago, who: lambda i: to(ago, i, who)
    for name, a_has, b_has, lines, wanted in (
            ("a member is left", (lists,), "<m2@dst.example>\n", [sent(1990, own)], "queued"),
            ("none is left, another recipient is", (lists, b), b, [sent(1990, m1)], "delivered"),
            ("and it stands as a recipient does", (lists, b), b, [sent(1990, own)], "delivered"),
            ("served before A saw it", (lists, b), b, [sent(A + 30, own)], "missing"),
            ("of nobody", (lists, b), b, [sent(1990, m1)], "missing"),
            ("refused, another recipient is left", (lists, b), b, [refused], "returned"),
            ("refused, and done", (lists,), None, [refused, done], "returned"),
            ("refused, and done, another recipient was sent", (lists, b), None, [refused, sent(1985, b), done],
             "returned"),
            ("refused, and the message is not there", (lists,), None, [refused], "missing"),
            ("refused, and not reported", (lists, b), b, [lambda i: failed(1990, i, m1)], "missing")):
        case = Case("members-%d" % tap.results)
        sender = "<>" if name == "of nobody" else "<ann@src.example>"
        i = case.put(5, *a_has, sender=sender)
        case.index("a")
        case.lose(i)
        if b_has:
            member = b_has.endswith("\n")
            case.put(5, b_has.strip(), sender=sender + ("\n" + as_list if member else "").rstrip())
        case.index("b")
        got, total = case.reconcile(came(CAME, i, len(a_has)).replace("<ann@src.example>", sender),
                                    *[x(i) for x in lines])
        tap.ok(got.get((i, "l")) == wanted and got.get((i, "b"), "queued") in ("queued", "delivered") and
               total["accounted"] == (wanted != "missing"), "reconcile: an alias of A: " + name, got, case.why)


def killed_at_an_alias():
    """A runner looks an alias up, logs a try, and is killed before it writes that into the queue."""
    own = "<m1@dst.example>"
    for name, tried, lines, wanted in (
            ("the message was not tried before", 0, [deferred], "queued"),
            ("nor since", 1995, [deferred], "queued"),
            ("it was written since", 1985, [deferred], "missing"),
            ("refused", 0, [failed], "missing"),
            ("sent", 0, [to], "delivered")):
        case = Case("killed-%d" % tap.results)
        case.index("a")
        i = case.put(5, "<list@lab.example>", ago=2000, tried=tried)
        case.index("b")
        got, total = case.reconcile(came(2000, i), *[f(1990, i, own) for f in lines])
        tap.ok(got == {(i, "l"): "queued", (i, "m"): wanted}, "reconcile: a member of an alias: " + name, got, case.why)
    case = Case("killed-no-alias")
    case.index("a")
    i = case.put(5, b, ago=2000)
    case.index("b")
    got, total = case.reconcile(came(2000, i, 2), deferred(1990, i, a + "," + b))
    tap.ok(got == {(i, "a"): "missing", (i, "b"): "queued"}, "reconcile: nobody there may be an alias", got, case.why)


def low_level():
    """At a LogLevel that does not say who was refused, a report is about who was left when it was made."""
    for name, ago, wanted in (("long before", A + 300, "missing"), ("a little before, by the log's clock", A + 20, "missing"),
                              ("a little after, by the log's clock", A - 20, "missing"), ("after", 1000, "returned")):
        case = Case("low-%d" % tap.results)
        case.lines = case.lines[:2]
        i = case.put(5, b)
        case.index("a")
        case.lose(i)
        case.index("b")
        got, total = case.reconcile(came(CAME, i, 2), line(ago, i, "%s: DSN: User unknown" % id_at(ago, 7)))
        tap.ok(got[i, "b"] == wanted, "reconcile: LogLevel 6: a report " + name, got, case.why)
    for name, tried, ago, wanted in (("of its last try", 1900, 1900, "undecided"), ("after that", 1900, 1000, "returned"),
                                     ("of one that was made due", 0, 1000, "undecided")):
        case = Case("low-%d" % tap.results)
        case.lines = case.lines[:2]
        i = case.put(5, b, queue=case.restored, ago=2000, tried=tried)
        path = os.path.join(case.restored, "qf" + i)
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace("\nN0\n", "\nN1\n"))
        case.index("live")
        case.index("r", case.restored)
        case.log(came(2000, i, 2), line(ago, i, "%s: DSN: User unknown" % id_at(ago, 7)))
        done = case.audit("report", "--snapshot=r", "--against=live", "--format=json")
        tap.ok(json.loads(done.stdout.splitlines()[0])["class"] == wanted, "report: LogLevel 6: a report " + name,
               done.stdout)


def done_for_whom():
    """What is done was served, but for what nobody is told of: that may have been thrown away."""
    ann, null = "<ann@src.example>", "<>"
    lists = "<list@lab.example>"
    served = [to(1000, "%I", b), line(990, "%I", "done; delay=00:00:20, ntries=1")]
    as_list = [to(1000, "%I", b, more=AS_LIST), line(990, "%I", "done; delay=00:00:20, ntries=1")]
    for name, sender, rcpts, lines, wanted in (
            ("tried under his own name, of nobody", null, (a, b), [deferred(2000, "%I", a)] + served, "missing"),
            ("tried under his own name", ann, (a, b), [deferred(2000, "%I", a)] + served, "missing"),
            ("an alias, of nobody", null, (lists,), as_list, "missing"),
            ("an alias", ann, (lists,), as_list, "delivered"),
            ("an alias that was tried before", ann, (lists,), [deferred(2000, "%I", lists)] + as_list, "delivered"),
            ("refused, and no report", ann, (a,), [failed(1000, "%I", a), served[1]], "returned"),
            ("too many hops", ann, (a,), [deferred(2000, "%I", a), later(report_of(1000, "%I", 7, "Too many hops 26"))],
             "returned"),
            ("sent, of nobody", null, (b,), served, None)):
        case = Case("done-%d" % tap.results)
        i = case.put(5, *rcpts, sender=sender)
        case.index("a")
        case.lose(i)
        case.index("b")
        got, total = case.reconcile(*[x.replace("%I", i) for x in [came(CAME, "%I", len(rcpts)).replace(
            "<ann@src.example>", sender)] + lines])
        got = {key: outcome for key, outcome in got.items() if key[0] == i and key[1] != "b"}
        tap.ok(got == ({(i, rcpts[0][1]): wanted} if wanted else {}) and total["accounted"] == (wanted != "missing"),
               "reconcile: done: " + name, got, case.why)


def message_ids():
    """As the log has them: without blanks around, and the last of two."""
    for name, msgid in (("folded", "\n\t<%ID@x>"), ("a blank after it", "<%ID@x> "),
                        ("two", "<other@x>\nH??Message-ID: <%ID@x>")):
        case = Case("msgid-%d" % tap.results)
        i = case.put(5, a, msgid=msgid)
        k = case.put(6, a, msgid=msgid)
        case.index("a")
        case.lose(i, k)
        case.index("b")
        got, total = case.reconcile(came(CAME, i), to(2000, i, a), came(CAME, k), deferred(2000, k, a))
        tap.ok(got == {(i, "a"): "delivered", (k, "a"): "missing"}, "reconcile: Message-ID: " + name, got, case.why)


def clocks():
    """Accepted about when A or B began, by a clock that may be wrong."""
    for name, ago, lines, wanted in (
            ("accepted before A, and not in it", A + 30, lambda i: [deferred(A - 20, i, a)], ["missing"]),
            ("accepted and sent before A", A + 30, lambda i: [to(A + 29, i, a)], []),
            ("accepted long before A, and tried after it", A + 900, lambda i: [deferred(A - 20, i, a)], ["missing"]),
            ("accepted after B", B - 10, lambda i: [deferred(B - 10, i, a)], ["missing"]),
            ("accepted after B, and sent", B - 10, lambda i: [to(B - 10, i, a)], [])):
        case = Case("clock-%d" % tap.results)
        case.index("a")
        case.index("b")
        i = id_at(ago, 5)
        got, total = case.reconcile(came(ago, i), *lines(i))
        tap.ok([o for (id, r), o in got.items() if id == i] == wanted, "reconcile: " + name, got, case.why)
    # There later: it was there.
    case = Case("clock-later")
    case.index("a")
    case.index("b")
    i = id_at(190, 5)
    got, total = case.reconcile(came(190, i), deferred(190, i, a), deferred(60, i, a), b=200)
    tap.ok(not got and total["accounted"], "reconcile: accepted after B, and tried again", got)


def of_another():
    """What ended one recipient, one id, or a time, ended no other."""
    case = Case("another")
    two = [case.put(n, a, b) for n in range(4)]
    one = [case.put(n, a) for n in range(10, 13)]
    never = case.put(20, a, flags="PN")
    never_sent = case.put(21, a, flags="PN")
    case.index("a")
    k = [id_at(3000, 30 + n) for n in range(4)]
    case.put(33, b, ago=3000)    # k[3]
    case.lose(k[2], *two[:2], *one, never, never_sent)
    for i in two[2:]:
        qf("rm", "-C", "none", "-Q", case.queue, i)
    qf("rm", "-C", "none", "-Q", case.queue, k[3])
    case.index("b")
    split = [line(3000, i, "split: count=1, id=" + x) + deferred(2990, i, a) + deferred(2990, x, b)
             for i, x in zip(two, k)]
    got, total = case.reconcile(
        *[came(CAME, i, 2) for i in two], *[came(CAME, i) for i in one], report_of(8000, one[1], 55, EXPIRED),
        # Refused, and reported; the other one later, and not.
        failed(3000, two[0], a), report_of(3000, two[0], 50), deferred(3000, two[0], b), failed(1000, two[0], b),
        split[1], report_of(1000, two[1], 51, EXPIRED), split[2], split[3],
        report_of(1000, one[0], 52, EXPIRED), deferred(3000, one[1], a), deferred(2000, one[2], a),
        report_of(1990, one[2], 53, EXPIRED), deferred(1000, one[2], a),
        failed(3000, never, a), deferred(3000, never_sent, a))
    wanted = {(two[0], "a"): "returned", (two[0], "b"): "missing", (two[1], "a"): "returned",
              (two[1], "b"): "missing", (two[2], "a"): "removed", (two[2], "b"): "missing",
              (two[3], "a"): "removed", (two[3], "b"): "removed", (one[0], "a"): "returned",
              (one[1], "a"): "missing", (one[2], "a"): "missing", (never, "a"): "returned",
              (never_sent, "a"): "missing"}
    wrong = {key: (got.get(key), outcome) for key, outcome in wanted.items() if got.get(key) != outcome}
    tap.ok(not wrong, "reconcile: reports, returns and removals are of their own", two, one, wrong, case.why)
    case = Case("discarded")
    case.index("a")
    case.index("b")
    i, k = id_at(3000, 5), id_at(3000, 6)
    got, total = case.reconcile(came(3000, i, 2), line(3000, i, "split: count=2, id=" + k), to(2999, i, a, "queued"),
                                deferred(2999, k, b), line(2990, i, "discarded"))
    tap.ok(got == {(i, "a"): "removed", (i, "b"): "missing"}, "reconcile: one part discarded", got)


def doubled():
    case = Case("doubled")
    case.index("a")
    case.index("b")
    i, k = id_at(3000, 5), id_at(3000, 6)
    got, total = case.reconcile(came(3000, i), line(3000, i, k + ": clone: owner=<o@src.example>"), to(2999, i, a),
                                to(2998, k, a))
    tap.ok(total["doubled"] == 1 and total["accounted"] and case.status == 1, "reconcile: sent under two ids", total)
    # The same lines as a collector of logs has them, by its clock; and another delivery.
    for label, pid, wanted in (("once, in two logs", 7, 0), ("twice, by two processes", 8, 1)):
        case = Case("collected%d" % wanted)
        case.index("a")
        case.index("b")
        i = id_at(3000, 5)
        lines = case.lines + [came(3000, i), to(2999, i, a)]
        path = os.path.join(case.dir, "tail.log")
        with open(path, "w") as f:
            for at, text in zip((9100, 9000, 8999, 8998, 3000, 2999), lines):
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S.250000+00:00", time.gmtime(NOW - at + 1))
                f.write("%s task/mx/1 sendmail[%d]: %s" % (stamp, pid, text.split("]: ", 1)[1]))
        assert case.audit("log", path).returncode == 0
        got, total = case.reconcile(*lines[4:])
        tap.ok(total["doubled"] == wanted and got[i, "a"] == "delivered" and (wanted or total["too_close"] == 0),
               "reconcile: %s" % label, total)


tmp = tempfile.mkdtemp(prefix="qf-judge.")
try:
    reports()
    not_live()
    live_elsewhere()
    mailboxes()
    not_whole()
    moved()
    accepted_for()
    members()
    killed_at_an_alias()
    low_level()
    done_for_whom()
    message_ids()
    clocks()
    of_another()
    doubled()
finally:
    shutil.rmtree(tmp, ignore_errors=True)
tap.done()
