#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf orphans --log: what the log says of the ids of lone files. First logs that real sendmail wrote,
then single lines, each in the one place where it matters."""
import concurrent.futures
import gzip
import json
import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import lab as laboratory
from tap import Tap

tap = Tap()
ID = "6AM7ErYU002084"
HEAD = "Nov 22 07:14:53 mx sendmail[2084]: " + ID + ": "
FROM = HEAD + "from=<ann@src.example>, size=99, class=0, nrcpts=%d, relay=c [192.0.2.1]\n"
TO = HEAD + "to=<%s@dst.example>, delay=00:00:01, mailer=esmtp, pri=30099, dsn=%s\n"
SENT, LATER = "2.0.0, stat=Sent (ok)", "4.0.0, stat=Deferred: Connection refused"
UNKNOWN = "5.1.1, stat=User unknown"


def orphans(*options):
    done = harness.qf("orphans", "--format=json", "--grace=0", *options)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done, lines[:-1]


def real(level, prove):
    """A body whose message was delivered to all, and one whose message was not."""
    with laboratory.Lab(options={"LogLevel": str(level)}) as lab, laboratory.Sink() as sink:
        lab.relay_to(sink)
        daemon = lab.daemon()
        ids = [laboratory.queue_id(laboratory.submit(
            daemon.port, "ann@src.example", ["bob%d@dst.example" % i, "eve%d@dst.example" % i],
            "Subject: x\n\nbody %d\n" % i)) for i in range(2)]
        daemon.kill()
        for id in ids:
            shutil.copy2(os.path.join(lab.queue, "df" + id), os.path.join(lab.dir, id))
        sink.answer("rcpt", "450 4.2.0 later", only="eve1@")
        lab.run_queue()
        # As a restored tree, or a queue put together again from pieces, may have it.
        os.unlink(os.path.join(lab.queue, "qf" + ids[1]))
        shutil.copy2(os.path.join(lab.dir, ids[0]), os.path.join(lab.queue, "df" + ids[0]))
        done, found = orphans("-C", "none", "-Q", lab.queue, "--log=" + lab.log)
        found = {f["id"]: f for f in found}
        finished, owed = found.get(ids[0], {}), found.get(ids[1], {})
        if not prove:
            tap.ok(finished["verdict"] == owed["verdict"] == "partial"
                   and b"LogLevel" in done.stderr and b"sent" in done.stderr
                   and "level" in owed["why"], "LogLevel %d: says that it cannot tell" % level,
                   done.stderr, found)
            return
        tap.ok((finished["verdict"], finished["fix"]) == ("debris", "clean")
               and "log" in finished["why"], "real log: delivered to all is debris", finished)
        tap.ok(any("stat=Sent" in e["text"] and e["where"].startswith(lab.log + ":")
                   and e["kind"] == "log" and e["time"] for e in finished["evidence"]),
               "real log: with proof", finished)
        tap.ok((owed["verdict"], owed["fix"], owed["from_log"], owed["sender"], owed["recipients"])
               == ("recoverable", "recover", True, "<ann@src.example>", ["<eve1@dst.example>"]),
               "real log: what is still owed is recoverable, to whom it is owed", owed)
        tap.ok(not done.stderr, "real log: nothing to complain of", done.stderr)
        # Tried and deferred it was in the queue: acknowledged, whatever SuperSafe is.
        _, found = orphans("-C", lab.cf, "--log=" + lab.log)
        tap.ok([f["verdict"] for f in found if f["id"] == ids[1]] == ["recoverable"],
               "real log: a message that was tried had been acknowledged", found)
        _, found = orphans("-C", lab.cf)
        tap.ok([f["verdict"] for f in found if f["id"] == ids[1]] == ["debris"],
               "real log: without it, that would not be known", found)


def look(directory, text, kind="df", control=None, more=()):
    """The one finding about a lone file of ID, with a log of this text."""
    queue, log = os.path.join(directory, "q"), os.path.join(directory, "log")
    shutil.rmtree(queue, ignore_errors=True)
    os.mkdir(queue)
    with open(os.path.join(queue, kind + ID), "w") as f:
        f.write(control or "body\n")
    os.chmod(os.path.join(queue, kind + ID), 0o600)
    with open(log, "w") as f:
        f.write(text)
    done, found = orphans("-C", "none", "-Q", queue, "--log=" + log, *more)
    return done, found[0]


LINES = (
    ("nothing about it", FROM.replace(ID, "6AM7ErYV002084") % 1, "partial"),
    ("accepted, no more", FROM % 1, "partial"),
    ("sent to the only one", FROM % 1 + TO % ("bob", SENT), "debris"),
    ("sent to one of two", FROM % 2 + TO % ("bob", SENT), "partial"),
    ("sent to one, deferred for the other", FROM % 2 + TO % ("bob", SENT) + TO % ("eve", LATER),
     "recoverable"),
    ("deferred, then sent", FROM % 1 + TO % ("bob", LATER) + TO % ("bob", SENT), "debris"),
    ("sent, and an older file read later", FROM % 1 + TO % ("bob", SENT)
     + (TO % ("bob", LATER)).replace("07:14", "07:10"), "debris"),
    ("failed for good", FROM % 1 + TO % ("bob", UNKNOWN), "debris"),
    ("no sender's line", TO % ("bob", SENT), "partial"),
    ("sent to one address of an alias", FROM % 1
     + (TO % ("bob", SENT)).replace(", delay", ", ctladdr=<list@dst.example> (8/0), delay"),
     "partial"),
    ("recipients went to another id", FROM % 1 + HEAD + "split: count=1, id=6AM7ErYW002084\n"
     + TO % ("bob", SENT), "partial"),
    ("expired", FROM % 2 + HEAD + "6AM7ErYX002084: sender notify: Cannot send message for 5 days\n",
     "debris"),
    ("the end is logged", FROM % 3 + HEAD + "done; delay=00:00:02, ntries=1\n", "debris"),
    ("the client went away", HEAD + "collect: premature EOM: Connection reset by c [192.0.2.1]\n",
     "debris"),
)


def single(directory):
    def one(n):
        place = os.path.join(directory, str(n))
        os.mkdir(place)
        return look(place, LINES[n][1])

    # Most of the time each waits between its two looks.
    with concurrent.futures.ThreadPoolExecutor(len(LINES)) as pool:
        results = list(pool.map(one, range(len(LINES))))
    for (what, text, wanted), (done, found) in zip(LINES, results):
        tap.ok(found["cause"] == "df-alone" and found["verdict"] == wanted,
               "%s: %s" % (what, wanted), found, done.stderr)
    control = "V8\nT1795331680\nK0\nN0\nP30\nS<ann@src.example>\nRPFD:<bob@dst.example>\n%sH??Subject: x\n.\n"
    _, found = look(directory, FROM % 1 + TO % ("bob", SENT), "qf", control % "")
    tap.ok((found["cause"], found["verdict"], found["fix"]) == ("qf-alone", "debris", "clean"),
           "a control file without body, sent to all it names: debris", found)
    _, found = look(directory, FROM % 2 + TO % ("bob", SENT), "qf",
                    control % "RPFD:<eve@dst.example>\n")
    tap.ok((found["cause"], found["verdict"]) == ("qf-alone", "hazard"),
           "a control file without body, sent to one of those it names: hazard", found)


def bad_logs(directory):
    done, found = look(directory, "what is this\nand this\n" + FROM % 1 + TO % ("bob", SENT))
    tap.ok(b"2 of 4 lines" in done.stderr and found["verdict"] == "debris",
           "lines that are none of a log are counted and said", done.stderr, found)
    queue, log = os.path.join(directory, "q"), os.path.join(directory, "log")
    done = harness.qf("orphans", "-C", "none", "-Q", queue, "--grace=0", "--log=" + log + ".none")
    tap.ok(done.returncode == 66 and not done.stdout and b"log.none" in done.stderr,
           "a log that is not there: 66, and no result", done)
    with open(log, "rb") as f, gzip.open(log + ".gz", "wb") as g:
        g.write(f.read())
    done, found = orphans("-C", "none", "-Q", queue, "--log=" + log + ".gz")
    tap.ok(found[0]["verdict"] == "debris" or b"without" in done.stderr, "compressed", done.stderr)
    with open(log, "w") as f:
        f.write(FROM % 2 + TO % ("bob", SENT))
    with open(log + ".2", "w") as f:
        f.write(TO % ("eve", SENT))
    done, found = orphans("-C", "none", "-Q", queue, "--log=" + log, "--log=" + log + ".2")
    tap.ok(found[0]["verdict"] == "debris", "two logs together", found)
    done, found = orphans("-C", "none", "-Q", queue, "--log=" + log, "--redact")
    tap.ok(b"bob@" not in done.stdout and b"ann@" not in done.stdout and found[0]["evidence"],
           "--redact: no addresses in the evidence either", done.stdout)


def main():
    try:
        real(9, True)
        real(2, False)
    except laboratory.Missing as why:
        tap.skip("real logs", why)
    with tempfile.TemporaryDirectory() as directory:
        single(directory)
        bad_logs(directory)
    tap.done()


main()
