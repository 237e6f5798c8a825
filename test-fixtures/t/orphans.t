#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf orphans on queues put together by hand: layouts, what cannot be seen, what is in the making,
remains of qf itself, and hostile input."""
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
from strays import A, B, C, D, LAST, Queue, control
from tap import Tap

tap = Tap()
def layouts():
    with Queue() as q:
        for where in ("q1/qf/", "q1/df/", "q1/xf/", "q2/"):
            os.makedirs(q.path(where))
        q.put("q1/qf/qf" + A, control())
        q.put("q1/df/df" + A)
        q.pair(B, "q2/", body="q1/df/")
        q.put("q1/qf/qf" + C, control())
        q.put("q2/df" + C)
        q.look(queues=["q*"])
        tap.ok(not q.found and q.done.returncode == 0 and q.total["messages"] == 3
               and q.total["whole"] == q.total["files"] == 6 and q.total["queues"] == 2,
               "a pair is a pair wherever its halves lie", q.done)
        q.look("--deep", queues=["q*"])
        tap.ok(q.causes() == [("qf-alone", "hazard")] * 2
               and all("another directory" in f["why"] for f in q.found),
               "--deep: one whose body sendmail would not find there is a hazard", q.done)
        # A message that is there twice is no pair.
        q.pair(D, "q2/")
        q.put("q1/qf/qf" + D, control())
        q.put("q1/df/df" + D)
        q.look(queues=["q*"])
        tap.ok(q.causes() == [("qf-twice", "hazard")] and len(q.found[0]["files"]) == 4
               and q.found[0]["twice"] == ["<bob@dst.example>"],
               "one id in two directories: a hazard, with who would get two", q.done)
        q.put("q1/qf/qf" + D, control(created=1795331600))
        q.look(queues=["q*"])
        tap.ok(q.causes() == [("qf-twice", "unknown")] and q.found[0]["fix"] is None,
               "one id in two directories: of two messages, unknown", q.done)
    with Queue() as q:
        for where in ("qf", "df", "xf"):
            os.mkdir(q.path(where))
        q.put("qf/qf" + A, control())
        q.put("df/df" + A)
        q.put("qf" + B, control())
        q.put("df" + B)
        q.look()
        tap.ok(q.causes() == [("qf-lost", "recoverable")] and "does not look" in q.found[0]["why"]
               and q.total["files"] == 4, "left above the sub-directories: never tried", q.done)
        q.put("df/qf" + C, control())
        q.look()
        tap.ok(("qf-alone", "partial") in q.causes(), "a control file among the data files", q.done)


def held_and_linked():
    with Queue() as q:
        q.pair(A)
        os.link(q.path("qf" + A), q.path("hf" + A))
        q.pair(B)
        q.put("hf" + B, control())
        q.pair(C)
        os.link(q.path("qf" + C), q.path("qf" + D))
        q.look()
        tap.ok(("qf-and-hf", "hazard") in q.causes() and ("qf-linked", "hazard") in q.causes()
               and q.total["files"] == q.total["orphans"] == 9, "two control files of one message",
               q.done)
    with Queue() as q:
        q.pair(A)
        os.link(q.path("df" + A), q.path("df" + B))
        q.put("df" + C)
        os.link(q.path("df" + C), q.path("df" + D))
        q.look("--grace=0")
        tap.ok(sorted((f["cause"], f["verdict"], f["id"]) for f in q.found)
               == [("df-alone", "partial", C), ("df-alone", "partial", D),
                   ("df-sibling", "debris", B)],
               "a lone body with links: only a message's body vouches for it", q.done)
    with Queue() as q:
        q.put("qf" + A, control(), mode=0o660)
        q.put("df" + A)
        q.look()
        tap.ok(q.causes() == [("qf-unsafe", "hazard")] and q.found[0]["fix"] == "recover",
               "a mode that makes it Qf", q.done)
        config = q.put("../" + os.path.basename(q.top) + ".cf", "O QueueFileMode=0660\n")
        q.look(config=config)
        os.unlink(config)
        tap.ok(not q.found, "unless QueueFileMode allows it", q.done)


def in_the_making():
    with Queue() as q:
        q.put("df" + A, age=300)
        q.look()
        tap.ok(not q.found and q.total["live"] == 1 and q.total["waited"] == 0
               and q.done.returncode == 0, "younger than the grace age: live, and no pause", q.done)
        q.look("--grace=4m")
        tap.ok(q.causes() == [("df-alone", "partial")] and 0.9 < q.total["waited"] < 5,
               "--grace rules", q.done)
        q.look("--now=@%d" % (time.time() + 3600))
        tap.ok(q.causes() == [("df-alone", "partial")] and q.found[0]["age"] >= 3600,
               "--now rules too", q.done)
        with open(q.path("df" + A), "rb") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            q.look("--grace=0")
            tap.ok(not q.found and q.total["live"] == 1, "locked: live", q.done)
        process = subprocess.Popen([harness.QF, "orphans", "-C", "none", "-Q", q.top, "--grace=0",
                                    "--format=json"], stdout=subprocess.PIPE)
        time.sleep(0.5)
        with open(q.path("df" + A), "a") as f:
            f.write("more\n")
        out = process.communicate(timeout=30)[0]
        tap.ok(json.loads(out.splitlines()[-1])["live"] == 1 and process.returncode == 0,
               "changed between the looks: live", out)
        process = subprocess.Popen([harness.QF, "orphans", "-C", "none", "-Q", q.top, "--grace=0",
                                    "--format=json"], stdout=subprocess.PIPE)
        time.sleep(0.5)
        q.put("qf" + A, control())
        out = process.communicate(timeout=30)[0]
        tap.ok(json.loads(out.splitlines()[-1])["live"] == 1 and process.returncode == 0,
               "its control file came between the looks: live", out)
    with Queue() as q:
        q.put("qf" + A, "", age=200)
        q.put("df" + A)
        q.look()
        tap.ok(q.causes() == [("qf-empty", "hazard")] and q.found[0]["deadline"],
               "a hazard does not wait for the grace age", q.done)
        with open(q.path("qf" + A), "r+b") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            q.look("--grace=0")
            tap.ok(not q.found and q.total["live"] == 2, "but for the lock", q.done)


def unseen():
    with Queue() as q:
        os.mkdir(q.path("q2"))
        q.put("q1/df" + A)
        q.put("q1/qf" + B, control())
        q.put("q1/qf" + C, "")
        q.put("q1/df" + C)
        if os.geteuid() == 0:
            # Root may read everything: a file in place of the directory cannot be.
            os.rmdir(q.path("q2"))
            q.put("q2", "no directory")
            queues = ["q1", "q2"]
        else:
            os.chmod(q.path("q2"), 0)
            queues = ["q*"]
        q.look("--grace=0", queues=queues)
        tap.ok(q.causes() == [("df-alone", "unknown"), ("qf-alone", "unknown"),
                              ("qf-empty", "hazard")]
               and q.done.returncode == 2 and b"q2" in q.done.stderr and q.total["unreadable"] == 1,
               "a directory that cannot be read: status 2, named, nothing judged by its absence",
               q.done)
        os.chmod(q.path("q2"), 0o700)
        os.unlink(q.path("q2")) if os.path.isfile(q.path("q2")) else os.rmdir(q.path("q2"))
        os.mkdir(q.path("q2"))
        config = q.put("cf", "O QueueDirectory=%s\nO SuperSafe=True\n" % q.path("q*"))
        q.look("--grace=0", queues=["q1"], config=config)
        tap.ok(q.causes() == [("df-alone", "unknown"), ("qf-alone", "unknown"),
                              ("qf-empty", "hazard")]
               and all("q2" in f["why"] for f in q.found if f["verdict"] == "unknown")
               and b"q2" in q.done.stderr and q.done.returncode == 1,
               "a directory of the configuration that was not given: unknown", q.done)
        q.look("--grace=0", queues=None, config=config, env={"QF_QUEUE": ""})
        tap.ok(("qf-alone", "hazard") in q.causes() and ("df-alone", "unknown") not in q.causes(),
               "all of them given: judged", q.done)
        other = q.put("cf2", "O QueueDirectory=/nowhere/q*\nO SuperSafe=True\n")
        q.look("--grace=0", queues=["q1"], config=other)
        tap.ok(("qf-alone", "hazard") in q.causes(), "a configuration of another queue says nothing "
               "of directories", q.done)
    with Queue() as q:
        os.makedirs(q.path("df"))
        for id in (A, B):
            q.put("qf/qf" + id, control())
        q.look()
        tap.ok(q.causes() == [("qf-alone", "unknown")] * 2 and "mounted" in q.found[0]["why"],
               "no data file at all where they should be: is it mounted?", q.done)
    with Queue() as q:
        q.put("qf" + A, control(extra="dq7\n"))
        q.look()
        tap.ok(q.causes() == [("qf-alone", "unknown")], "a d line into a directory that was not given",
               q.done)


def never_acknowledged():
    with Queue() as q:
        q.put("q/df" + A, age=0)
        safe = q.put("cf", "O QueueDirectory=%s\nO SuperSafe=PostMilter\n" % q.path("q"))
        unsafe = q.put("cf2", "O QueueDirectory=%s\nO SuperSafe=Interactive\n" % q.path("q"))
        for config, verdict in ((safe, "debris"), (unsafe, "partial"), ("none", "partial")):
            q.look("--grace=0", queues=["q"], config=config)
            tap.ok(q.causes() == [("df-alone", verdict)], "SuperSafe in %s: %s"
                   % (os.path.basename(config), verdict), q.done)
        q.put("q/df" + A, age=86400)
        q.look("--grace=0", queues=["q"], config=safe)
        tap.ok(q.causes() == [("df-alone", "partial")]
               and "copy" in q.found[0]["evidence"][0]["text"],
               "a copy of an old file proves nothing: its control file may have been left behind",
               q.done)


def of_ours():
    with Queue() as q:
        q.pair(A)
        q.put("df" + B)
        q.put("df" + C)
        for name in (".qf", ".qf/trash", ".qf/claims", ".qf/stage"):
            os.makedirs(q.path(name), exist_ok=True)
        q.put(".qf/trash/20261122T122733Z-h-1-0.part/qf" + B, control())
        q.put(".qf/trash/20261122T122733Z-h-1-1/qf" + D, control())
        q.put(".qf/claims/20261122T122733Z-h-00.0/qf" + C, control())
        q.put(".qf/claims/20261122T122733Z-h-00.0/run.json", "{}")
        for name in (".qf", ".qf/trash", ".qf/claims", ".qf/stage"):
            os.chmod(q.path(name), 0o700)
        old = time.time() - 7200
        os.utime(q.path(".qf/trash/20261122T122733Z-h-1-0.part"), (old, old))
        q.look()
        tap.ok(q.causes() == [("claim", "recoverable"), ("leftover", "debris")]
               and [f["fix"] for f in q.found] == [None, "clean"]
               and [f["id"] for f in q.found] == [C, B],
               "unfinished work of qf is told", q.done)
        tap.ok(q.total["files"] == 4 and q.total["orphans"] == 0 and q.total["live"] == 2
               and q.total["whole"] == 2 and q.done.returncode == 1,
               "not counted, and the files that belong to it are in the making", q.total)


def hostile():
    with Queue() as q:
        q.put("qf" + A, control("\x1b[2Jbob"))
        q.put("qf\x1b[31m\n", control())
        done = harness.qf("orphans", "-C", "none", "-Q", q.top, "--grace=0", "-v")
        tap.ok(done.returncode == 1 and b"\x1b" not in done.stdout and b"\\x1b" in done.stdout,
               "nothing raw reaches a terminal", done)
        done = harness.qf("orphans", "-C", "none", "-Q", q.top, "--grace=0", "--format=nagios")
        tap.ok(b"\x1b" not in done.stdout and len(done.stdout.splitlines()) == 3,
               "nor a monitoring system", done)
        for n in range(200):
            q.put("tf%d|" % n, "x" * (n * 37))
            q.put("Qf%d\\" % n, "\0" * n)
        q.look("--deep", "--grace=0")
        tap.ok(q.done.returncode == 1 and q.total["orphans"] == q.total["files"] == 402,
               "junk under every name", q.done.stderr, q.total)
        q.look("--deep", "--grace=0", "--jobs=7", "--max-ops=20000")
        tap.ok(q.total["orphans"] == 402, "the same with other --jobs", q.total)
    for args, status in (([], 0), (["x"], 64), (["--grace=soon"], 64)):
        with Queue() as q:
            done = harness.qf("orphans", "-C", "none", "-Q", q.top, *args)
            tap.ok(done.returncode == status, "status %d: %s" % (status, args), done)


def main():
    layouts()
    held_and_linked()
    in_the_making()
    unseen()
    never_acknowledged()
    of_ours()
    hostile()
    tap.done()


main()
