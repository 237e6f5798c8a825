#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf audit mailstore: where a log at LogLevel 2 says nothing, the mailbox does, of its owner alone."""
import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", "test-fixtures"), "lab"))
from harness import FIXTURES, qf, snapshot, differences
from lab import Lab, Missing, Sink, queue_id, submit
from tap import Tap, skip_all

tap = Tap()


def audit(command, *args):
    return qf("audit", command, "--db=" + db, "-C", lab.cf, *args)


def mailstore(*args):
    done = audit("mailstore", "--format=json", *args)
    return json.loads(done.stdout) if done.stdout else None, done


def records(command, *args):
    done = audit(command, "--format=json", *args)
    return [json.loads(line) for line in done.stdout.splitlines()], done


def maildir(*parts):
    path = os.path.join(tmp, *parts)
    for name in ("new", "cur", "tmp"):
        os.makedirs(os.path.join(path, name), exist_ok=True)
    return path


def deliver(path, headers, name, to=None):
    """As a delivery agent does."""
    with open(os.path.join(path, "new", name), "wb") as f:
        f.write((b"Return-Path: <ann@src.example>\n" + (b"Delivered-To: %s\n" % to.encode() if to else b"") +
                 headers + b"\n\nbody\n").replace(b"\r\n", b"\n"))


def send(name, *rcpts):
    ids[name] = queue_id(submit(daemon.port, "ann@src.example", list(rcpts),
                                "Subject: %s\nMessage-Id: <%s@src.example>\n\nbody\n" % (name, name)))


def headers_of(name):
    return [m["headers"] for m in sink.messages if b"Subject: " + name.encode() in m["headers"]][0]


def story():
    global daemon
    daemon = lab.daemon()
    send("one", "bob@dst.example")
    send("two", "bob@dst.example", "carol@dst.example")
    send("three", "dora@dst.example", "bob@other.example")
    send("forged", "erin@dst.example")
    send("nobody", "frank@dst.example")
    send("to", "grete+lists@dst.example")
    daemon.stop()
    qf("audit", "index", "--db=" + db, "-C", lab.cf, "--label=before")
    restored = os.path.join(tmp, "aws-backup-restore_1", "mqueue")
    shutil.copytree(lab.queue, restored)
    lab.run_queue()
    tap.ok(not [n for n in os.listdir(lab.queue) if n[:2] == "qf"] and len(sink.messages) == 6,
           "all of it was delivered", [m["recipients"] for m in sink.messages])
    time.sleep(1.1)
    qf("audit", "index", "--db=" + db, "-C", lab.cf, "--label=after")
    audit("log", lab.log)
    before, _ = records("reconcile", "before", "after")
    tap.ok(before[-1]["delivered"] == 0 and before[-1]["missing"] == 8,
           "LogLevel 2: nothing is known of it", before[-1])

    store = os.path.join(tmp, "mail")
    bob = maildir("mail", "dst.example", "bob", "Maildir")
    deliver(bob, headers_of("one"), "1.M1.lab")
    deliver(bob, headers_of("two"), "2.M2.lab")
    # A path with no domain, and several recipients: it may be bob's at either.
    deliver(maildir("mail", "home", "bob"), headers_of("three"), "3.M3.lab")
    erin = maildir("mail", "dst.example", "erin", "Maildir")
    # Somebody writes that the message to erin came, under lines of his own.
    top = re.search(rb"(?m)^Received:.*\n(?:[ \t].*\n)*", headers_of("one").replace(b"\r", b"")).group()
    deliver(erin, top + b"Received: from x by lab.example with ESMTP id " +
            ids["forged"].encode() + b" for <erin@dst.example>; now\nMessage-Id: <forged@src.example>",
            "4.M4.lab")
    # Of another host with the same id: not this message.
    deliver(maildir("mail", "dst.example", "frank", "Maildir"),
            headers_of("nobody").replace(b"by lab.example", b"by elsewhere.example"), "5.M5.lab")
    deliver(maildir("mail", "x"), headers_of("to"), "6.M6.lab", to="grete+lists@dst.example")
    was = snapshot(store)
    found, done = mailstore(store)
    tap.ok(done.returncode == 0 and found["mailboxes"] == 5 and found["files"] == found["added"] == 6,
           "every mailbox below is found", found, done.stderr)
    tap.ok(not differences(was, snapshot(store)), "nothing is changed there")
    lines, done = records("reconcile", "before", "after", "-v")
    got = {(r["id"], r["recipient"].strip("<>")): r["outcome"] for r in lines[:-1]}
    wanted = {(ids["one"], "bob@dst.example"): "delivered", (ids["two"], "bob@dst.example"): "delivered",
              (ids["two"], "carol@dst.example"): "missing", (ids["three"], "dora@dst.example"): "missing",
              (ids["three"], "bob@other.example"): "missing", (ids["forged"], "erin@dst.example"): "missing",
              (ids["nobody"], "frank@dst.example"): "missing",
              (ids["to"], "grete+lists@dst.example"): "delivered"}
    tap.ok(got == wanted, "proven: to that mailbox, and to no other recipient",
           *[(k, got.get(k), v) for k, v in wanted.items() if got.get(k) != v])
    proof = [r["evidence"] for r in lines[:-1] if r["id"] == ids["one"]][0]
    tap.ok(proof[0]["kind"] == "mailstore" and proof[0]["where"].endswith("bob/Maildir/new/1.M1.lab") and
           proof[0]["time"], "with the file as evidence", proof)
    tap.ok(not any(r["doubled"] for r in lines[:-1]), "a file is no second delivery")
    qf("audit", "index", "--db=" + db, "-C", lab.cf, "-Q", restored, "--label=restored")
    lines, done = records("report", "--snapshot=restored", "--against=after")
    got = {r["id"]: (r["class"], r["action"]) for r in lines[:-1]}
    tap.ok(got == {ids["one"]: ("delivered", "rm"), ids["two"]: ("partly-delivered", "hold, edit"),
                   ids["three"]: ("undecided", "hold"), ids["forged"]: ("undecided", "hold"),
                   ids["nobody"]: ("undecided", "hold"), ids["to"]: ("delivered", "rm")},
           "report: delivered by that, and no more than that", got)

    # Read again: nothing is new, though it was looked at, flagged, and moved.
    os.rename(bob + "/new/1.M1.lab", bob + "/cur/1.M1.lab:2,S")
    os.rename(bob + "/new/2.M2.lab", maildir("mail", "dst.example", "bob", "Maildir", ".Archive") +
              "/cur/2.M2.lab:2,RS")
    with open(bob + "/cur/1.M1.lab:2,S", "r+b") as f:
        f.truncate(0)    # It is not opened any more.
    found, done = mailstore(store)
    tap.ok(found["added"] == 0 and found["known"] == found["files"] == 6 and found["mailboxes"] == 5,
           "again: all is known", found)
    deliver(bob, headers_of("nobody"), "7.M7.lab")
    found, done = mailstore(bob)
    tap.ok(found["added"] == 1 and found["known"] == 2, "what is new is read", found)
    return found


def bad_input(found):
    for args, status, word in (([], 64, b"which"), (["/nonexistent"], 66, b"nonexistent"),
                               ([lab.queue], 66, b"no Maildir")):
        done = audit("mailstore", *args)
        tap.ok(done.returncode == status and word in done.stderr and not done.stdout,
               "said: " + " ".join(args), done.returncode, done.stderr)
    nasty = maildir("nasty")
    for i, text in enumerate((b"", b"\n", b":", b"Received: (((((", b"Received: by \x00\xff id \x1b[2J",
                              b"Received: by a id 6AO8MsV8000001\n (" + b"x" * 300000,
                              b"Message-Id: <'; DROP TABLE mails; -->\nReceived: by b id 6AO8MsV8000002")):
        with open(os.path.join(nasty, "new", "n%d" % i), "wb") as f:
            f.write(text)
    os.mkfifo(os.path.join(nasty, "new", "fifo"))
    os.symlink("/etc/passwd", os.path.join(nasty, "new", "link"))
    got, done = mailstore(nasty)
    tap.ok(done.returncode == 2 and got["added"] == 7 and got["unreadable"] == 2 and
           b"\x1b" not in done.stderr, "hostile files", got, done.stderr)
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        tap.skip("the record keeps to its schema", "no python3-jsonschema")
        return
    with open(os.path.join(os.path.dirname(FIXTURES), "docs/schema/audit-mailstore.json")) as f:
        tap.ok(not list(Draft202012Validator(json.load(f)).iter_errors(found)),
               "the record keeps to its schema", found)


def older():
    """A database of an older qf is brought up to date when it is written, with all that it holds."""
    connection = sqlite3.connect(db)
    before = connection.execute("SELECT count(*) FROM presence").fetchone()
    connection.executescript("DROP VIEW v_mails; DROP TABLE mail_ids; DROP TABLE mails;"
                             "DROP TABLE mailboxes; DROP INDEX events_reports;"
                             "DROP TABLE log_stretches; DROP TABLE log_links; DROP TABLE log_gaps;"
                             "ALTER TABLE events DROP COLUMN controller; ALTER TABLE events DROP COLUMN xdelay;"
                             "ALTER TABLE events DROP COLUMN priority; ALTER TABLE events DROP COLUMN class;"
                             "PRAGMA user_version = 1")
    done = audit("report", "--snapshot=restored")
    tap.ok(done.returncode == 78 and b"older" in done.stderr, "an older one is not read as it is", done.stderr)
    found, done = mailstore(os.path.join(tmp, "mail"))
    tap.ok(done.returncode == 0 and found["added"] > 0 and before[0] > 0 and
           connection.execute("SELECT count(*) FROM presence").fetchone() == before and
           connection.execute("PRAGMA user_version").fetchone()[0] > 1 and
           audit("report", "--snapshot=restored").returncode == 1, "it is brought up to date", done.stderr)
    connection.close()


tmp = tempfile.mkdtemp(prefix="qf-mailstore.")
db = os.path.join(tmp, "audit.db")
ids = {}
try:
    try:
        lab = Lab(options={"LogLevel": "2"})
    except Missing as why:
        skip_all(str(why))
    try:
        with Sink() as sink:
            lab.relay_to(sink)
            bad_input(story())
            older()
    finally:
        lab.stop()
        shutil.rmtree(lab.dir, ignore_errors=True)
finally:
    shutil.rmtree(tmp, ignore_errors=True)
tap.done()
