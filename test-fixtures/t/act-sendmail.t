#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""hold, release, due and rm beside the real sendmail: what qf holds sendmail lists, releases and
delivers, and the other way round; what qf removes is not delivered."""
import contextlib
import json
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import lab as laboratory
from tap import Tap, skip_all

tap = Tap()


def one(lab):
    """One message into the queue; its id."""
    before = set(os.listdir(lab.queue))
    lab.inject(["bob@dst.example"], "Subject: x\n\nhello\n")
    return [name[2:] for name in set(os.listdir(lab.queue)) - before if name[:2] == "qf"][0]


def qf(lab, command, *args):
    return harness.qf(command, "-C", lab.cf, *args, env={"QF_CONF": "/dev/null", "QF_STATE": ""})


def names(lab):
    return sorted(name for name in os.listdir(lab.queue) if name != ".qf")


def held_by_qf(lab, sink):
    id = one(lab)
    done = qf(lab, "hold", "--reason=looked at by ann", id)
    tap.ok(done.returncode == 0 and names(lab) == ["df" + id, "hf" + id], "hold: it is an hf",
           done.stderr, names(lab))
    listed = lab.mailq("-qQ")
    tap.ok(id.encode() in listed and b"looked at by ann" in listed,
           "sendmail lists it as quarantined, with the reason", listed)
    tap.ok(id.encode() not in lab.mailq(), "and not among the others")
    lab.run_queue()
    tap.ok(not sink.messages, "no queue run takes it")
    done = lab.call("-qQ", "-qI" + id, "-Q")
    tap.ok(names(lab) == ["df" + id, "qf" + id], "sendmail -Q lets it go", done.stdout + done.stderr,
           names(lab))
    lab.run_queue()
    tap.ok(len(sink.messages) == 1 and not names(lab), "and delivers it", names(lab))


def held_by_sendmail(lab, sink):
    id = one(lab)
    lab.call("-qI" + id, "-Qby hand")
    tap.ok(names(lab) == ["df" + id, "hf" + id], "held by sendmail", names(lab))
    done = qf(lab, "release", id)
    tap.ok(done.returncode == 0 and names(lab) == ["df" + id, "qf" + id], "qf releases it",
           done.stderr)
    with open(os.path.join(lab.queue, "qf" + id), "rb") as f:
        tap.ok(b"\nq" not in f.read(), "the reason is gone")
    lab.run_queue()
    tap.ok(len(sink.messages) == 1 and not names(lab), "and sendmail delivers it once", names(lab))


def half_way(lab, sink):
    """What a hold or release leaves when it is killed between its steps."""
    id = one(lab)
    qf(lab, "hold", "--reason=x", id)
    os.rename(os.path.join(lab.queue, "hf" + id), os.path.join(lab.queue, "qf" + id))
    lab.run_queue()
    tap.ok(not sink.messages and names(lab) == ["df" + id, "hf" + id],
           "a qf with a reason is not delivered: a queue run makes it an hf", names(lab))
    qf(lab, "release", id)
    lab.run_queue()
    tap.ok(len(sink.messages) == 1, "released, it is delivered once")


def due(lab, sink):
    id = one(lab)
    sink.answer("rcpt", "450 4.2.0 later")
    lab.run_queue()
    sink.clear()
    lab.call("-q", "-v", "-OMinQueueAge=30m")
    tap.ok(not sink.messages, "a young message is not tried")
    with open(os.path.join(lab.queue, "qf" + id), "rb") as f:
        before = f.read()
    done = qf(lab, "due", id)
    with open(os.path.join(lab.queue, "qf" + id), "rb") as f:
        now = f.read()
    differ = [(a[:1], b) for a, b in zip(before.split(b"\n"), now.split(b"\n")) if a != b]
    tap.ok(done.returncode == 0 and differ == [(b"K", b"K0")] and len(before) - len(now) == 9,
           "due changes the time of the last try alone", differ)
    lab.call("-q", "-v", "-OMinQueueAge=30m")
    tap.ok(len(sink.messages) == 1 and not names(lab), "due: the next run tries it", names(lab))


def removed(lab, sink):
    id = one(lab)
    lab.call("-qI" + id, "-d8.43")
    with contextlib.suppress(TimeoutError): # it works in the background
        laboratory.wait_until(lambda: not names(lab))
    tap.ok(len(sink.messages) == 1 and not names(lab), "M4: what was called deleting delivers")
    sink.messages.clear()
    id, other = one(lab), one(lab)
    done = qf(lab, "rm", "--format=json", id)
    entry = json.loads(done.stdout.splitlines()[0])["entry"]
    lab.run_queue()
    tap.ok(len(sink.messages) == 1 and not names(lab), "rm: not delivered; the other one is", names(lab))
    tap.ok(sorted(os.listdir(os.path.join(lab.queue, ".qf/trash", entry))) == ["df" + id, "qf" + id],
           "it lies in the trash")
    done = qf(lab, "undo", entry)
    lab.run_queue()
    tap.ok(done.returncode == 0 and len(sink.messages) == 2 and not names(lab),
           "taken back it is delivered", done.stderr, names(lab))
    with open(lab.log) as f:
        log = f.read()
    tap.ok("SYSERR" not in log, "sendmail had nothing to complain of", log)


def main():
    for part in (held_by_qf, held_by_sendmail, half_way, due, removed):
        try:
            with laboratory.Lab() as lab, laboratory.Sink() as sink:
                lab.relay_to(sink)
                part(lab, sink)
        except laboratory.Missing as why:
            skip_all(why)
    tap.done()


main()
