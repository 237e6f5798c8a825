#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf audit: which logs are all of a span of time, and which only seem to be."""
import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", "test-fixtures"), "lab"))
from harness import qf
from tap import Tap

tap = Tap()
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
START = "starting daemon (8.17.1): SMTP+queueing@00:30:00"
DAY = 86400
now = int(time.time())


def id_at(when, n):
    """An id of that second, as sendmail makes it: the zone of a log is learned from them."""
    t = time.gmtime(when)
    return "".join(DIGITS[i] for i in ((t.tm_year - 1900) % 60, t.tm_mon - 1, t.tm_mday, t.tm_hour,
                                       t.tm_min, t.tm_sec, 0, n)) + "012345"


def line(ago, text, id=None, host="lab", program="sendmail[7]", zone=0):
    return "%s %s %s: %s%s\n" % (time.strftime("%b %e %H:%M:%S", time.gmtime(now - ago + zone)), host, program,
                                 id + ": " if id else "", text)


def accepted(ago, id, **options):
    return line(ago, "from=<ann@src.example>, size=5, class=0, nrcpts=1, msgid=<%s@x>, proto=ESMTP, daemon=MTA, "
                "relay=h [192.0.2.1]" % id, id, **options)


def to(ago, id, rcpt="<z@dst.example>", sent=True, **options):
    return line(ago, "to=%s, delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=30057, relay=mx.dst.example. "
                "[198.51.100.7], dsn=%s" % (rcpt, "2.0.0, stat=Sent (ok)" if sent else "4.0.0, stat=Deferred: x"),
                id, **options)


def mail(ago, n, **options):
    """A message that came, was deferred, and was sent: a log of LogLevel 9."""
    id = id_at(now - ago, n)
    return [accepted(ago, id, **options), to(ago - 1, id, sent=False, **options), to(ago - 2, id, **options)]


def submitted(ago, n, relay="[127.0.0.1] [127.0.0.1]", how="dsn=2.0.0, stat=Sent (%s Message accepted for delivery)",
              **options):
    """What the queue of submissions says of a message that it hands over: its own id, and that of the daemon."""
    id, taken = id_at(now - ago, n), id_at(now - ago, n + 1)
    return [line(ago, "from=ann, size=5, class=0, nrcpts=1, msgid=<%s@x>, relay=ann@localhost" % id, id, **options),
            line(ago, "to=z@dst.example, ctladdr=ann (1000/1000), delay=00:00:00, xdelay=00:00:00, mailer=relay, "
                 "pri=30057, relay=%s, %s" % (relay, how % taken if "%" in how else how), id, **options)]


def handed_over(ago, n, **options):
    """And what the daemon says of it, at LogLevel 9."""
    first, last = submitted(ago, n, **options)
    id = id_at(now - ago, n + 1)
    return [first, line(ago, "from=<ann@src.example>, size=9, class=0, nrcpts=1, msgid=<%s@x>, proto=ESMTP, daemon=MTA, "
                        "relay=localhost [127.0.0.1]" % id_at(now - ago, n), id, program="sm-mta[90]"),
            last, to(ago - 1, id, program="sm-mta[91]")]


def audit(command, *args, **options):
    return qf("audit", command, "--db=" + db, "-C", "none", *args, **options)


def fresh():
    global db
    db = os.path.join(tempfile.mkdtemp(dir=tmp), "audit.db")
    return os.path.dirname(db)


def at(label, ago):
    connection = sqlite3.connect(db)
    connection.execute("UPDATE snapshots SET started = ?1, finished = ?1 WHERE label = ?2", (now - ago, label))
    connection.commit()
    connection.close()


def put(queue, id, created, tried):
    os.makedirs(queue, exist_ok=True)
    for name, content in (("df", "body\n"), ("qf", "V8\nT%d\nK%d\nN1\nP30000\nS<ann@src.example>\nRPFD:<a@d.example>\n"
                                             "H??Message-Id: <%s@x>\n.\n" % (created, tried, id))):
        with open(os.path.join(queue, name + id), "w") as f:
            f.write(content)
        os.chmod(os.path.join(queue, name + id), 0o600)


def snapshots(a_ago=3600, name="empty"):
    queue = os.path.join(tmp, name)
    os.makedirs(queue, exist_ok=True)
    for label, ago in (("a", a_ago), ("b", 50)):
        audit("index", "--label=" + label, "-Q" + queue)
        at(label, ago)


def read(folder, name, content, ago, known=True):
    """Write a log that was last changed so long ago, and read it."""
    data = content if isinstance(content, bytes) else "".join(content).encode()
    if name == "-":
        return audit("log", "-", input=data)
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
    os.utime(path, (now - ago,) * 2)
    return audit("log", path) if known else audit("sql", "SELECT 1")


def reconciled():
    done = audit("reconcile", "a", "b", "--format=json")
    return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}, done


def check(what, wanted, said=()):
    status, total, done = reconciled()
    tap.ok(status == 0 and total["accounted"] if not wanted else status == 1 and not total["accounted"] and
           any(wanted in g for g in total["gaps"]), what, total, done.stderr, *[d.stderr for d in said])


def named(days):
    return time.strftime("%Y%m%d", time.gmtime(now - days * DAY))


def dashed(days):
    return time.strftime("%Y-%m-%d", time.gmtime(now - days * DAY))


def files():
    """Logs in the order in which they are read: name, lines, and when they were last changed."""
    base = [line(9000, START)] + mail(8900, 1)
    start = [line(1000, START)] + mail(900, 3)
    whole = "".join(base + [line(s, "Login: %s" % os.urandom(30).hex(), program="dovecot[1]")
                            for s in range(8800, 1000, -4)]).encode()
    packed = gzip.compress(whole)
    lost = line(2000, "imuxsock[pid 7]: 5321 messages lost due to rate-limiting", program="rsyslogd")
    suppressed = line(2000, "Suppressed 1234 messages from sendmail.service", program="systemd-journald[3]")
    other = line(900, "session", program="cron[1]")
    east = [line(50000, START, zone=9 * 3600)] + [
        to(49000 - k * 1000, id_at(now - 60000, k), zone=9 * 3600) for k in range(38)]
    quiet = base + [line(2000, START)]
    errors = [time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now - 8000)) +
              line(8000, "SYSERR(root): hash map x: missing")[15:]]
    imap = line(80, "Login: x", program="imap-login")
    ten = [base[0], line(8999, "started as: sendmail -bd")] + base[1:]
    unzoned = [line(s, t, host="mx2") for s, t in ((5000, START), (4800, "SYSERR(root): hash map x: missing"),
                                                   (3000, "SYSERR(root): hash map x: missing"))]
    mx1 = [line(9000, START, host="mx1")] + mail(8900, 1, host="mx1") + mail(60, 2, host="mx1")
    mx2 = [line(9000, START, host="mx2")] + mail(8900, 3, host="mx2")
    for what, logs, wanted, *a_ago in (
            ("one host's log hides no hole in that of another one",
             [("mx1/mail.log", [line(9000, START, host="mx1")] + mail(8900, 1, host="mx1") + mail(70, 2, host="mx1"),
               68),
              ("mx2/mail.log.1", [line(9000, START, host="mx2")] + mail(3000, 3, host="mx2"), 2998)],
             "mx2/mail.log.1"),
            ("but a piece of a log that is there whole is none",
             [("mail.log", base + mail(70, 2), 68), ("piece/mail.log.1", base, 8898)], None),
            ("nor is one from standard input", [("-", base + mail(3000, 2), 0), ("mail.log", base + mail(3000, 2), 2998)],
             None),
            ("standard input ends with its last line", [("-", base + mail(3000, 2), 0)], "ends at"),
            ("one that was put away before, and what followed it was not read",
             [("mx1/mail.log", mx1, 58), ("mx2/mail.log.1", mx2, 8898),
              ("mx2/mail.log", mail(2000, 9, host="mx2")[:2], 1999, False)], "mx2/mail.log.1"),
            ("unless its daemon had stopped",
             [("mx1/mail.log", mx1, 58), ("mx2/mail.log.1", mx2 + [
                 line(8000, "stopping daemon, reason=signal", "NOQUEUE", host="mx2")], 8000)], None),
            ("and none started again",
             [("mx1/mail.log", mx1, 58), ("mx2/mail.log.1", mx2 + [
                 line(8000, "stopping daemon, reason=signal", "NOQUEUE", host="mx2"), line(7000, START, host="mx2")],
               7000)], "mx2/mail.log.1"),
            ("errors alone in another file fill no hole",
             [("mail.log.1", base + mail(3500, 3), 3498), ("mail.err", errors, 8000),
              ("mail.log", mail(2000, 9)[:2], 1999, False)], "mail.log.1"),
            ("nor that between two", [("mail.log.2", base + mail(3500, 3), 3498), ("mail.err", errors, 8000),
                                      ("mail.log", mail(900, 9), 898)], "mail.log.2"),
            ("nor does a copy that was made before", [("mail.log.1", base + mail(3500, 3), 3498),
                                                      ("saved/mail.log", base, 8890)], "mail.log.1"),
            ("nor one before a log begins", [("mail.log", mail(900, 3), 898), ("saved/mail.log", base, 8890)],
             "begins at"),
            ("errors beside all of the log", [("mail.log", base + mail(900, 3), 898), ("mail.err", errors, 8000)], None),
            ("rotated, and nothing came since", [("mail.log.1", base + mail(900, 3), 898), ("mail.log", [], 800)], None),
            ("nor of sendmail", [("mail.log.1", base + mail(900, 3), 898), ("mail.log", [imap], 80)], None),
            ("not that this follows", [("mail.log.2", base + mail(900, 3), 898), ("mail.log", [imap], 80)],
             "mail.log.2"),
            ("a daemon that stops is no beginning",
             [("mail.log", [line(1000, "stopping daemon, reason=signal")] + mail(900, 3), 898)], "begins at"),
            ("nor is one that is restarted",
             [("mail.log", [line(1000, "restarting /usr/sbin/sendmail due to signal")] + mail(900, 3), 898)],
             "begins at"),
            ("one that starts is, where nothing was before", [("mail.log", start, 898)], None),
            ("and none where there was a log before it",
             [("old/mail.log.1", [line(9000, START, host="old")] + mail(8900, 1, host="old") +
               [line(8800, "stopping daemon, reason=signal", "NOQUEUE", host="old")], 8800),
              ("mail.log", start, 898)], "begins at"),
            ("a day that is not there", [("mail.log-" + named(3), [line(4 * DAY, START)] + mail(3 * DAY, 4), 3 * DAY - 2),
                                         ("mail.log-" + named(1), mail(2 * DAY - 9000, 5) + mail(1 * DAY, 5), DAY - 2),
                                         ("mail.log", mail(DAY - 60, 6), DAY - 62)],
             "mail.log-" + named(3), 3 * DAY + DAY // 2),
            ("days that follow each other", [("mail.log-" + named(2), [line(4 * DAY, START)] + mail(3 * DAY, 4), 3 * DAY - 2),
                                             ("mail.log-" + named(1), mail(1.2 * DAY, 5), DAY - 2),
                                             ("mail.log", mail(DAY - 60, 6), DAY - 62)], None, 3 * DAY + DAY // 2),
            ("a week in a file, and its successor", [("mail.log-" + named(9), [line(14 * DAY, START)] + mail(9 * DAY, 4), 9 * DAY - 2),
                                                     ("mail.log-" + named(2), mail(9 * DAY - 100, 5) + mail(2 * DAY, 4), 2 * DAY - 2),
                                                     ("mail.log", mail(2 * DAY - 60, 6), 2 * DAY - 62)], None, 10 * DAY),
            ("a file named by another day than today is not in use",
             [("mail-%s.log" % dashed(2), [line(4 * DAY, START)] + mail(2 * DAY, 4) +
               [line(2 * DAY - 9, "x", program="cron[1]")], 2 * DAY - 9)], "ends at", 3 * DAY),
            ("compressed data that end too early", [("mail.log.1.gz", packed[:len(packed) // 2], 1000),
                                                    ("mail.log", mail(900, 3), 898)], "mail.log.1.gz"),
            ("and those that do not", [("mail.log.1.gz", packed, 1000), ("mail.log", mail(900, 3), 898)], None),
            ("a file that ends within a line", [("mail.log.1", whole[:-9], 1000), ("mail.log", mail(900, 3), 898)],
             "mail.log.1"),
            ("lines that rsyslog lost", [("mail.log", base + [lost] + mail(900, 3), 898)], "lines were lost"),
            ("lines that the journal suppressed", [("mail.log", base + [suppressed] + mail(900, 3), 898)],
             "lines were lost"),
            ("lost at the end", [("mail.log", base + [lost], 2000)], "lines were lost"),
            ("lost long before", [("mail.log", [line(19000, START)] + mail(18000, 1) +
                                   [line(17000, "messages lost due to rate-limiting", program="rsyslogd")] +
                                   mail(16000, 1) + mail(900, 3), 898)], None),
            ("NULs", [("mail.log", ("".join(base) + "\0" * 4000 + "\n" + "".join(mail(900, 4))).encode(), 898)],
             "none of a log"),
            ("lines of no log", [("mail.log", base + ["garbage\n"] * 50 + mail(900, 4), 898)], "none of a log"),
            ("repeated lines are of one",
             [("mail.log", base + [line(3000 - i, "", program="last message repeated 2 times").rstrip(": \n") + "\n"
                                   for i in range(50)] + mail(900, 4), 898)], None),
            ("a zone that nothing tells", [("mail.log.1", east, 12000)], "no log is known", 14000),
            ("nor of one of two", [("mx1/mail.log", mx1, 58), ("mx2/mail.log.1", unzoned, 3000)], "mx2/mail.log.1"),
            ("but errors alone hide nothing, in whatever zone",
             [("mail.log", base + mail(900, 3), 898),
              ("mail.err", [line(8000, "SYSERR(root): hash map x: missing", zone=9 * 3600)], 8000)], None),
            ("two hosts in a file: the level of one is not that of the other",
             [("cw.log", [line(9000, START, host="mx1")] + mail(8900, 1, host="mx1") +
               [line(8000, START, host="mx2"), line(2000, "SYSERR(root): hash map x: missing", host="mx2")] +
               mail(60, 2, host="mx1"), 58)], "mx2"),
            ("nor is that of one start of a daemon that of the next", [("mail.log", quiet, 2000)], "LogLevel"),
            ("unless it says how it was started", [("mail.log", quiet + [line(1999, "started as: sendmail -bd")], 1999)],
             None),
            ("as the one before that stops now does not",
             [("mail.log", quiet + [line(1990, "stopping daemon, reason=signal", program="sendmail[6]")], 1990)],
             "LogLevel"),
            ("nor does its child, which goes on",
             [("mail.log", base + [line(2000, START, program="sendmail[70]"),
                                   to(1995, id_at(now - 8900, 9), program="sendmail[60]")], 1990)], "LogLevel"),
            ("its own does", [("mail.log", base + [line(2000, START, program="sendmail[70]"),
                                                   to(1995, id_at(now - 8900, 9), program="sendmail[71]")], 1990)], None),
            ("unless the one before would have said that it stops",
             [("mail.log", ten + [line(2000, START, program="sendmail[70]"),
                                  to(1995, id_at(now - 8900, 9), program="sendmail[71]")], 1990)], "LogLevel"),
            ("and has not said so when the log is read on",
             [("mail.log", ten + [line(2000, START, program="sendmail[70]")], 2000),
              ("mail.log", ten + [line(2000, START, program="sendmail[70]"),
                                  to(1995, id_at(now - 8900, 9), program="sendmail[71]")], 1990)], "LogLevel"),
            ("as it does", [("mail.log", ten + [line(2001, "stopping daemon, reason=signal", "NOQUEUE"),
                                                line(2000, START, program="sendmail[70]"),
                                                to(1995, id_at(now - 8900, 9), program="sendmail[71]")], 1990)], None),
            ("late", [("mail.log", ten + [line(2000, START, program="sendmail[70]"),
                                          line(1997, "stopping daemon, reason=signal", "NOQUEUE"),
                                          to(1995, id_at(now - 8900, 9), program="sendmail[71]")], 1990)], None),
            ("or that it starts anew",
             [("mail.log", ten + [line(2001, "restarting /usr/sbin/sendmail due to signal"),
                                  line(2000, START, program="sendmail[70]"),
                                  to(1995, id_at(now - 8900, 9), program="sendmail[71]")], 1990)], None),
            ("errors alone in a file of their own",
             [("mail.log", base + [line(3000, "SYSERR(root): x", host="lab"), other], 898),
              ("mail.err", [line(3000, "SYSERR(root): x", host="lab")], 3000)], None),
            ("numbers of before days", [("mail.log.1", [line(9 * DAY, START)] + mail(9 * DAY, 1), 9 * DAY - 2),
                                        ("mail.log-" + named(3), mail(3 * DAY, 4), 3 * DAY - 2),
                                        ("mail.log", mail(DAY - 60, 6), DAY - 62)],
             "mail.log", 4 * DAY),
            ("the queue of submissions is no other start",
             [("mail.log", base + [line(2000, "starting daemon (8.17.1): queueing@00:20:00",
                                        program="sm-msp-queue[8]")], 2000)], None),
            ("submissions and their daemon in one log",
             [("mail.log", [line(9000, START, program="sm-mta[7]")] + handed_over(8900, 1) +
               [line(2000, START, program="sm-mta[70]")] + handed_over(1900, 3) + handed_over(900, 5), 898)], None),
            ("by other names of the host",
             [("mail.log", [line(9000, START, program="sm-mta[7]")] + handed_over(8900, 1, relay="localhost. [127.0.0.1]") +
               handed_over(1900, 3, relay="lab. [192.0.2.9]") + handed_over(900, 5, relay="[IPv6:::1] [IPv6:::1]"),
               898)], None),
            ("submissions tell nothing of the daemon",
             [("mail.log", base + [line(2000, START)] + submitted(1900, 3) + submitted(900, 5), 898)], "LogLevel"),
            ("nor where it refuses them",
             [("mail.log", base + [line(2000, START)] +
               submitted(1900, 3, how="dsn=4.0.0, stat=Deferred: Connection refused by [127.0.0.1]") +
               submitted(900, 5, how="dsn=5.1.1, stat=User unknown") +
               [line(899, "%s: DSN: User unknown" % id_at(now - 899, 7), id_at(now - 900, 5)),
                line(898, "done; delay=00:00:01, ntries=1", id_at(now - 899, 7))], 897)], "LogLevel"),
            ("nor where the log is read on",
             [("mail.log", quiet + submitted(1900, 3)[:1], 1899), ("mail.log", quiet + submitted(1900, 3), 1899)],
             "LogLevel"),
            ("and it still refuses them",
             [("mail.log", quiet + submitted(1900, 3)[:1], 1899), ("mail.log", quiet + submitted(
                 1900, 3, how="dsn=4.0.0, stat=Deferred: Connection refused by [127.0.0.1]"), 1899)], "LogLevel"),
            ("what they hand over to a daemon that does not say so",
             [("mail.log", base + mail(3000, 3) + submitted(1900, 5) + mail(900, 8), 898)],
             "the daemon took " + id_at(now - 1900, 6)),
            ("before the time that is asked about",
             [("mail.log", base + submitted(8000, 5) + mail(900, 8), 898)],
             "the daemon took " + id_at(now - 8000, 6)),
            ("unless it was started anew since",
             [("mail.log", base + submitted(8000, 5) + [line(7000, START)] + mail(6900, 7) + mail(900, 8), 898)], None),
            ("what is handed over to another host, which does not say so",
             [("mail.log", base + submitted(1900, 5, relay="lab.example. [192.0.2.9]") + mail(900, 8), 898)], None),
            ("a user's mail where there is no queue of submissions",
             [("mail.log", base + [line(2000, START)] + [t.replace("mailer=relay", "mailer=esmtp") for t in submitted(
                 1900, 5, relay="mx.dst.example. [198.51.100.7]", how="dsn=2.0.0, stat=Sent (ok)")], 1900)], None),
            ("newaliases before a start", [("mail.log", [line(3602, "alias database /etc/aliases rebuilt by root"),
                                                         line(3601, START)] + mail(3601, 3) + [other], 898)], None)):
        folder = fresh()
        snapshots(*a_ago)
        done = [read(folder, *log) for log in logs]
        if any(d.returncode == 69 for d in done):
            tap.skip("logs: " + what, "built without libarchive")
        else:
            check("logs: " + what, wanted, done)


def names_of_another_time():
    """Names follow each other as they were when they were read: not those of today and a week ago."""
    folder = fresh()
    snapshots(7 * DAY)
    old = (("mail.log.2", [line(9 * DAY, START)] + mail(9 * DAY - 5, 1), 9 * DAY - 8),
           ("mail.log.1", mail(8 * DAY, 1), 8 * DAY - 3), ("mail.log", mail(7 * DAY + 100, 1), 7 * DAY + 98))
    for log in old:
        read(folder, *log)
    for log in old:
        os.unlink(os.path.join(folder, log[0]))
    read(folder, "mail.log.1", mail(1 * DAY, 4), DAY - 2)
    read(folder, "mail.log", mail(60, 5), 58)
    check("logs: names of another time", "after")
    # What was read under its first name, and is read again under the next, is followed all the same.
    folder = fresh()
    snapshots()
    read(folder, "mail.log", [line(9000, START)] + mail(8900, 1) + mail(2000, 3), 1998)
    os.rename(os.path.join(folder, "mail.log"), os.path.join(folder, "mail.log.1"))
    check("logs: rotated since it was read, and its successor not read", "ends at")
    read(folder, "mail.log", mail(60, 5), 58)
    check("logs: rotated since it was read", None)
    # It grew after it was read, was rotated, and the rest of it was not read.
    folder = fresh()
    snapshots()
    read(folder, "mail.log", [line(9000, START)] + mail(8900, 1), 8898)
    with open(os.path.join(folder, "mail.log"), "a") as f:
        f.writelines(mail(2000, 3))
    os.rename(os.path.join(folder, "mail.log"), os.path.join(folder, "mail.log.1"))
    read(folder, "mail.log", mail(60, 5), 58)
    check("logs: rotated with lines that were not read", "mail.log")
    audit("log", os.path.join(folder, "mail.log.1"))
    check("logs: until they are", None)


def silent():
    """A log that had nothing of sendmail when it was read, and has grown since."""
    folder = fresh()
    snapshots()
    read(folder, "mail.log.1", [line(9000, START)] + mail(8900, 1) + mail(3000, 3), 2998)
    read(folder, "mail.log", [line(2900, "Login: x", program="imap-login")], 2900)
    connection = sqlite3.connect(db)
    connection.execute("UPDATE log_files SET read_at = ?1 WHERE first IS NULL", (now - 2500,))
    connection.commit()
    connection.close()
    check("logs: nothing since it was rotated", None)
    with open(os.path.join(folder, "mail.log"), "a") as f:
        f.writelines(mail(2000, 9))
    check("logs: but something since that was read", "ends at")
    audit("log", os.path.join(folder, "mail.log"))
    check("logs: until it is read", None)


def copied():
    """A copy of a log that is in use says nothing of what came after it was made."""
    folder = fresh()
    snapshots()
    at("b", -90)
    log = [line(9000, START), line(8950, "session", program="cron[1]")] + mail(8900, 1) + mail(3000, 3)
    read(folder, "saved/mail.log", log, 2990)
    path = os.path.join(folder, "saved/mail.log")
    if subprocess.run(["stat", "-c", "%W", path], stdout=subprocess.PIPE).stdout.strip() in (b"0", b"-", b"?"):
        tap.skip("logs: a copy of one in use", "a file system that knows no time of birth")
        return
    check("logs: a copy of one in use", "ends at")
    os.utime(path, (now + 80,) * 2)
    check("logs: but one that is written", None)


def exports():
    """Documents of a log service end when they were made, if they say that they are all of it."""
    lines = [(9000, [line(9000, START)]), (8900, mail(8900, 1)), (3000, mail(3000, 2)), (900, mail(900, 3))]
    events = [{"logStreamName": "s", "timestamp": (now - ago + k) * 1000 + 5, "message": text.rstrip("\n")}
              for ago, texts in lines for k, text in enumerate(texts)]
    whole = {"events": events, "searchedLogStreams": []}
    for what, text, wanted in (
            ("an export in JSON", json.dumps(whole), None),
            ("one with a line for each word", json.dumps(whole, indent=4) + "\n", None),
            ("with a record on each line", "".join(json.dumps(e) + "\n" for e in events), None),
            ("one of which there is more", json.dumps(dict(whole, nextToken="x"), indent=4), "ends at"),
            ("one that was cut", json.dumps(whole)[:-300], "ends"),
            ("or cut between two records", json.dumps(whole).rsplit("{", 1)[0], "ends at")):
        folder = fresh()
        snapshots()
        check("logs: " + what, wanted, [read(folder, "e.json", text.encode(), 0)])
    folder = fresh()
    snapshots()
    read(folder, "e.json", json.dumps(dict(whole, events=events[:6])).encode(), 2900)
    check("logs: an export made before", "ends at")
    read(folder, "e.json", json.dumps(whole).encode(), 0)
    check("logs: and once more, with all of it", None)


def not_the_first():
    """A message of A says that a daemon ran before the one whose start the log begins with."""
    folder = fresh()
    put(os.path.join(tmp, "full"), id_at(now - 5000, 1), now - 5000, now - 4999)
    snapshots(name="full")
    read(folder, "mail.log", [line(1000, START)] + mail(900, 3), 898)
    check("logs: a start after a message was there", "begins at")


def gone():
    folder = fresh()
    snapshots()
    read(folder, "mail.log", [line(9000, START)] + mail(8900, 1) + mail(3000, 2), 2998)
    check("logs: one that is in use", None)
    os.unlink(os.path.join(folder, "mail.log"))
    check("logs: one that is gone ends with its last line", "ends at")


def grown():
    """One that has grown since it was read, before the time that is asked about."""
    folder = fresh()
    snapshots()
    read(folder, "mx1/mail.log", [line(9000, START, host="mx1")] + mail(8900, 1, host="mx1") +
         mail(60, 2, host="mx1"), 58)
    read(folder, "mx2/mail.log", [line(9000, START, host="mx2")] + mail(8800, 3, host="mx2") +
         [line(8700, "stopping daemon, reason=signal", "NOQUEUE", host="mx2")], 8700)
    connection = sqlite3.connect(db)
    connection.execute("UPDATE log_files SET read_at = ?1 WHERE path LIKE '%mx2%'", (now - 8000,))
    connection.commit()
    connection.close()
    check("logs: one of two that has not grown since it was read", None)
    with open(os.path.join(folder, "mx2/mail.log"), "a") as f:
        f.writelines(mail(2000, 9, host="mx2")[:2])
    check("logs: one of two that has", "mx2/mail.log")


def judged(logs, live_ago=50, at_ago=2000, host="lab"):
    """The class of a restored message that the log of its host defers, at that time."""
    folder = fresh()
    id = id_at(now - at_ago, 5)
    queue = os.path.join(folder, "aws-backup-restore_x", "mqueue")
    put(queue, id, now - at_ago, now - at_ago + 1)
    live = os.path.join(tmp, "empty")
    os.makedirs(live, exist_ok=True)
    audit("index", "--label=live", "-Q" + live)
    audit("index", "--label=r", "-Q" + queue)
    at("live", live_ago)
    mine = [accepted(at_ago, id, host=host), to(at_ago - 1, id, "<a@d.example>", sent=False, host=host)]
    for log in logs(mine):
        read(folder, *log)
    done = audit("report", "--snapshot=r", "--against=live", "--format=json")
    record = json.loads(done.stdout.splitlines()[0])
    return record["class"], record["missing"] or "", done


def reports():
    base = [line(9000, START)] + mail(8900, 1)
    mx1 = [line(9000, START, host="mx1")] + mail(8900, 1, host="mx1")
    for what, logs, options, wanted in (
            ("all of the log", lambda mine: [("mail.log", base + mine, 1999)], {}, None),
            ("a log that begins with the message", lambda mine: [("mail.log", mine, 1999)], {}, None),
            ("a daemon of another LogLevel", lambda mine: [("mail.log", base + mine + [line(1500, START)], 1500)], {},
             "LogLevel"),
            ("a daemon of another LogLevel beside submissions", lambda mine: [
                ("mail.log", base + mine + [line(1500, START)] + submitted(1400, 3), 1399)], {}, "LogLevel"),
            ("a daemon that does not name what was submitted", lambda mine: [
                ("mail.log", base + mine + submitted(1400, 3), 1399)], {}, "the daemon took"),
            ("a daemon that does", lambda mine: [("mail.log", base + mine + handed_over(1400, 3), 1399)], {}, None),
            ("another host that says nothing", lambda mine: [
                ("mail.log", base + mine + [line(1500, START, host="mx2")], 1500)], {}, "mx2"),
            ("the log of its host ends", lambda mine: [
                ("mx1/mail.log", mx1 + mail(40, 2, host="mx1"), 38),
                ("mx2/mail.log.1", [line(9000, START, host="mx2")] + mine, 1900)], {"host": "mx2"}, "mx2/mail.log.1"),
            ("lines were lost", lambda mine: [
                ("mail.log", base + mine + [line(1500, "messages lost due to rate-limiting", program="rsyslogd")],
                 1500)], {}, "lost"),
            ("the live queue was looked at before the copy was made", lambda mine: [("mail.log", base + mine, 1999)],
             {"live_ago": 3000}, "later snapshot")):
        got, missing, done = judged(logs, **options)
        tap.ok(got == "undecided" and wanted in missing if wanted else got == "safe", "report: " + what, got, missing,
               done.stderr)


def older():
    """What an older qf has read is still worth what it was."""
    folder = fresh()
    snapshots()
    read(folder, "mail.log", [line(9000, START)] + mail(8900, 1) + mail(900, 3), 898)
    connection = sqlite3.connect(db)
    connection.executescript("DROP TABLE log_stretches; DROP TABLE log_links; DROP TABLE log_gaps;"
                             "ALTER TABLE events DROP COLUMN controller; ALTER TABLE events DROP COLUMN xdelay;"
                             "ALTER TABLE events DROP COLUMN priority; ALTER TABLE events DROP COLUMN class; PRAGMA user_version = 3")
    connection.close()
    audit("log", os.path.join(folder, "mail.log"))
    check("logs: read by an older version", None)


tmp = tempfile.mkdtemp(prefix="qf-cover.")
try:
    files()
    names_of_another_time()
    gone()
    grown()
    silent()
    copied()
    exports()
    not_the_first()
    reports()
    older()
finally:
    shutil.rmtree(tmp, ignore_errors=True)
tap.done()
