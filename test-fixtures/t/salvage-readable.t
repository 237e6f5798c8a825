#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""salvage export for people to read: what --redact lets through, what is there already stays; and
resubmit --redact."""
import mailbox
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
import lab as laboratory
import salvaging
from tap import Tap

tap = Tap()
RULES = ["-C", "none", "--now=@%d" % acting.NOW, "--queue-return=never"]
HEADERS = b"""H??Received: from gate.example (gate.example [192.0.2.7])
	by x with ESMTP id 1 for <bob.secret@dst.example>; Mon, 1 Jan 2026 00:00:00 +0000
H??Received: from bob.secret%40dst.example by =?us-ascii?Q?secret?=; Mon, 1 Jan 2026 00:00:00 +0000
H??From: Secret Name <ann.secret@src.example>
H??To: "Bob Secret" <bob.secret@dst.example>,
	=?utf-8?B?Qm9iIFNlY3JldG5hbWU=?= <bob.secret@dst.example>
H??Subject: salary, secret
H??List-Unsubscribe: <https://x/?m=bob.secret%40dst.example>
H??Comments: secret
H??X-Envelope-Secret-bob.secret@dst.example: secret
H??Authentication-Results: x; smtp.auth=ann.secret
H??Message-ID: <1.secret@src.example>
H??Content-Type: text/plain; name="secret.txt"
H??Date: Mon, 1 Jan 2026 00:00:00 +0000
.
"""
CONTROL = (b"V8\nT%d\nK0\nN0\nP1\nFs8\nS<ann.secret@src.example>\nC:<ann.secret@src.example>\n"
           b"rRFC822; bob.secret@dst.example\nRPFD:<bob.secret@dst.example>\n" % (acting.NOW - 3600)) + HEADERS


def qf(verb, *args):
    return harness.qf("salvage", verb, *RULES, *args, env={"QF_CONF": "/dev/null"})


def begin(top):
    path = os.path.join(top, "queue")
    salvaging.make(path)
    for name, content in (("df6AMAAA000001", b"a secret\n"), ("qf6AMAAA000001", CONTROL)):
        with open(os.path.join(path, name), "wb") as f:
            f.write(content)
        os.chmod(os.path.join(path, name), 0o600)
    return path


def redacted(top):
    queue = begin(top)
    box = os.path.join(top, "x.mbox")
    done = qf("export", "--from=" + queue, "--to=" + box, "--redact")
    with open(box, "rb") as f:
        raw = f.read()
    m = mailbox.mbox(box)[0]
    tap.ok(done.returncode == 0 and b"secret" not in raw.lower() and b"Qm9i" not in raw,
           "--redact: nothing that people wrote", raw.decode(errors="replace"))
    to = m["To"].replace("\n\t", " ").split(", ")
    tap.ok(len(to) == 2 and to[0] == to[1] and to[0].endswith("@redacted>") and
           to[0] in m.get_all("Received")[0] and "gate.example" in m.get_all("Received")[0] and
           m["From"] == "<%s>" % m.get_from().split()[0] and m["Subject"] == "(left out)" and
           m["Content-Type"] == "text/plain" and m["Date"] == "Mon, 1 Jan 2026 00:00:00 +0000",
           "addresses are the same wherever they are; hosts, types and dates stay", raw.decode())
    os.unlink(box)


def resubmitted(top):
    queue = begin(top)
    version = harness.qf("--version").stdout
    if b"libcurl" not in version or b"without libcurl" in version:
        return
    with laboratory.Sink() as sink:
        sink.answer("rcpt", "550 5.1.1 <bob.secret@dst.example> unknown, see http://x/?m=bob.secret%40dst.example")
        server = "--smtp=127.0.0.1:%d" % sink.port
        for form in ("table", "json"):
            done = qf("resubmit", "--redact", "--from=" + queue, server, "--format=" + form)
            tap.ok(done.returncode == 2 and b"unknown, see" in done.stderr and
                   b"secret" not in done.stdout + done.stderr,
                   "resubmit --redact, %s: what the server answers" % form, done)


def there_already(top):
    queue = begin(top)
    for name in ("x.mbox", "x.eml/", "x.maildir/"):
        path = os.path.join(top, name)
        kept = path + "kept" if name[-1] == "/" else path
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        with open(kept, "w") as f:
            f.write("precious\n")
        before = harness.snapshot(top)
        done = qf("export", "--from=" + queue, "--to=" + path)
        tap.ok(done.returncode == 64 and b"is there already" in done.stderr and not done.stdout and
               not harness.differences(before, harness.snapshot(top)), name + " is there: it stays", done)
        os.unlink(kept)
        done = qf("export", "--from=" + queue, "--to=" + path)
        tap.ok(done.returncode == 0 and b"copied" in done.stdout and os.path.exists(path),
               "else it is written", done)


def main():
    with acting.fast_folder() as top:
        redacted(top)
        resubmitted(top)
        there_already(top)
    tap.done()


main()
