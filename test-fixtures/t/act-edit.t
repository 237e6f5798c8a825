#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf edit: recipients struck and replaced, sender, creation time; what is refused; with the real sendmail."""
import json
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
import lab as laboratory
from acting import CONTROL, ID, NOW, act
from tap import Tap

tap = Tap()
# Who is whose: C lines in force for two, then for one, then for nobody.
MANY = (b"V8\nT%d\nK%d\nN1\nP30000\nMDeferred: envelope\nFbs\nS<ann@src.example>\n"
        b"Clist:8:12:<list@a.example>\nMDeferred: one\nQrfc822;one@a.example\nrRFC822; one@a.example\n"
        b"RPFDA:<one@a.example>\nRFDA:<two@b.example>\nCother:9:13:<other@a.example>\n"
        b"RFDA:<three@a.example>\nC\nMDeferred: four\nRPFD:<four@c.example>\n"
        b"H??Subject: Rx\n\t:y\n.\n" % (NOW - 3600, NOW - 60))

# sendmail would drop these without a word, give the message to another one, or run them.
NO_ADDRESSES = ["x" * 244 + "@dst.example", os.fsdecode(b"n\x80w@d.example"), "n\u00dfw@d.example",
                os.fsdecode(b"n\xffw@d.example"), "(hi)", "<a@d.example>,<b@d.example>", "a@d.example,",
                "<a@d.example", "a@d.example>", '"a@d.example', '""@d.example', '"a\\', "a@d.example (", "a b@d.example",
                "|/bin/true", '"|/bin/true"', "</etc/x>", "/etc/x", ":include:/etc/x", "list:;",
                "@a.example:b@d.example", "a@b@d.example", "@", "a@", "@d.example", "< >", "\\a", " a@d.example"]
ADDRESSES = ["new@dst.example", "<new@dst.example>", "<x%sx@dst.example>" % ("y" * 239), '<"a b, (c"@dst.example>',
             "a+b=c/d!e%f@dst.example", "<a@[IPv6:::1]>", "n\u00e9w@dst.example"]


def without(control, *pieces):
    for piece in pieces:
        assert piece in control
        control = control.replace(piece, b"")
    return control


def edited(queue, control, *options):
    """The control file after an edit, and what it said."""
    queue.make("qf", control)
    done = act("edit", ID, "--format=json", *options, queue=queue)
    path = queue.place("qf" + ID)
    if not os.path.exists(path):
        return None, done
    with open(path, "rb") as f:
        return f.read(), done


def rewriting(directory):
    queue = acting.Queue(os.path.join(directory, "queue"))
    one = (b"MDeferred: one\nQrfc822;one@a.example\nrRFC822; one@a.example\nRPFDA:<one@a.example>\n")
    two, three = b"RFDA:<two@b.example>\n", b"Cother:9:13:<other@a.example>\nRFDA:<three@a.example>\n"
    four = b"MDeferred: four\nRPFD:<four@c.example>\n"
    cases = [
        ("one of two that a C line is for", ["--drop-rcpt=rcpt:one"], without(MANY, one)),
        ("both of them, and the C line", ["--drop-rcpt=rcpt:one or rcpt:two"],
         without(MANY, b"Clist:8:12:<list@a.example>\n", one, two)),
        ("one that has a C line alone", ["--drop-rcpt=rcpt:three"], without(MANY, three)),
        ("the last one", ["--drop-rcpt=domain:c.example"], without(MANY, b"C\n", four)),
        ("by the answer for it", ["--drop-rcpt=status:four"], without(MANY, b"C\n", four)),
        ("replaced", ["--rcpt=rcpt:one", "--set-rcpt=<new@n.example>"],
         MANY.replace(one, b"RPFD:<new@n.example>\n")),
        ("struck before replaced", ["--rcpt=rcpt:one", "--set-rcpt=<new@n.example>",
                                    "--drop-rcpt=rcpt:one"], without(MANY, one)),
        ("the sender", ["--set-sender=<>"], MANY.replace(b"S<ann@src.example>", b"S<>")),
        ("created now", ["--refresh"], MANY.replace(b"T%d" % (NOW - 3600), b"T%d" % NOW)),
    ]
    for name, options, wanted in cases:
        got, done = edited(queue, MANY, *options)
        tap.same(got or b"", wanted, name)
        record = json.loads(done.stdout.splitlines()[0])
        undone = act("undo", record["entry"], queue=queue)
        with open(queue.place("qf" + ID), "rb") as f:
            tap.ok(undone.returncode == 0 and f.read() == MANY, name + ": taken back", undone.stderr)

    _, done = edited(queue, MANY, "--drop-rcpt=rcpt:/./")
    record = json.loads(done.stdout.splitlines()[0])
    tap.ok(done.returncode == 0 and not queue.of_message() and len(queue.trash()) == 1,
           "nobody left: removed", done.stderr, acting.shown(queue))
    done = act("undo", record["entry"], queue=queue)
    tap.ok(done.returncode == 0 and "qf" + ID in queue.of_message(), "and back", done.stderr)
    away = queue.path + "-away"
    os.mkdir(away, 0o700)
    _, done = edited(queue, MANY, "--drop-rcpt=rcpt:/./", "--trash=" + away)
    record = json.loads(done.stdout.splitlines()[0])
    tap.ok(done.returncode == 0 and not queue.of_message() and os.listdir(away) == [record["entry"]],
           "nobody left: removed into the trash that is named", done.stderr, os.listdir(away))
    done = act("undo", queue=queue)
    tap.ok(done.returncode == 0 and "qf" + ID in queue.of_message(), "and back from there", done.stderr)
    got, done = edited(queue, MANY, "--drop-rcpt=rcpt:one", "--trash=" + away)
    undone = act("undo", queue=queue)
    with open(queue.place("qf" + ID), "rb") as f:
        tap.ok(done.returncode == 0 and undone.returncode == 0 and f.read() == MANY,
               "an edit that leaves others has nothing there", undone.stderr)
    for command in (["hold", "--reason=x"], ["release"], ["due"], ["bounce"], ["deliver"], ["undo"]):
        done = act(*command, "--trash=" + away + "/none", ID, queue=queue)
        tap.ok(done.returncode == 66 and b"--trash: " in done.stderr and b"No such" in done.stderr,
               "%s: a trash that is not there" % command[0], done.returncode, done.stderr)

    got, done = edited(queue, MANY, "--drop-rcpt=rcpt:nobody")
    record = json.loads(done.stdout.splitlines()[0])
    tap.ok(got == MANY and record["result"] == "skipped" and not record["entry"],
           "who is not there is not struck", record)
    got, done = edited(queue, MANY, "--drop-rcpt=rcpt:one", "-n")
    record = json.loads(done.stdout.splitlines()[0])
    tap.ok(got == MANY and record["result"] == "planned" and "one@a.example" in record["why"],
           "a dry run names them", record)

    got, done = edited(queue, MANY, "--drop-rcpt=rcpt:one", "-n", "--redact")
    tap.ok(done.returncode == 0 and b"@redacted" in done.stdout and b"a.example" not in done.stdout,
           "names them hashed with --redact", done.stdout)

    # A queue run between: what was delivered then would be owed again.
    got, done = edited(queue, MANY, "--drop-rcpt=rcpt:one")
    entry = json.loads(done.stdout.splitlines()[0])["entry"]
    tried = got.replace(b"N1\n", b"N2\n")
    with open(queue.place("qf" + ID), "wb") as f:
        f.write(tried)
    done = act("undo", entry, queue=queue)
    with open(queue.place("qf" + ID), "rb") as f:
        tap.ok(f.read() == tried and b"since" in done.stderr, "not taken back once it was tried",
               done.stderr)


def refused(directory):
    queue = acting.Queue(os.path.join(directory, "refused"))
    queue.make("qf", CONTROL)
    before = queue.files()
    for options in ([], ["--set-rcpt=<x@y.example>"], ["--rcpt=rcpt:bob"],
                    ["--rcpt=rcpt:bob", "--set-rcpt="], ["--rcpt=rcpt:bob", "--set-rcpt=a\nRPFD:b"],
                    ["--set-sender=a\n.\n"], ["--set-sender="], ["--drop-rcpt="],
                    ["--drop-rcpt=rcpt:"], ["--drop-rcpt=size>1k"], ["--drop-rcpt=nonsense:x"],
                    ["--rcpt=rcpt:bob", "--set-rcpt=<>"],
                    *(["--rcpt=rcpt:bob", "--set-rcpt=" + bad] for bad in NO_ADDRESSES),
                    *(["--set-sender=" + bad] for bad in NO_ADDRESSES)):
        done = act("edit", ID, *options, queue=queue)
        tap.ok(done.returncode == 64 and not done.stdout and done.stderr.startswith(b"qf: edit: ") and
               queue.files() == before, "refused: %r" % options, done.returncode, done.stderr)


def taken():
    """Addresses that are taken are those that sendmail delivers to or returns: each is told of."""
    with laboratory.Lab() as lab, laboratory.Sink() as sink:
        lab.relay_to(sink)
        for address in ADDRESSES:
            sink.answer("rcpt", "450 4.2.0 later")
            lab.inject(["eve@dst.example"], "Subject: x\n\nhello\n")
            lab.run_queue()
            sink.clear()
            before = len(sink.messages)
            done = harness.qf("edit", "ALL", "--yes", "--rcpt=rcpt:eve", "--set-rcpt=" + address, "-C", "none",
                              "-Q", lab.queue, env={"QF_CONF": "/dev/null", "QF_STATE": ""})
            lab.run_queue()
            got = [(message["sender"] != "", message["recipients"]) for message in sink.messages[before:]]
            tap.ok(done.returncode == 0 and len(got) == 1 and len(got[0][1]) == 1 and got[0][0],
                   "taken and delivered, to one: %r" % address, done.stderr, got)


def with_sendmail():
    with laboratory.Lab() as lab, laboratory.Sink() as sink:
        lab.relay_to(sink)
        sink.answer("rcpt", "450 4.2.0 later")
        lab.inject(["bob@dst.example", "eve@dst.example", "kim@dst.example"], "Subject: x\n\nhello\n")
        lab.run_queue()
        sink.clear()
        done = harness.qf("edit", "ALL", "--yes", "--drop-rcpt=rcpt:bob", "--rcpt=rcpt:eve",
                          "--set-rcpt=<new@dst.example>", "-C", "none", "-Q", lab.queue,
                          env={"QF_CONF": "/dev/null", "QF_STATE": ""})
        lab.run_queue()
        got = sorted(rcpt.strip("<>") for message in sink.messages for rcpt in message["recipients"])
        tap.ok(done.returncode == 0 and got == ["kim@dst.example", "new@dst.example"],
               "sendmail delivers to who is left and who is new, once", done.stderr, got)
        tap.ok(not [n for n in os.listdir(lab.queue) if n[0] != "."], "and is done with it",
               os.listdir(lab.queue))
        with open(lab.log) as f:
            bad = [line for line in f if "SYSERR" in line or "Losing" in line]
        tap.ok(not bad, "without complaint", bad[:3])


with acting.fast_folder() as folder:
    rewriting(folder)
    refused(folder)
    try:
        with_sendmail()
        taken()
    except laboratory.Missing as reason:
        tap.skip("with the real sendmail", reason)
tap.done()
