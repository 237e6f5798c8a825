#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf audit index: what is in a queue is in the database, once; interruptions, full disks, hostile bytes."""
import base64
import glob
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", "test-fixtures"), "lab"))
from harness import FIXTURES, QF, differences, qf, scenarios, snapshot, unpack
from tap import Tap

NOW = "@1795400000"
KILLS = int(os.environ.get("QF_AUDIT_KILLS", "15"))
MESSAGES = int(os.environ.get("QF_AUDIT_MESSAGES", "3000"))
tap = Tap()


def audit(command, *args, env=None, **options):
    return qf("audit", command, "--db=" + db, *args, env=env, **options)


def index(queue, *args, **options):
    done = audit("index", "-C", "none", "--now=" + NOW, "-Q", queue, "--format=json", *args,
                 **options)
    record = json.loads(done.stdout) if done.stdout else {}
    return done.returncode, record, done


def rows(sql, *values, path=None):
    connection = sqlite3.connect("file:%s?mode=ro" % (path or db), uri=True)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def raw(value):
    return value.encode("utf-8") if isinstance(value, str) else value


def write(path, content, when=1795300000):
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())
    os.chmod(path, 0o600)
    os.utime(path, (when, when))


def control(sender=b"<ann@src.example>", rcpts=(b"<bob@dst.example>",), headers=(), more=b"",
            created=1795300000):
    return (b"V8\nT%d\nK0\nN0\nP30000\n%sS%s\n" % (created, more, sender) +
            b"".join(b"RPFD:%s\n" % r for r in rcpts) +
            b"".join(b"H??%s: %s\n" % h for h in headers) + b".\n")


def message(queue, number, body=b"body\n", **what):
    name = "6AO8MsV80%05d" % number
    write(os.path.join(queue, "df" + name), body)
    write(os.path.join(queue, "qf" + name), control(**what))
    return name


def new_queue(name):
    path = os.path.join(tmp, name)
    os.makedirs(path, mode=0o700)
    return path


def same_as_ls():
    """Every packed queue: the rows are what ls says."""
    wrong = []
    for name in scenarios():
        top = unpack(name, tmp)
        before = snapshot(top, times=False)
        directories = sorted({os.path.dirname(p) for kind in ("qf", "hf", "Qf")
                              for p in glob.glob(top + "/**/%s*" % kind, recursive=True)
                              if os.path.isfile(p)} or {top})
        directories = [d[:-3] if d.endswith("/qf") else d for d in directories]
        queues = [x for d in directories for x in ("-Q", d)]
        listed = qf("ls", "-C", "none", "--now=" + NOW, "--format=json", *queues)
        status, record, done = index(directories[0], *queues[2:])
        number = record.get("snapshot")
        wanted = [json.loads(line) for line in listed.stdout.splitlines()]
        wanted = [m for m in wanted
                  if not any(d["code"] == "unreadable" for d in m["diagnostics"])]
        got = {(q, f): (i, s, raw(sender), size, tries, raw(text)) for
               q, f, i, s, sender, size, tries, text in
               rows("SELECT queue, file, id, state, sender, size, tries, status FROM v_messages "
                    "WHERE snapshot = ?", number)}
        for m in wanted:
            key = m["queue"], m["file"]
            exact = m.get("raw", {})
            if "file" in exact:
                # A name that is no UTF-8: the exact one is the row's.
                key = m["queue"], base64.b64decode(exact["file"])
            have = got.pop(key, None)
            sender = m["sender"] and m["sender"].encode()
            if not have or ("id" not in exact and have[0] != m["id"]) or have[1] != m["state"] or \
                    (have[2] != sender and "sender" not in exact) or have[3] != m["size"] or \
                    have[4] != m["tries"]:
                wrong.append((name, key, have, m))
            if "file" in exact:
                continue
            addresses = rows("SELECT address FROM v_recipients WHERE snapshot = ? AND queue = ? "
                             "AND id = ? AND state = ? ORDER BY n", number, m["queue"], m["id"],
                             m["state"])
            if "raw" not in m and [a for a, in addresses] != \
                    [r["address"] for r in m["recipients"]]:
                wrong.append((name, key, addresses))
            codes = sorted(d["code"] for d in m["diagnostics"])
            have = sorted(c for c, in rows(
                "SELECT code FROM v_findings WHERE snapshot = ? AND queue = ? AND id = ? AND "
                "message = (SELECT message FROM v_messages WHERE snapshot = ? AND queue = ? AND "
                "file = ?) AND code <> 'torn'", number, m["queue"], m["id"], number, *key))
            if codes != have:
                wrong.append((name, key, codes, have))
        if got or status or not record or record["messages"] != len(wanted):
            wrong.append((name, status, record, got, done.stderr))
        if differences(before, snapshot(top, times=False)):
            wrong.append((name, "changed", differences(before, snapshot(top, times=False))))
    tap.ok(not wrong, "the packed queues: messages, recipients and findings are what ls says",
           wrong[:3])
    (result,), = rows("PRAGMA integrity_check")
    tap.ok(result == "ok" and not rows("PRAGMA foreign_key_check"), "the database is sound", result)
    tap.ok(os.stat(db).st_mode & 0o7777 == 0o600, "its mode is 0600")
    (app,), = rows("PRAGMA application_id")
    (version,), = rows("PRAGMA user_version")
    tap.ok(app == 0x71666175 and version >= 1, "application_id and user_version")
    strict = rows("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND "
                  "NOT strict AND name NOT LIKE 'sqlite%'")
    tap.ok(not strict, "all tables are STRICT", strict)


def documented():
    """docs/audit-schema.md names every table, view and column."""
    with open(os.path.join(os.path.dirname(FIXTURES), "docs/audit-schema.md")) as f:
        text = f.read()
    missing = []
    for name, kind in rows("SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') "
                           "AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'bodies_fts_%'"):
        if "`%s`" % name not in text:
            missing.append(name)
        if kind == "table":
            line = [x for x in text.splitlines() if x.startswith("| ") and "`%s`" % name in x]
            for _, column, *_ in rows("PRAGMA table_info(%s)" % name):
                if column not in ("id", "snapshot", "message", "content", "event", "queue", "text") \
                        and not any(column in x for x in line):
                    missing.append(name + "." + column)
    tap.ok(not missing, "docs/audit-schema.md has every table, view and column", missing)


def once():
    queue = new_queue("once")
    ids = [message(queue, i, rcpts=(b"<r%d@dst.example>" % i, b"<x@dst.example>"),
                   headers=((b"Subject", b"no %d" % i), (b"Message-Id", b"<%d@x>" % i)))
           for i in range(20)]
    _, first, _ = index(queue, "--label=one")
    counts = "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM contents), " \
             "(SELECT count(*) FROM recipients), (SELECT count(*) FROM headers)"
    before = rows(counts)
    _, second, _ = index(queue, "--label=two")
    tap.ok(first["unchanged"] == 0 and second["unchanged"] == 20 and second["messages"] == 20 and
           rows(counts) == before, "unchanged messages are stored once", first, second)
    os.unlink(os.path.join(queue, "qf" + ids[0]))
    os.unlink(os.path.join(queue, "df" + ids[0]))
    path = os.path.join(queue, "qf" + ids[1])
    with open(path, "rb") as f:
        content = f.read()
    write(path + ".new", content.replace(b"N0", b"N1").replace(b"K0", b"K1795300100"))
    os.rename(path + ".new", path)
    message(queue, 99)
    _, third, _ = index(queue)
    tap.ok(third["messages"] == 20 and third["unchanged"] == 18,
           "what changed and what came is new", third)
    shutil.copytree(queue, os.path.join(tmp, "aws-backup-restore_2026-11-20T10-15-00-123Z/mqueue"))
    before = rows("SELECT count(*) FROM contents")
    _, fourth, done = index(os.path.join(tmp, "aws-backup-restore_2026-11-20T10-15-00-123Z"))
    tap.ok(fourth.get("messages") == 20 and rows("SELECT count(*) FROM contents") == before,
           "a restored copy shares the contents", fourth, done.stderr)
    tap.ok(rows("SELECT restored FROM snapshots WHERE id = ?", fourth["snapshot"]) == [(1,)] and
           rows("SELECT DISTINCT queue_kind FROM v_messages WHERE snapshot = ?",
                fourth["snapshot"]) == [("restored",)], "and is known as restored")
    shutil.rmtree(os.path.join(tmp, "aws-backup-restore_2026-11-20T10-15-00-123Z"))


def restored():
    """A root of a file system with a restored tree, a failed one, and fragments."""
    root = new_queue("efs")
    queues = {}
    for tree, kind in (("aws-backup-restore_2026-11-20T10-15-00-123Z", "restored"),
                       ("aws-backup-failed-restore_2026-11-20T11-15-00-123Z", "failed-restore")):
        queues[kind] = os.path.join(root, tree, "smtp-queue", "q1")
        os.makedirs(queues[kind])
    os.makedirs(os.path.join(root, "smtp-queue"))
    lost = os.path.join(root, "aws-backup-lost+found")
    os.makedirs(lost)
    live = message(os.path.join(root, "smtp-queue"), 1)
    one = message(queues["restored"], 2)
    two = message(queues["failed-restore"], 3)
    os.rename(os.path.join(queues["failed-restore"], "df" + two), os.path.join(lost, "df" + two))
    split = os.path.join(root, "aws-backup-restore_2026-11-20T10-15-00-123Z", "in")
    for part in ("qf", "df", "xf"):
        os.makedirs(os.path.join(split, part))
    write(os.path.join(split, "qf", "qf6AO8MsV8000004"), control())
    write(os.path.join(split, "df", "df6AO8MsV8000004"), b"x\n")
    status, record, done = index(root)
    number = record.get("snapshot")
    got = rows("SELECT id, queue_kind, queue FROM v_messages WHERE snapshot = ? ORDER BY id", number)
    tap.ok([(i, k) for i, k, _ in got] == [(one, "restored"), (two, "failed-restore"),
                                           ("6AO8MsV8000004", "restored")] and live not in
           [i for i, _, _ in got], "queues are found below the restored trees, and the live one is "
           "left alone", got, record, done.stderr)
    tap.ok(got and got[-1][2] == split, "a queue with qf/ and df/ is one queue", got)
    fragments = rows("SELECT name, belongs, message_queue FROM v_files WHERE snapshot = ? AND id = ?",
                     number, two)
    tap.ok(fragments == [("df" + two, 1, queues["failed-restore"])],
           "a fragment is matched to its message", fragments)


def torn():
    """M8: a data file cut short between two snapshots."""
    queue = new_queue("torn")
    ids = [message(queue, i, body=b"line of the body\n" * 100) for i in range(10, 15)]
    index(queue)
    os.truncate(os.path.join(queue, "df" + ids[1]), 1000)
    write(os.path.join(queue, "df" + ids[2]), b"Line of the body\n" * 100)
    os.unlink(os.path.join(queue, "df" + ids[3]))
    _, second, _ = index(queue, "--digest")
    got = dict(rows("SELECT id, detail FROM v_findings WHERE snapshot = ? AND code = 'torn'",
                    second["snapshot"]))
    tap.ok(sorted(got) == ids[1:4] and "1000" in got[ids[1]] and "1700" in got[ids[1]] and
           "content" in got[ids[2]] and "no data file" in got[ids[3]],
           "M8: a data file that is shorter, of other content, or missing is torn", got)


def moving():
    """Messages that change while the queue is read are marked."""
    queue = new_queue("moving")
    ids = [message(queue, 20000 + i) for i in range(200)]
    names = os.listdir(queue)
    run = subprocess.Popen([QF, "audit", "index", "--db=" + db, "-C", "none", "-Q", queue, "--jobs=1",
                            "--max-ops=600", "--format=json", "--label=moving"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1.2)
    # Read already, or still to come: whichever, it changes under the scan.
    for name in ids[:3]:
        path = os.path.join(queue, "qf" + name)
        write(path + "~", control(created=1795300001))
        os.rename(path + "~", path)
    for name in ids[3:6]:
        os.unlink(os.path.join(queue, "qf" + name))
    out, err = run.communicate(timeout=60)
    record = json.loads(out or b"{}")
    marks = dict(rows("SELECT id, moving FROM v_messages WHERE label = 'moving' AND moving NOT NULL"))
    present = {i for i, in rows("SELECT id FROM v_messages WHERE label = 'moving'")}
    tap.ok(len(marks) == record.get("moving") and
           all(marks.get(i) == "changed" or i in present for i in ids[:3]) and
           all(marks.get(i) == "gone" or i not in present for i in ids[3:6]) and len(marks) >= 1 and
           set(marks) <= set(ids[:6]), "messages that changed or went under the scan are marked",
           record, marks, err)
    seen = rows("SELECT min(seen), max(seen) FROM v_messages WHERE label = 'moving'")
    tap.ok(seen[0][0] < seen[0][1], "each row carries when it was seen", seen, len(names))


def hostile():
    queue = new_queue("hostile")
    nasty = [b"'); DROP TABLE messages; --", b"<script>alert(1)</script>", b"\x1b[2J\x1b]0;owned\x07",
             b"\xfe\x80 not utf-8", b'"; .shell id', b"%s%n\\", b"a" * 5000, b"\xe2\x80\xae rtl"]
    ids = []
    for i, text in enumerate(nasty):
        ids.append(message(queue, 30000 + i, sender=b"<" + text + b">",
                           rcpts=(b"<" + text + b"@dst.example>",), more=b"M" + text + b"\n",
                           headers=((b"Subject", text), (b"X-Nasty", text)), body=text))
    _, record, done = index(queue, "--bodies", "--label='; DROP TABLE snapshots; --")
    wrong = []
    for i, text in zip(ids, nasty):
        got = rows("SELECT sender, status, subject FROM v_messages WHERE snapshot = ? AND id = ?",
                   record["snapshot"], i)
        got += rows("SELECT address FROM v_recipients WHERE snapshot = ? AND id = ?",
                    record["snapshot"], i)
        got += rows("SELECT value FROM v_headers WHERE snapshot = ? AND id = ? AND name = 'X-Nasty'",
                    record["snapshot"], i)
        flat = [raw(x) for row in got for x in row]
        if flat != [b"<" + text + b">", text, text, b"<" + text + b"@dst.example>", text]:
            wrong.append((i, text, flat))
    tap.ok(not wrong and record["messages"] == len(nasty), "hostile bytes are stored exactly", wrong,
           record, done.stderr)
    # A value ends at a NUL, as sendmail reads it; the finding tells.
    name = message(queue, 31000, headers=((b"Subject", b"a\0b"),))
    _, record, done = index(queue)
    tap.ok(rows("SELECT code FROM v_findings WHERE snapshot = ? AND id = ?", record["snapshot"],
                name) == [("nul-byte",)], "a NUL is a finding", done.stderr)


def killed():
    """SIGKILL at random moments: finished snapshots only, and the next run finds what was read."""
    queue = os.path.join(tmp, "killed")
    subprocess.run([os.path.join(helpers, "gen-queue"), "--messages=%d" % MESSAGES, queue], check=True,
                   capture_output=True)
    path = os.path.join(tmp, "killed.db")
    command = [QF, "audit", "index", "--db=" + path, "-C", "none", "-Q", queue, "--format=json"]
    begin = time.monotonic()
    subprocess.run(command[:3] + ["--db=" + path + ".time"] + command[4:], check=True,
                   capture_output=True)
    whole = time.monotonic() - begin
    chance = random.Random(KILLS)
    finished = killed_ones = 0
    wrong = []
    for i in range(KILLS):
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(chance.uniform(0, whole * 1.1))
        run.send_signal(signal.SIGKILL)
        out, err = run.communicate()
        finished += run.returncode == 0
        killed_ones += run.returncode == -signal.SIGKILL
        if not os.path.exists(path) or os.path.getsize(path) == 0 or \
                not rows("SELECT 1 FROM sqlite_schema WHERE name = 'snapshots'", path=path):
            continue
        snapshots = rows("SELECT s.id, s.messages, s.complete, (SELECT count(*) FROM v_messages m "
                         "WHERE m.snapshot = s.id) FROM snapshots s", path=path)
        if rows("PRAGMA integrity_check", path=path) != [("ok",)] or \
                rows("PRAGMA foreign_key_check", path=path) or len(snapshots) < finished or \
                any(s[1:] != (MESSAGES, 1, MESSAGES) for s in snapshots):
            wrong.append((i, snapshots, err))
        if i % 5 == 4:
            # Begin anew, so that first runs are interrupted too.
            for end in ("", "-wal", "-shm", "-lock", "-journal"):
                if os.path.exists(path + end):
                    os.unlink(path + end)
            finished = 0
    tap.ok(not wrong and killed_ones > 0, "%d of %d index runs killed: the database is sound and has "
           "only whole snapshots" % (killed_ones, KILLS), wrong[:3])
    done = subprocess.run(command, capture_output=True)
    tap.ok(done.returncode == 0 and json.loads(done.stdout)["messages"] == MESSAGES and
           rows("SELECT count(*) FROM messages", path=path) == [(MESSAGES,)] and
           rows("SELECT count(*) FROM runs", path=path) == [(0,)],
           "and the next run finishes, with nothing stored twice", done.stdout, done.stderr)


def full():
    """A disk without space: said, and what was there stays."""
    place = new_queue("full")
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", place],
                                      capture_output=True).returncode:
        tap.skip("a full disk", "no mount")
        return
    global db
    old, db = db, os.path.join(place, "audit.db")
    try:
        small = os.path.join(tmp, "once")
        _, first, _ = index(small)
        status, record, done = index(os.path.join(tmp, "killed"))
        tap.ok(status == 74 and not record and b"no space" in done.stderr.lower(),
               "a full disk is an error, said", status, done.stderr)
        tap.ok(rows("PRAGMA integrity_check") == [("ok",)] and
               rows("SELECT id, messages FROM snapshots") == [(first["snapshot"], first["messages"])],
               "and the earlier snapshot is intact")
        status, again, done = index(small)
        tap.ok(status == 0 and again["messages"] == first["messages"],
               "and it can be written again", status, done.stderr)
    finally:
        db = old
        subprocess.run(["umount", place])


def bad():
    """What is said of bad input; nothing is written."""
    global db
    queue = os.path.join(tmp, "once")
    done = qf("audit", "index", "-Q", queue)
    tap.ok(done.returncode == 64 and b"--db" in done.stderr, "no --db", done.stderr)
    done = qf("audit", "nonsense", "--db=x")
    tap.ok(done.returncode == 64 and b"index" in done.stderr, "no such subcommand", done.stderr)
    old = db
    for name, content, status, word in (
            ("text", b"this is no database, but some text\n" * 100, 65, b"no database"),
            ("other", None, 65, b"none of qf audit"), ("newer", None, 78, b"newer")):
        db = os.path.join(tmp, "bad." + name)
        if content:
            write(db, content)
        else:
            connection = sqlite3.connect(db)
            connection.execute("CREATE TABLE t (x)")
            if name == "newer":
                connection.execute("PRAGMA application_id = %d" % 0x71666175)
                connection.execute("PRAGMA user_version = 999")
            connection.commit()
            connection.close()
        before = hashlib.sha256(open(db, "rb").read()).digest()
        got, record, done = index(queue)
        tap.ok(got == status and word in done.stderr and not record and
               hashlib.sha256(open(db, "rb").read()).digest() == before and
               not glob.glob(db + "-*"), "a database that is %s: status %d, nothing written" %
               (name, status), got, done.stderr, glob.glob(db + "-*"))
    db = os.path.join(queue, "audit.db")
    got, record, done = index(queue)
    tap.ok(got == 73 and not os.path.exists(db), "no database in the queue itself", got, done.stderr)
    db = os.path.join(tmp, "no/such/dir/a.db")
    got, record, done = index(queue)
    tap.ok(got == 73, "a directory that is not there", got, done.stderr)
    db = os.path.join(tmp, "not-made.db")
    got, record, done = index(os.path.join(tmp, "no-such-queue"))
    tap.ok(got == 66 and not os.path.exists(db), "no queue: no database", got, done.stderr)
    db = old
    import fcntl
    with open(db + "-lock", "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        got, record, done = index(queue)
    tap.ok(got == 75 and b"busy" in done.stderr, "another writer: busy", got, done.stderr)


def read_while_written():
    connection = sqlite3.connect(db)
    connection.execute("BEGIN")
    count = connection.execute("SELECT count(*) FROM snapshots").fetchone()
    got, record, done = index(os.path.join(tmp, "once"))
    tap.ok(got == 0 and connection.execute("SELECT count(*) FROM snapshots").fetchone() == count,
           "it is written while somebody reads, who sees what he saw", got, done.stderr)
    connection.close()


with tempfile.TemporaryDirectory() as tmp:
    db = os.path.join(tmp, "audit.db")
    helpers = os.path.join(tmp, "bin")
    os.makedirs(helpers)
    subprocess.run(["cc", "-O1", "-o", os.path.join(helpers, "gen-queue"),
                    os.path.join(FIXTURES, "bench/gen-queue.c"), "-lm"], check=True)
    same_as_ls()
    documented()
    once()
    restored()
    torn()
    moving()
    hostile()
    killed()
    full()
    bad()
    read_while_written()
    tap.done()
