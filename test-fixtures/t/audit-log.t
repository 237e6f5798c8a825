#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf audit log: real logs of a real sendmail at several LogLevels, in every form a log comes in."""
import gzip
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
from harness import QF, qf
from lab import Lab, Missing, Sink, queue_id, submit, wait_until
from tap import Tap, skip_all

tap = Tap()


def audit(command, *args, **options):
    return qf("audit", command, "--db=" + db, *args, **options)


def log(*files, **options):
    done = audit("log", "--format=json", *files, **options)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done


def rows(sql, *values):
    connection = sqlite3.connect("file:%s?mode=ro" % db, uri=True)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def write(name, text):
    path = os.path.join(tmp, name)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    # Nobody is writing it any more.
    os.utime(path, (time.time() - 600, time.time() - 600))
    return path


def mail(level):
    """The same mail at a LogLevel: accepted, sent, deferred and sent, refused, returned after five
    days, held. Returns the log and what the sink took."""
    with Lab(options={"LogLevel": str(level), "DeliveryMode": "background"}) as lab, Sink() as sink:
        lab.relay_to(sink)
        daemon = lab.daemon()
        sink.answer("rcpt", "450 4.2.0 later", only="defer")
        sink.answer("rcpt", "550 5.1.1 no such, stat=Sent (ok)", only="fail")
        sink.answer("rcpt", "450 4.1.1 hm, stat=Sent (ok)", only="liar")
        ids = {}
        for name in ("ok", "defer", "fail", "liar"):
            ids[name] = queue_id(submit(daemon.port, "ann@src.example", [name + "@dst.example"],
                                        "Subject: x\nMessage-Id: <%s@x>\n\nhello\n" % name))
        wait_until(lambda: len(sink.messages) >= 2)      # ok, and the report about fail
        time.sleep(0.5)
        lab.run_queue()
        sink.clear()
        lab.run_queue()
        wait_until(lambda: len(sink.messages) >= 4)
        sink.answer("rcpt", "450 4.2.0 later")
        ids["old"] = queue_id(submit(daemon.port, "ann@src.example", ["old@dst.example"],
                                     "Subject: x\n\nhello\n"))
        time.sleep(0.5)
        lab.clock = 6 * 86400
        lab.run_queue()
        lab.call("-Qby hand")
        daemon.stop()
        with open(lab.log, "rb") as f:
            return f.read(), ids, [r for m in sink.messages for r in m["recipients"]]


def at_level_9(text, ids, taken):
    path = write("mail.log", text)
    status, record, done = log(path)
    lines = text.count(b"\n")
    tap.ok(status == 0 and record["events"] == record["lines"] == lines and
           record["unparsed"] == record["known"] == 0, "every line of sendmail is an event", record,
           done.stderr)
    tap.ok(record["level"] == [9, 9] and record["cannot_prove"] == ["done", "locked"],
           "LogLevel 9 is recognised, with what it cannot prove", record)
    tap.ok(record["year_by"] == record["zone_by"] == "queue ids",
           "year and zone come from queue ids", record)
    sent = sorted(r for r, in rows("SELECT bare FROM v_events WHERE outcome = 'sent'"))
    tap.ok(sent == sorted(taken), "sent is what the sink has taken, no more and no less", sent, taken)
    outcome = {name: [o for o, in rows("SELECT outcome FROM v_events WHERE id = ? AND kind = "
                                       "'delivery' ORDER BY line", ids[name])] for name in ids}
    tap.ok(outcome["fail"] == ["failed"] and outcome["liar"][0] == "deferred" and
           outcome["liar"][-1] == "sent" and outcome["old"][-1] == "deferred",
           "a refusal that says stat=Sent is none", outcome)
    tap.ok(rows("SELECT report FROM events WHERE queue_id = ? AND kind = 'report'", ids["old"]) ==
           [("expired",)] and
           rows("SELECT report FROM events WHERE queue_id = ? AND kind = 'report'", ids["fail"]) ==
           [("failure",)], "what was returned, and why")
    now = time.time()
    times = rows("SELECT min(time), max(time) FROM events WHERE queue_id = ?", ids["ok"])[0]
    tap.ok(abs(times[0] - now) < 120 and abs(times[1] - now) < 120, "times are right", times, now)
    tap.ok(rows("SELECT sender, message_id FROM events WHERE kind = 'accepted' AND queue_id = ?",
                ids["ok"]) == [("<ann@src.example>", "<ok@x>")], "accepted: sender and Message-ID")


def once(text):
    """However the same lines come, they are stored once."""
    def everything():
        return [rows("SELECT * FROM %s" % t) for t in
                ("events", "event_recipients", "event_children", "log_files")]

    path = os.path.join(tmp, "mail.log")
    before = everything()
    status, record, done = log(path)
    tap.ok(status == 0 and record["events"] == 0 and record["known"] == record["lines"] and
           everything() == before, "the same log again changes nothing", record, done.stderr)
    os.rename(path, path + ".1")
    status, record, done = log(path + ".1")
    tap.ok(record["events"] == 0 and everything() == before, "nor under another name", record)
    with gzip.open(path + ".2.gz", "wb") as f:
        f.write(text)
    status, record, done = log(path + ".2.gz")
    if status == 69:
        tap.skip("compressed by gzip", "built without libarchive")
    else:
        tap.ok(record["events"] == 0 and record["known"] == record["lines"] and
               everything()[:3] == before[:3], "nor compressed by gzip", record, done.stderr)
    if shutil.which("zstd"):
        subprocess.run(["zstd", "-q", path + ".1", "-o", path + ".zst"], check=True)
        status, record, done = log(path + ".zst")
        tap.ok(status == 69 or record["events"] == 0 and record["known"] == record["lines"],
               "nor by zstd", record, done.stderr)
    lines = text.decode("latin-1").splitlines()
    when = dict(rows("SELECT line, time FROM events WHERE file = 1"))
    events = [{"logStreamName": "mx/smtp/1", "timestamp": when[i + 1] * 1000 + 5, "message": line,
               "ingestionTime": 0, "eventId": str(i)} for i, line in enumerate(lines)]
    document = write("aws.json", json.dumps({"events": events, "searchedLogStreams": []}, indent=4))
    status, record, done = log(document)
    tap.ok(status == 0 and record["events"] == 0 and record["known"] == len(lines),
           "nor as CloudWatch JSON", record, done.stderr)
    objects = write("aws.jsonl", "".join(json.dumps(e) + "\n" for e in events))
    status, record, done = log(objects)
    tap.ok(record["events"] == 0 and record["known"] == len(lines), "nor as an object a line", record)
    tail = write("aws.tail", "".join(
        time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime(when[i + 1])) + " mx/smtp/1 " +
        line + "\n" for i, line in enumerate(lines)))
    status, record, done = log(tail)
    tap.ok(record["events"] == 0 and record["known"] == len(lines), "nor as `aws logs tail` has it",
           record)
    iso = write("iso", "".join(
        time.strftime("%Y-%m-%dT%H:%M:%S+02:00", time.gmtime(when[i + 1] + 7200)) + line[15:] + "\n"
        for i, line in enumerate(lines)))
    status, record, done = log(iso)
    tap.ok(record["events"] == 0 and record["known"] == len(lines) and record["year_by"] ==
           "the lines", "nor with the ISO times of rsyslog, in another zone", record)
    new = write("5424", "".join(
        "<22>1 %s lab sendmail %s - - %s\n" %
        (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when[i + 1])),
         line.split("[", 1)[1].split("]", 1)[0], line.split("]: ", 1)[1])
        for i, line in enumerate(lines)))
    status, record, done = log(new)
    tap.ok(record["events"] == 0 and record["known"] == len(lines), "nor with heads of RFC 5424",
           record, done.stderr)
    west = write("west", "".join(
        time.strftime("%b %e %H:%M:%S", time.gmtime(when[i + 1] - 5 * 3600)) + line[15:] + "\n"
        for i, line in enumerate(lines)))
    status, record, done = log(west)
    tap.ok(record["zone"] == -5 * 3600 and record["zone_by"] == "queue ids" and record["events"] == 0,
           "nor written in a zone that nobody said: the ids say it", record)


def growing(text):
    """A log that is read while it grows: each line once, the last one when it is whole."""
    global db
    db = os.path.join(tmp, "growing.db")
    path = os.path.join(tmp, "growing.log")
    total = 0
    for at in list(range(0, len(text), 997)) + [len(text)]:
        with open(path, "wb") as f:
            f.write(text[:at])
        status, record, done = log(path)
        total += record.get("events", 0)
        if status:
            tap.ok(False, "a growing log", at, status, done.stderr)
            return
    tap.ok(total == text.count(b"\n") == rows("SELECT count(*) FROM events")[0][0] and
           rows("SELECT sum(lines) FROM log_files") == [(text.count(b"\n"),)],
           "a log read as it grows, cut anywhere: each line once", total, text.count(b"\n"))


def told_later(text):
    """A log that was read when nothing told its zone, as by a timer when a daemon had just started: what comes
    later tells, and so does --zone."""
    global db
    whole, db = db, os.path.join(tmp, "zone.db")
    text = text.decode("latin-1")
    start = re.sub(r"sendmail\[\d+\]: .*", "sendmail[1]: starting daemon (8.17.1): SMTP",
                   text.splitlines(keepends=True)[0])
    # As a host two hours east has them.
    east = [re.sub(r"\d\d(?=:\d\d:\d\d)", lambda m: "%02d" % ((int(m[0]) + 2) % 24), line, count=1)
            for line in [start] + text.splitlines(keepends=True) if int(line[7:9]) < 22]
    kept = ("SELECT f.zone_by, f.zone, count(*), count(DISTINCT e.key), min(e.line) FROM log_files f"
            " JOIN events e ON e.file = f.id")
    path = write("zone.log", east[0])
    log(path)
    first = rows(kept)
    write("zone.log", "".join(east))
    status, said, done = log(path)
    again = log(path)[1]
    (by, zone, n, distinct, line), = rows(kept)
    tap.ok(first[0][:3] == ("nothing", 0, 1) and status == 0 and (by, zone, line) == ("queue ids", 7200, 1) and
           n == distinct == said["events"] and again["events"] == 0, "the zone of a log is told later", first, by, zone, n, said,
           again, done.stderr)
    write("west.log", start)
    log(os.path.join(tmp, "west.log"))
    log(os.path.join(tmp, "west.log"), "--zone=-03:00")
    tap.ok(rows("SELECT zone_by, zone FROM log_files WHERE path LIKE '%west.log'") == [("the caller", -10800)] and
           rows("PRAGMA foreign_key_check") == [], "or by the caller", rows("SELECT path, zone_by, zone FROM log_files"))
    db = whole


def at_level_2(text, ids, taken):
    """M1 to M3: accepted, sent, deferred and returned mail leaves no line."""
    global db
    db = os.path.join(tmp, "level2.db")
    status, record, done = log(write("level2.log", text))
    tap.ok(status == 0 and record["level"][0] <= 2 <= record["level"][1] < 5 and
           record["cannot_prove"] == ["accepted", "deferred", "sent", "returned", "done", "locked"],
           "M1 to M3: at LogLevel 2 it can prove nothing, and says so", record, done.stderr)
    tap.ok(len(taken) >= 4 and rows("SELECT count(*) FROM events WHERE outcome IS NOT NULL OR "
                                    "kind IN ('accepted', 'report')") == [(0,)],
           "though the sink has taken mail, nothing is claimed", taken)


def levels():
    """What each LogLevel proves, by the real thing."""
    for level, low, proves in ((5, 5, {"accepted"}), (8, 8, {"accepted", "returned", "sent"}),
                               (10, 10, {"accepted", "returned", "sent", "deferred", "done"})):
        text, ids, taken = mail(level)
        done = qf("audit", "log", "-n", "--format=json", write("level.log", text))
        record = json.loads(done.stdout or b"{}")
        missing = {"accepted", "deferred", "sent", "returned", "done", "locked"} - proves
        tap.ok(record.get("level", [0, 0])[0] == low and record["level"][1] >= level and
               set(record["cannot_prove"]) == missing, "LogLevel %d" % level, record)


def bad(text):
    global db
    db = os.path.join(tmp, "bad.db")
    done = audit("log")
    tap.ok(done.returncode == 64, "no file given", done.stderr)
    status, record, done = log(os.path.join(tmp, "no-such-log"))
    tap.ok(status == 66 and not os.path.exists(db), "a file that is not there: no database is made",
           status, done.stderr)
    status, record, done = log(write("no.log", b"\x00\x01 no log\n" * 50))
    tap.ok(status == 65 and b"no mail log" in done.stderr and not record and
           rows("SELECT count(*) FROM log_files") == [(0,)], "a file that is no log: nothing written",
           status, done.stderr)
    status, record, done = log(tmp)
    tap.ok(status == 65, "a directory", status, done.stderr)
    status, record, done = log(write("empty.log", b""))
    tap.ok(status == 0 and record["lines"] == 0 and len(record["cannot_prove"]) == 6,
           "an empty log proves nothing", record, done.stderr)
    whole = gzip.compress(b"".join(line[:60] + os.urandom(90).hex().encode() + b"\n"
                                   for line in text.splitlines() * 50))
    status, record, done = log(write("cut.gz", whole[:len(whole) // 2]))
    if status != 69:
        tap.ok(status in (0, 2) and b"cut.gz" in done.stderr and record.get("lines", 0) > 0,
               "compressed data that end too early: said", status, record, done.stderr)
    done = qf("audit", "log", "-n", os.path.join(tmp, "empty.log"))
    tap.ok(done.returncode == 0, "-n needs no database", done.stderr)
    done = qf("audit", "log", "-n", "-", "--format=json")
    tap.ok(done.returncode == 0 and json.loads(done.stdout)["lines"] == 0, "standard input", done.stderr)
    hostile = write("hostile.log", b"".join(
        b"Nov 26 08:22:54 lab sendmail[1]: 6AQ8MsV8012620: " + x + b"\n" for x in (
            b"from=<'); DROP TABLE events; -->, size=1, class=0, nrcpts=1, relay=x",
            b"to=<\x1b[2J\xff@x>, delay=00:00:00, mailer=esmtp, pri=1, dsn=2.0.0, stat=Sent",
            b"to=<" + b"a" * 200000 + b"@x>, delay=00:00:00, mailer=esmtp, pri=1, dsn=2.0.0, stat=Sent",
            b"", b"to=", b"from=", b"\\", b"split: ids=", b"[1]: x")))
    status, record, done = log(hostile)
    stored = rows("SELECT CAST(address AS BLOB) FROM event_recipients WHERE length(address) < 99")
    tap.ok(status == 0 and (b"<\x1b[2J\xff@x>",) in stored, "hostile bytes are stored as they stand",
           status, stored, done.stderr)
    shown = audit("sql", "SELECT address FROM event_recipients").stdout
    tap.ok(b"\x1b" not in shown and b"\xff" not in shown, "and shown safe")


def ask():
    """sql: the functions, and only reading."""
    global db
    db = os.path.join(tmp, "audit.db")
    done = audit("sql", "--format=json", "SELECT qf_id_time('6AQ8MsV8012620', 1795681374) AS t, "
                 "'abc' REGEXP '^a.c$' AS yes, regexp('x', 'abc') AS no, qf_time(0) AS zero, "
                 "qf_address('<A@B.Example>') AS bare, x'ff' AS b, NULL AS n, 1.5 AS r")
    got = json.loads(done.stdout or b"{}")
    tap.ok(got == {"t": 1795681374, "yes": 1, "no": 0, "zero": "1970-01-01T00:00:00Z",
                   "bare": "A@b.example", "b": "\ufffd", "n": None, "r": 1.5,
                   "raw": {"b": "/w=="}}, "sql: functions and JSON", got, done.stderr)
    before = rows("SELECT count(*) FROM events")
    for sql in ("DELETE FROM events", "DROP TABLE events", "PRAGMA user_version = 7",
                "SELECT 1; DELETE FROM events", "ATTACH 'x' AS y", "VACUUM"):
        done = audit("sql", sql, cwd=tmp)
        tap.ok(done.returncode != 0 and not done.stdout.strip(b"\n 1") and
               rows("SELECT count(*) FROM events") == before and
               not os.path.exists(os.path.join(tmp, "x")), "sql cannot: " + sql, done.stdout,
               done.stderr)
    done = audit("sql", "SELECT nonsense FROM")
    tap.ok(done.returncode == 64 and done.stderr, "sql: an error is said", done.stderr)
    done = audit("sql", "--format=csv", "SELECT 'a,\"b' AS x, 2 AS y")
    tap.ok(done.stdout == b'x,y\r\n"a,""b",2\r\n', "sql: CSV", done.stdout)
    done = qf("audit", "sql", "--db=" + os.path.join(tmp, "none.db"), "SELECT 1")
    tap.ok(done.returncode == 66 and not os.path.exists(os.path.join(tmp, "none.db")),
           "sql: no database", done.stderr)


try:
    nine = mail(9)
except Missing as e:
    skip_all(e)
with tempfile.TemporaryDirectory() as tmp:
    db = os.path.join(tmp, "audit.db")
    at_level_9(*nine)
    once(nine[0])
    growing(nine[0])
    told_later(nine[0])
    at_level_2(*mail(2))
    levels()
    bad(nine[0])
    ask()
    tap.done()
