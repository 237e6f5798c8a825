#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf audit reconcile: the proof that nothing was lost, against a real sendmail and what a sink took."""
import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", "test-fixtures"), "lab"))
from harness import FIXTURES, qf
from lab import HANG, Lab, Missing, Sink, queue_id, submit, wait_until
from tap import Tap, skip_all

tap = Tap()


def audit(command, *args, **options):
    return qf("audit", command, "--db=" + db, "-C", cf, *args, **options)


def index(label):
    done = audit("index", "--label=" + label, "--format=json")
    return json.loads(done.stdout)["snapshot"] if done.returncode == 0 else done


def reconcile(a, b, *args):
    """(status, records, total, what qf said)"""
    done = audit("reconcile", a, b, "--format=json", *args)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, lines[:-1], lines[-1] if lines else {}, done


def control_files(lab):
    return sorted(n for n in os.listdir(lab.queue) if n[:2] in ("qf", "hf", "Qf"))


def still_owed(lab):
    owed = set()
    for name in control_files(lab):
        with open(os.path.join(lab.queue, name), encoding="latin-1") as f:
            owed |= {(name[2:], r) for r in re.findall(r"(?m)^R[A-Z]*:<?([^>\n]*)>?$", f.read())}
    return owed


def killed_in_delivery():
    """Two daemons share a queue; one is killed while it delivers; the other one finishes."""
    with Sink() as sink:
        lab.relay_to(sink)
        # One recipient a transaction: one of two is sent when the other one hangs.
        with open(cf) as f:
            text = f.read()
        with open(cf, "w") as f:
            f.write(re.sub(r"(Mesmtp,.*?)A=TCP", r"\1r=1, A=TCP", text, count=1, flags=re.S))
        one, two = lab.daemon(), lab.daemon()
        sink.answer("rcpt", "450 4.2.0 later")
        ledger = {}

        def send(port, *rcpts):
            id = queue_id(submit(port, "ann@src.example", list(rcpts), "Subject: %d\n\nbody %d\n"
                                 % (len(ledger), len(ledger))))
            ledger[id] = list(rcpts)
            return id

        for i in range(6):
            send((one, two)[i % 2].port, "r%d@dst.example" % i, "x%d@dst.example" % i)
        stay = send(one.port, "stay@dst.example")
        twice = send(one.port, "pair1@dst.example", "pair2@dst.example")
        fail = send(two.port, "fail@dst.example")
        wait_until(lambda: len([r for r in open(lab.log) if "stat=Deferred" in r]) >= 9 and
                   not one.processes()[1:] and not two.processes()[1:])
        a = index("before")
        sink.clear()
        sink.answer("rcpt", HANG, only="pair")
        sink.answer("rcpt", "250 2.1.5 ok", only="pair", times=1)
        sink.answer("rcpt", "450 4.2.0 later", only="stay")
        sink.answer("rcpt", "550 5.1.1 no such", only="fail@")
        came = send(two.port, "new@dst.example")
        later = send(two.port, "stay-too@dst.example")
        # It delivers, and is killed when one recipient of two has the message.
        runner = lab.daemon("-q1s", "-OMinQueueAge=0")
        wait_until(lambda: re.search(r"to=<pair.*stat=Sent", open(lab.log).read()))
        first = re.search(r"to=<(pair.@dst.example)>.*stat=Sent", open(lab.log).read()).group(1)
        runner.kill()
        sink.clear()
        sink.answer("rcpt", "450 4.2.0 later", only="stay")
        sink.answer("rcpt", "550 5.1.1 no such", only="fail@")
        time.sleep(1.1)
        lab.run_queue()
        lab.run_queue()
        wait_until(lambda: not one.processes()[1:] and not two.processes()[1:])
        time.sleep(1.1)
        b = index("after")
        status, records, total, done = reconcile("before", "after", "--log=" + lab.log, "-v")
        taken = {}
        for message in sink.messages:
            subject = int(re.search(rb"Subject: (\d+)", message["headers"]).group(1)) \
                if message["sender"] else None
            for rcpt in message["recipients"]:
                if message["sender"]:
                    key = list(ledger)[subject], rcpt
                    taken[key] = taken.get(key, 0) + 1
        owed = still_owed(lab)
        got = {(r["id"], (r["recipient"] or "").strip("<>")): r for r in records}
        wrong = []
        for id, rcpts in ledger.items():
            for rcpt in rcpts:
                truth = ("queued" if (id, rcpt) in owed else "delivered" if taken.get((id, rcpt))
                         else "returned" if id == fail else "missing")
                record = got.get((id, rcpt), {})
                if record.get("outcome") != truth or \
                        bool(record.get("doubled")) != (taken.get((id, rcpt), 0) > 1):
                    wrong.append((id, rcpt, truth, taken.get((id, rcpt)), record))
        tap.ok(not wrong, "each recipient's outcome is what sink and queue say", *wrong[:4], done.stderr)
        reports = [k for k in got if k[0] not in ledger]
        tap.ok(reports and all(got[k]["outcome"] == "delivered" for k in reports),
               "the report to the sender is accounted for, too", reports)
        tap.ok(total["accounted"] and total["missing"] == 0 and not total["gaps"] and
               total["messages"] == len({k[0] for k in got}) and
               total["recipients"] == len(records) and total["a"] == a and total["b"] == b,
               "nothing lost: proven", total, done.stderr)
        tap.ok(total["doubled"] == 1 and taken[twice, first] == 2 and status == 1 and
               got[twice, first]["doubled"] and
               len(got[twice, first]["evidence"]) == 2,
               "the one that the kill doubled is named, with both lines", total, taken)
        tap.ok(total["contention"] is None, "lock contention at LogLevel 9: unknown, not none", total)
        tap.ok(got[came, "new@dst.example"]["outcome"] == "delivered" and
               got[later, "stay-too@dst.example"]["outcome"] == "queued",
               "what was accepted between the two is accounted for")
        quiet = reconcile("before", "after")
        tap.ok([r["recipient"] for r in quiet[1]] == ["<%s>" % first] and quiet[2] == total,
               "without -v the doubled one alone is listed", quiet[1])
        tap.ok(reconcile("before", "after", "--min-queue-age=1h")[2]["too_close"] > 0 and
               total["too_close"] == 0, "attempts closer together than MinQueueAge are counted")
        before = [rows("SELECT count(*) FROM " + t) for t in ("events", "log_files")]
        reconcile("before", "after", "--log=" + lab.log)
        tap.ok(before == [rows("SELECT count(*) FROM " + t) for t in ("events", "log_files")],
               "the log given again changes nothing")
        records_seen.extend(records)
        totals_seen.append(total)
        return stay, later


def by_hand(stay, later):
    """One message's files deleted: just that one is missing."""
    for name in ("qf" + stay, "df" + stay):
        os.unlink(os.path.join(lab.queue, name))
    time.sleep(1.1)
    index("deleted")
    status, records, total, done = reconcile("after", "deleted", "--log=" + lab.log)
    tap.ok(status == 1 and [(r["id"], r["outcome"]) for r in records] == [(stay, "missing")] and
           total["missing"] == 1 and not total["accounted"] and "deferred" in records[0]["why"] and
           records[0]["evidence"] and records[0]["sender"] == "<ann@src.example>",
           "files deleted by hand: that message, and no other", records, total, done.stderr)
    status, records, total, done = reconcile("before", "deleted")
    tap.ok([r["id"] for r in records if r["outcome"] == "missing"] == [stay],
           "from an earlier snapshot, too", records)
    text = audit("reconcile", "after", "deleted")
    tap.ok(stay.encode() in text.stdout and b"NOT everything" in text.stdout and
           text.returncode == 1, "for people", text.stdout)
    csv = audit("reconcile", "after", "deleted", "--format=csv").stdout
    tap.ok(csv.startswith(b"id,queue,recipient,outcome,doubled,evidence,why\r\n") and
           csv.count(b"\r\n") == 2, "as CSV", csv)
    # By qf, it is in the journal.
    done = qf("rm", "-C", cf, later)
    time.sleep(1.1)
    index("removed")
    status, records, total, done = reconcile("deleted", "removed", "-v", "--log=" + lab.log)
    removed = [r for r in records if r["id"] == later]
    tap.ok(status == 0 and total["removed"] == 1 and removed[0]["outcome"] == "removed" and
           removed[0]["evidence"][0]["kind"] == "journal", "removed by qf rm: the journal says so",
           records, total, done.stderr)
    qf("undo", "-C", cf)
    with open(os.path.join(lab.queue, "qf" + later)):
        pass
    os.unlink(os.path.join(lab.queue, "qf" + later))
    os.unlink(os.path.join(lab.queue, "df" + later))
    time.sleep(1.1)
    index("after-undo")
    records = reconcile("deleted", "after-undo", "--log=" + lab.log)[1]
    tap.ok([(r["id"], r["outcome"]) for r in records] == [(later, "missing")],
           "a removal that was taken back is none", records)
    records_seen.extend(records)


def gaps():
    """A log that is not all of it proves nothing."""
    global db
    whole, db = db, os.path.join(tmp, "gaps.db")

    def fresh(keep):
        """The snapshots of before, and those lines of the log that keep() lets through."""
        shutil.copyfile(whole, db)
        connection = sqlite3.connect(db)
        connection.executescript("PRAGMA foreign_keys = ON; DELETE FROM event_recipients; "
                                 "DELETE FROM event_children; DELETE FROM events; DELETE FROM log_files")
        connection.close()
        path = os.path.join(tmp, "part.log")
        with open(lab.log) as f:
            lines = [line for line in f if keep(line)]
        with open(path, "w") as f:
            f.writelines(lines)
        return ["--log=" + path] if lines else []

    status, records, total, done = reconcile("before", "after", *fresh(lambda line: False))
    tap.ok(status == 1 and total["delivered"] == total["returned"] == 0 and total["missing"] > 0 and
           not total["accounted"] and "no log" in total["gaps"][0], "no log: nothing is delivered",
           total, done.stderr)
    status, records, total, done = reconcile(
        "before", "after", *fresh(lambda line: "to=<r3@" not in line))
    tap.ok(status == 1 and {r["recipient"] for r in records if r["outcome"] == "missing"} ==
           {"<r3@dst.example>"}, "lines cut out: what they were about is missing", records)
    # An acceptance that is in no line, of a message that is there.
    there = rows("SELECT queue_id FROM messages m JOIN presence p ON p.message = m.id WHERE p.snapshot"
                 " = 2 AND queue_id NOT IN (SELECT queue_id FROM messages m JOIN presence p ON"
                 " p.message = m.id WHERE p.snapshot = 1)", db=whole)[0][0]
    status, records, total, done = reconcile(
        "before", "after", *fresh(lambda line: there not in line))
    tap.ok(not total["accounted"] and any(there in g for g in total["gaps"]),
           "a message that came, and no line says so: a gap", total)
    last = max(t for t, in rows("SELECT max(last) FROM log_files"))
    args = fresh(lambda line: True)
    part = os.path.join(tmp, "part.log")
    os.utime(part, (time.time() - 600,) * 2)
    audit("log", part)
    connection = sqlite3.connect(db)
    connection.execute("UPDATE log_files SET read_at = last, offset = offset - 1")
    connection.execute("UPDATE snapshots SET started = ?, finished = ? WHERE label = 'after'",
                       (last + 50, last + 50))
    connection.commit()
    connection.close()
    status, records, total, done = reconcile("before", "after")
    tap.ok(status == 1 and not total["accounted"] and any("ends at" in g for g in total["gaps"]),
           "a log that ends before the second snapshot: a gap", total)
    db = whole


DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"


def id_at(when, n):
    """An id of that second, as sendmail makes it: the zone of a log is learned from them."""
    t = time.gmtime(when)
    return "".join(DIGITS[i] for i in ((t.tm_year - 1900) % 60, t.tm_mon - 1, t.tm_mday, t.tm_hour,
                                       t.tm_min, t.tm_sec, 0, n)) + "012345"


def line(when, text, id=None, host="lab"):
    return "%s %s sendmail[7]: %s%s\n" % (time.strftime("%b %e %H:%M:%S", time.gmtime(when)), host,
                                          id + ": " if id else "", text)


def mail(when, n):
    """A message that came, was deferred, and was sent: a log of LogLevel 9."""
    id = id_at(when, n)
    to = ("to=<z@dst.example>, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=30057, "
          "relay=mx.dst.example. [198.51.100.7], dsn=%s, stat=%s")
    return [line(when, "from=<ann@src.example>, size=5, class=0, nrcpts=1, msgid=<%s@x>, proto=ESMTP, "
                 "daemon=MTA, relay=h [192.0.2.1]" % id, id),
            line(when + 1, to % ("4.0.0", "Deferred: x"), id), line(when + 2, to % ("2.0.0", "Sent (ok)"), id)]


START = "starting daemon (8.17.1): SMTP+queueing@00:30:00"


def put(queue, id, *rcpts):
    os.makedirs(queue, exist_ok=True)
    for name, content in (("df", "body\n"), ("qf", "V8\nT%d\nK0\nN0\nP30000\nS<ann@src.example>\n%sH??Subject: "
                                             "x\n.\n" % (time.time() - 600, "".join("RPFD:%s\n" % r for r in rcpts)))):
        with open(os.path.join(queue, name + id), "w") as f:
            f.write(content)
        os.chmod(os.path.join(queue, name + id), 0o600)


def lose(queue, id):
    for name in os.listdir(queue):
        if name.endswith(id):
            os.unlink(os.path.join(queue, name))


def by_journal():
    """What the journal says explains what it says, of that message, and since it was seen: no more."""
    global db
    whole, db = db, os.path.join(tmp, "journal.db")
    now = int(time.time())
    queue, other = os.path.join(tmp, "live"), os.path.join(tmp, "aws-backup-restore_x", "mqueue")
    a, b = "<a@dst.example>", "<b@dst.example>"
    names = ("sender", "struck", "struck-lost", "struck-all", "replaced", "replaced-lost", "back-again", "before",
             "elsewhere", "removed")
    id = {name: id_at(now - 600, i) for i, name in enumerate(names)}

    def edit(name, *args):
        done = qf("edit", "-C", cf, "-Q", queue, *args, id[name])
        assert done.returncode == 0, done.stderr

    for name in names:
        put(queue, id[name], a, b)
    put(other, id["elsewhere"], a, b)
    # Removed, and put back from a backup.
    kept = {n: open(os.path.join(queue, n)).read() for n in os.listdir(queue) if n.endswith(id["before"])}
    qf("rm", "-C", cf, "-Q", queue, id["before"])
    time.sleep(1.1)
    put(queue, id["before"], a, b)
    for n, content in kept.items():
        with open(os.path.join(queue, n), "w") as f:
            f.write(content)
    audit("index", "--label=a", "-Q" + queue, "-Q" + other)
    strike = '--drop-rcpt=rcpt="a@dst.example"'
    edit("sender", "--set-sender=bob@src.example")
    edit("struck", strike)
    edit("struck-lost", strike)
    edit("struck-all", "--drop-rcpt=domain:dst.example")
    for name in ("replaced", "replaced-lost", "back-again"):
        edit(name, '--rcpt=rcpt="a@dst.example"', "--set-rcpt=c@dst.example")
    time.sleep(1.1)
    edit("back-again", '--rcpt=rcpt="c@dst.example"', "--set-rcpt=a@dst.example")
    qf("rm", "-C", cf, "-Q", queue, id["removed"])
    qf("rm", "-C", cf, "-Q", other, id["elsewhere"])
    for name in ("sender", "struck-lost", "replaced-lost", "back-again", "before", "elsewhere"):
        lose(queue, id[name])
    time.sleep(1.1)
    audit("index", "--label=b", "-Q" + queue, "-Q" + other)
    log = os.path.join(tmp, "journal.log")
    with open(log, "w") as f:
        f.writelines([line(now - 3000, START)] + mail(now - 2900, 40))
    status, records, total, done = reconcile("a", "b", "-v", "--log=" + log)
    got = {}
    for r in records:
        if r["queue"] == queue:
            name = next(n for n in names if id[n] == r["id"])
            got.setdefault(name, {})[r["recipient"].strip("<>")[0]] = r["outcome"]
    lost = {"a": "missing", "b": "missing"}
    wanted = {"sender": lost, "struck": {"a": "removed", "b": "queued"},
              "struck-lost": {"a": "removed", "b": "missing"}, "struck-all": {"a": "removed", "b": "removed"},
              "replaced": {"a": "removed", "b": "queued", "c": "queued"},
              "replaced-lost": {"a": "removed", "b": "missing", "c": "missing"},
              "back-again": {"a": "missing", "b": "missing", "c": "removed"}, "before": lost, "elsewhere": lost,
              "removed": {"a": "removed", "b": "removed"}}
    tap.ok(got == wanted and status == 1, "the journal explains whom an edit struck, and what was removed since",
           {n: (got.get(n), wanted[n]) for n in wanted if got.get(n) != wanted[n]}, total, done.stderr)
    records_seen.extend(records)
    db = whole


def log_holes():
    """From A to B, an hour: which logs are all of it."""
    global db
    whole = db
    now = int(time.time())
    queue = os.path.join(tmp, "empty")
    os.makedirs(queue)
    early, late = [line(now - 9000, START)] + mail(now - 8900, 1), mail(now - 60, 2)
    middle = mail(now - 2000, 3)
    quiet = [line(now - 9000, START, host="mx2")]
    export = json.dumps({"events": [{"timestamp": (now - 9000 + i) * 1000, "message": text.rstrip(),
                                     "ingestionTime": (now - 9000) * 1000, "eventId": str(i), "logStreamName": "x"}
                                    for i, text in enumerate(early)]})
    for what, files, wanted in (
            ("one that is in use", {"mail.log": (early, 8898)}, None),
            ("one that was put away before A", {"mail.log.1": (early, 8898)}, "no log"),
            ("one that was put away between", {"mail.log.1": (early + middle, 1998)}, "ends at"),
            ("that, and the one after it", {"mail.log.1": (early + middle, 1998), "mail.log": (late, 58)}, None),
            ("three in a row", {"mail.log.2": (early, 8898), "mail.log.1": (middle, 1998), "mail.log": (late, 58)},
             None),
            ("the one between is not there", {"mail.log.2": (early + mail(now - 3590, 4), 3588),
                                              "mail.log": (late, 58)}, "after"),
            ("days in a row", {"mail.log-20261125": (early + middle, 1998), "mail.log": (late, 58)}, None),
            ("an export made before B", {"export.json": (export, 8898)}, "no log"),
            ("a copy made before B", {"copy.log": (early, 1000)}, "ends at"),
            ("a second host says less", {"mail.log": (early + late, 58), "mx2.log": (quiet, 9000)}, "mx2.log")):
        db = os.path.join(tmp, "holes.db")
        for name in ("", "-wal", "-shm"):
            if os.path.exists(db + name):
                os.unlink(db + name)
        index_a = audit("index", "--label=a", "-Q" + queue)
        audit("index", "--label=b", "-Q" + queue)
        connection = sqlite3.connect(db)
        connection.execute("UPDATE snapshots SET started = ?1, finished = ?1 WHERE label = 'a'", (now - 3600,))
        connection.execute("UPDATE snapshots SET started = ?1, finished = ?1 WHERE label = 'b'", (now - 50,))
        connection.commit()
        connection.close()
        folder = tempfile.mkdtemp(dir=tmp)
        for name, (content, ago) in files.items():
            path = os.path.join(folder, name)
            with open(path, "w") as f:
                f.writelines(content)
            os.utime(path, (now - ago,) * 2)
            audit("log", path)
        status, records, total, done = reconcile("a", "b")
        tap.ok(index_a.returncode == 0 and (status == 0 and total["accounted"] if not wanted else status == 1 and
               not total["accounted"] and any(wanted in g for g in total["gaps"])),
               "logs: " + what, total, done.stderr)
    db = whole


def bad_input():
    for args, status, word in ((["after", "before"], 64, b"newer"), (["before"], 64, b"which"),
                               (["before", "nonsense"], 66, b"there are"),
                               (["before", "after", "--log=/nonexistent"], 66, b"nonexistent"),
                               (["before", "after", "--log=" + __file__], 65, b"no mail log")):
        done = audit("reconcile", *args)
        tap.ok(done.returncode == status and word in done.stderr and not done.stdout,
               "said: %s" % " ".join(args)[:40], done.returncode, done.stderr)
    done = qf("audit", "reconcile", "--db=" + tmp + "/none.db", "a", "b")
    tap.ok(done.returncode == 66 and not os.path.exists(tmp + "/none.db"), "no database", done.stderr)


def log_level_2():
    """M1 to M3: deferred, accepted, returned; a log at LogLevel 2 has no line for any of them."""
    global db, cf
    with Lab(options={"LogLevel": "2", "DeliveryMode": "queueonly"}) as quiet, Sink() as sink:
        quiet.relay_to(sink)
        cf, db = quiet.cf, os.path.join(tmp, "m.db")
        daemon = quiet.daemon()
        sink.answer("rcpt", "450 4.2.0 later", only="m1@")
        sink.answer("rcpt", "450 4.2.0 later", only="m3@")
        ids = {name: queue_id(submit(daemon.port, "ann@src.example", [name + "@dst.example"],
                                     "Subject: x\n\nhello\n")) for name in ("m1", "m2")}
        quiet.clock = -5 * 86400
        old = quiet.daemon()
        ids["m3"] = queue_id(submit(old.port, "ann@src.example", ["m3@dst.example"],
                                    "Subject: x\n\nhello\n"))
        old.stop()
        quiet.clock = 0
        index("before")
        quiet.run_queue()
        time.sleep(1.1)
        index("after")
        daemon.stop()
        done = audit("log", quiet.log, "--format=json")
        said = json.loads(done.stdout)
        tap.ok({"accepted", "deferred", "sent", "returned"} <= set(said["cannot_prove"]),
               "LogLevel 2: the log says what it cannot prove", said)
        status, records, total, done = reconcile("before", "after", "-v", "--log=" + quiet.log)
        got = {r["id"]: r["outcome"] for r in records}
        queued = {n[2:] for n in control_files(quiet)}
        tap.ok(status == 1 and total["delivered"] == total["returned"] == 0 and
               not total["accounted"] and
               got == {i: "queued" if i in queued else "missing" for i in ids.values()} and
               got[ids["m1"]] == "queued" and got[ids["m2"]] == "missing",
               "M1 to M3: nothing is called delivered, nothing returned", got, ids, total, done.stderr)
        tap.ok(any("LogLevel" in g for g in total["gaps"]) and
               all("LogLevel" in r["why"] for r in records if r["outcome"] == "missing"),
               "and the LogLevel is the reason given", total, records)
        totals_seen.append(total)


def rows(sql, db=None):
    connection = sqlite3.connect("file:%s?mode=ro" % (db or globals()["db"]), uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def schemas():
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        tap.skip("records keep to their schemas", "no python3-jsonschema")
        return
    wrong = []
    for name, got in (("audit-reconcile", records_seen), ("audit-reconcile-total", totals_seen)):
        with open(os.path.join(os.path.dirname(FIXTURES), "docs/schema/%s.json" % name)) as f:
            validator = Draft202012Validator(json.load(f))
        wrong += [(name, e.message) for r in got for e in validator.iter_errors(r)]
        wrong += [(name, "none")] * (not got)
    tap.ok(not wrong, "records keep to their schemas", *wrong[:5])


def aliases_at_once():
    """The real sendmail looks aliases up when it takes a message, and reckons its priority anew: it tells, at
    LogLevel 9, whether the log names all members, who look like recipients."""
    global cf, db
    usual, whole = cf, db
    with Lab(options={"LogLevel": "9", "DeliveryMode": "background"}) as at_once, Sink() as sink:
        cf, db = at_once.cf, os.path.join(tmp, "aliases.db")
        at_once.relay_to(sink)
        at_once.aliases("list: <m1@dst.example>, <m2@dst.example>, <m3@dst.example>\n"
                        "own: <o1@dst.example>, <o2@dst.example>\nowner-own: boss@src.example\n")
        index("a")
        daemon = at_once.daemon()
        ids = [queue_id(submit(daemon.port, "ann@src.example", rcpts, more + "Subject: x\n\nhello\n")) for rcpts, more in (
            (["list", "x@dst.example"], ""), (["list"], "Precedence: bulk\n"), (["own", "y@dst.example"], ""),
            (["plain1@dst.example", "plain2@dst.example"], ""))]
        wait_until(lambda: sum(len(m["recipients"]) for m in sink.messages) == 12)
        wait_until(lambda: not control_files(at_once))
        time.sleep(1.1)
        index("b")
        cut, log = os.path.join(tmp, "aliases-cut.db"), os.path.join(tmp, "aliases-cut.log")
        shutil.copyfile(db, cut)
        status, records, total, done = reconcile("a", "b", "-v", "--log=" + at_once.log)
        tap.ok(status == 0 and total["accounted"] and total["delivered"] == 12, "aliases looked up at once: all of them",
               records, total, done.stderr)
        with open(at_once.log) as f:
            text = f.read()
        with open(log, "w") as f:
            f.write(re.sub("<(m3|o2)@dst.example>,|,<(m3|o2)@dst.example>", "", text))
        db = cut
        status, records, total, done = reconcile("a", "b", "--log=" + log)
        got = {(r["id"], r["outcome"], r["recipient"]): r["why"] for r in records}
        tap.ok(status == 1 and set(got) == {(id, "missing", None) for id in ids[:3]} and
               all("priority" in why for why in got.values()), "and one of each that the log does not name", records,
               total, done.stderr)
        records_seen.extend(records)
    cf, db = usual, whole


def plans():
    """Every statement finds its rows by an index."""
    top = os.path.join(os.path.dirname(FIXTURES), "tools")
    connection = sqlite3.connect(db)
    wrong, n = [], 0
    with open(os.path.join(top, "audit_recall.h")) as f:
        columns = f.read()
    for name in ("audit_reconcile.c", "audit_fate.c", "audit_recipients.c", "audit_cover.c", "audit_span.c",
                 "audit_mailbox.c"):
        with open(os.path.join(top, name)) as f:
            source = f.read()
        for macro, text in re.findall(r"#define (\w+)\s*\\\n((?:.*\\\n)*.*\n)", source + columns):
            source = source.replace(" " + macro + " ", " " + text.replace("\\\n", "\n") + " ")
            source = source.replace('"' + macro + " ", '"' + text.replace("\\\n", "\n") + " ")
        for text in re.findall(r'((?:"(?:[^"\\]|\\.)*"\s*)+)', source):
            sql = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text))
            if not sql.startswith("SELECT"):
                continue
            n += 1
            count = max([int(x) for x in re.findall(r"\?(\d)", sql)] + [0])
            for row in connection.execute("EXPLAIN QUERY PLAN " + sql, (1,) * count):
                # Logs are few; where the first event stands is the end of its index.
                if re.match(r"SCAN (?![gkl]\b|log_|CONSTANT)", row[3]) and "USING" not in row[3]:
                    wrong.append((name, row[3], sql))
    tap.ok(not wrong and n >= 10, "no statement goes through a whole table", n, *wrong)


records_seen, totals_seen = [], []
tmp = tempfile.mkdtemp(prefix="qf-reconcile.")
db = os.path.join(tmp, "audit.db")
try:
    try:
        lab = Lab(options={"DeliveryMode": "background", "LogLevel": "9"})
    except Missing as why:
        skip_all(str(why))
    cf = lab.cf
    try:
        by_hand(*killed_in_delivery())
        gaps()
        by_journal()
        log_holes()
        aliases_at_once()
        bad_input()
        plans()
        log_level_2()
        schemas()
    finally:
        lab.stop()
        shutil.rmtree(lab.dir, ignore_errors=True)
finally:
    shutil.rmtree(tmp, ignore_errors=True)
tap.done()
