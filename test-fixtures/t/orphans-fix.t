#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf orphans --fix: each cause dealt with by each of its fixes; what is refused; the way back."""
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
import lab as laboratory
import strays
from strays import A, B, C, D, Queue, control
from tap import Tap

tap = Tap()
HELD = b"qqf orphans: recovered"
RULES = {"LC_ALL": "C.UTF-8"}


def one(q, fix, *options, **more):
    """The only action."""
    done = q.fix(fix, *options, **more)
    return done[0] if len(done) == 1 else {"result": done, "why": None, "entry": None}


def undo(q, entry):
    return harness.qf("undo", "-C", "none", "-Q", q.top, entry)


def entries(q):
    done = harness.qf("journal", "-C", "none", "-Q", q.top, "--format=json")
    return [json.loads(line) for line in done.stdout.splitlines()]


def in_folder(q, folder):
    top = q.path(os.path.join(".qf", folder))
    return {os.path.join(d, n)[len(top) + 1:] for d, _, names in os.walk(top) for n in names}


def quiet(q, *options):
    q.look(*options)
    return not q.found and q.done.returncode == 0


def cleaned():
    cases = {"df-sibling": lambda q: (q.pair(B), os.link(q.path("df" + B), q.path("df" + A)),
                                      os.utime(q.path("df" + A), (time.time() - 7200,) * 2)),
             "qf-empty": lambda q: q.put("qf" + A, ""),
             "tf-alone": lambda q: q.put("tf" + A, control()[:60]),
             "tf-aside": lambda q: (q.pair(A), q.put("Tf" + A, control())),
             "xf-left": lambda q: q.put("xf" + A, "said\n"),
             "tf-beside": lambda q: (q.pair(A), q.put("tf" + A, control()[:80]))}
    for cause, make in cases.items():
        with Queue() as q:
            make(q)
            # A new link is younger than the grace age.
            q.look("--grace=0s")
            found = q.found[0]
            wanted = {os.path.basename(f): q.read(os.path.basename(f)) for f in found["files"]}
            done = one(q, "clean", "--grace=0s")
            tap.ok(found["cause"] == cause and done["result"] == "done" and
                   not set(wanted) & set(q.names()) and quiet(q, "--grace=0s"),
                   "clean: %s goes, and nothing is left to report" % cause, found, q.done)
            kept = in_folder(q, "trash")
            tap.ok(kept == {done["entry"] + "/" + name for name in wanted}, "its files are in the trash",
                   kept)
            back = undo(q, done["entry"])
            if found["harm"]:
                tap.ok(back.returncode == 2 and b"harm" in back.stderr and
                       not set(wanted) & set(q.names()), "undo: refused, it would do harm", back)
            else:
                tap.ok(back.returncode == 0 and
                       all(q.read(name) == text for name, text in wanted.items()) and
                       not in_folder(q, "trash"), "undo: as it was", back, q.names())


def left_alone():
    """What looks like something to recover, and is not: in each case something would be lost, or sent twice."""
    with Queue() as q:
        for where in ("q1/", "q2/"):
            os.mkdir(q.path(where))
            q.pair(A, where)
        os.rename(q.path("q2/qf" + A), q.path("q2/Qf" + A))
        q.fix("all", "--release", queues=["q*"])
        tap.ok("qf" + A not in q.names("q2") and "hf" + A not in q.names("q2") and "qf" + A in q.names("q1"),
               "a lost one whose id is queued in another directory", q.done, q.names("q2"))
    differ = {"other recipients": (control("bob"), control("eve"), "x\n", "x\n"),
              "other bodies": (control(), control(), "one\n", "two\n"),
              "an empty body": (control(), control(), "one\n", ""),
              "a cut one": (control(), control()[:70], "one\n", "one\n")}
    for label, (first, second, body, other) in differ.items():
        with Queue() as q:
            for where in ("q1", "q2"):
                os.mkdir(q.path(where))
            q.put("q1/qf" + A, first)
            q.put("q1/df" + A, body)
            q.put("q2/qf" + A, second, age=7100)
            q.put("q2/df" + A, other)
            q.fix("recover", queues=["q*"])
            tap.ok(q.names("q1") == q.names("q2") == ["df" + A, "qf" + A] and q.done.returncode in (0, 1),
                   "one id in two directories, with %s" % label, q.done)
    for name in ("tf", "Qf"):
        with Queue() as q:
            q.put(name + A, control().replace("$r SMTP", "qheld by ann\n$r SMTP"))
            q.put("df" + A)
            done = one(q, "recover", "--release")
            tap.ok(done["result"] == "done" and q.names() == ["df" + A, "hf" + A] and
                   b"qheld by ann\n" in q.read("hf" + A), "--release of a held %s: it stays held" % name,
                   q.done, q.names())
    with Queue() as q:
        for where in ("q1", "q2"):
            os.mkdir(q.path(where))
        q.put("q2/Qf" + A, control())
        q.put("q1/df" + A)
        q.fix("all", "--deep", queues=["q*"])
        q.look("--deep", queues=["q*"])
        tap.ok(not q.found and not q.names("q1") and not q.names("q2"),
               "a lost one whose body lies in another directory: rescued", q.done)
    with Queue() as q:
        q.put("df" + A)
        q.put("tf" + A, control()[:60])
        # It comes after the look.
        os.rename(q.path("tf" + A), q.path("../tf" + os.path.basename(q.top)))
        master, slave = os.openpty()
        run = subprocess.Popen([harness.QF, "orphans", "-C", "none", "-Q", q.top, "--fix=rescue"],
                               stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        seen = b""
        while b"[y/N]" not in seen:
            seen += os.read(master, 4096)
        os.rename(q.path("../tf" + os.path.basename(q.top)), q.path("tf" + A))
        os.write(master, b"y\n")
        with contextlib.suppress(OSError):
            while os.read(master, 4096):
                pass
        run.wait()
        os.close(master)
        tap.ok(q.names() == ["df" + A, "tf" + A], "a body whose tf has come: it is alive", q.names())


def log_of(*lines):
    day = time.strftime("%b %e %H:%M:%S", time.localtime(time.time() - 7000))
    return "".join("%s mail sendmail[1]: %s: %s\n" % (day, A, what) for what in (
        "from=<ann@src.example>, size=9, class=0, nrcpts=2, msgid=<1@x>, relay=x [127.0.0.1]",
        *lines))


BOB = "to=<bob@dst.example>, delay=00:00:01, mailer=esmtp, dsn=2.0.0, stat=Sent (ok)"
EVE = "to=<eve@dst.example>, delay=00:00:01, mailer=esmtp, dsn=%s"


def bodies():
    """A lone body that the log proves to be of no use any more."""
    with Queue() as q, Queue() as logs:
        q.put("df" + A)
        log = "--log=" + logs.put("maillog", log_of(BOB, EVE % "2.0.0, stat=Sent (ok)"))
        done = one(q, "all", log)
        tap.ok(done["result"] == "skipped" and "younger than 24 h" in done["why"] and
               "df" + A in q.names() and q.done.returncode == 1,
               "a lone body stays for 24 h: a slow filter may be at work", q.done)
        done = one(q, "all", "--grace=1h", log)
        tap.ok(done["result"] == "done" and not q.names() and q.done.returncode == 0,
               "--grace rules", q.done)


def rescued():
    text = control()
    cases = {"df-alone": (lambda q: q.put("df" + A, "hello\n"), ()),
             "qf-cut": (lambda q: q.put("qf" + A, text[:50]), ("--deep",)),
             "tf-alone": (lambda q: (q.put("tf" + A, text[:50]), q.put("df" + A, "hello\n")), ()),
             "qf-lost": (lambda q: (q.put("Qf" + A, text.replace("\nP", "\n?\nP")),
                                    q.put("df" + A, "hello\n")), ("--deep",)),
             "qf-alone": (lambda q: q.put("qf" + A, text), ()),
             "qf-empty": (lambda q: (q.put("qf" + A, ""), q.put("df" + A, "hello\n")), ()),
             "qf-no-sender": (lambda q: (q.put("qf" + A, text.replace("S<ann@src.example>\n", "")),
                                         q.put("df" + A, "hello\n")), ("--deep",)),
             "df-placeholder": (lambda q: (q.put("qf" + A, text.replace("P3", "Mreadqf: cannot open df\nP3")),
                                           q.put("df" + A, "\n")), ("--deep",)),
             "qf-name": (lambda q: (q.pair(A), q.put("qf" + A + ".bak", text)), ())}
    for cause, (make, options) in cases.items():
        with Queue() as q:
            make(q)
            q.look(*options)
            found = q.found[0] if q.found else {"cause": None, "files": [], "harm": None}
            wanted = {os.path.basename(f): q.read(os.path.basename(f)) for f in found["files"]}
            done = one(q, "rescue", *options)
            folder = done["entry"] or "none"
            kept = in_folder(q, "lost+found")
            tap.ok(found["cause"] == cause and done["result"] == "done" and
                   not set(wanted) & set(q.names()) and quiet(q, *options) and
                   kept == {folder + "/" + name
                            for name in list(wanted) + ["message.eml", "note.json"]},
                   "rescue: %s is in lost+found, and nothing is left to report" % cause, found, q.done,
                   kept)
            if done["result"] != "done":
                continue
            with open(q.path(".qf/lost+found/%s/note.json" % folder)) as f:
                note = json.load(f)
            eml = q.read(".qf/lost+found/%s/message.eml" % folder)
            same = all(q.read(".qf/lost+found/%s/%s" % (folder, n)) == t for n, t in wanted.items())
            tap.ok(note["cause"] == cause and note["schema"] == "qf.orphan/1" and same and
                   (b"\n\nhello\n" in eml or "df" + A not in wanted or wanted["df" + A] == b"\n") and
                   b"Subject: " in eml, "with the bytes as they were, a mail to read and a note", note, eml)
            back = undo(q, folder)
            if found["harm"]:
                tap.ok(back.returncode == 2 and b"harm" in back.stderr, "undo: refused", back)
            else:
                tap.ok(back.returncode == 0 and not in_folder(q, "lost+found") and
                       all(q.read(name) == text for name, text in wanted.items()),
                       "undo: as it was", back, q.names())


def elsewhere():
    with Queue() as q, Queue() as other:
        q.put("df" + A, "hello\n")
        done = one(q, "rescue", "--lost-found=" + other.top)
        kept = {os.path.join(d, n)[len(other.top) + 1:] for d, _, names in os.walk(other.top)
                for n in names}
        tap.ok(done["result"] == "done" and not q.names() and
               kept == {done["entry"] + "/" + n for n in ("df" + A, "message.eml", "note.json")} and
               in_folder(q, "trash") == {done["entry"] + "/df" + A},
               "--lost-found: a copy there, the original in the trash", q.done, kept)
        os.chmod(other.top, 0o777)
        q.put("df" + B)
        q.fix("rescue", "--lost-found=" + other.top)
        tap.ok(q.done.returncode == 77 and "df" + B in q.names(), "one that others may write: refused", q.done)
        q.fix("rescue", "--lost-found=/nowhere")
        tap.ok(q.done.returncode in (66, 74) and "df" + B in q.names() and
               q.done.stderr.count(b"\n") == 1, "one that is not there: refused", q.done)


def guarded():
    text = control()
    cases = {"qf-alone": (lambda q: q.put("qf" + A, text), "qf" + A),
             "qf-no-sender": (lambda q: (q.put("qf" + A, text.replace("S<ann@src.example>\n", "")),
                                         q.put("df" + A)), "qf" + A),
             "qf-name": (lambda q: (q.pair(A), q.put("qf" + A + ".bak", text)), "qf" + A + ".bak"),
             "df-placeholder": (lambda q: (q.put("qf" + A, text.replace("P3", "Mreadqf: cannot open df\nP3")),
                                           q.put("df" + A, "\n")), "qf" + A)}
    for cause, (make, name) in cases.items():
        with Queue() as q:
            make(q)
            before = set(q.names())
            bytes_before = q.read(name)
            q.look("--deep")
            found = q.causes()
            done = one(q, "guard", "--deep")
            tap.ok(found == [(cause, "hazard")] and done["result"] == "done" and
                   set(q.names()) == before - {name} | {"Qf" + name[2:]} and
                   q.read("Qf" + name[2:]) == bytes_before and q.done.returncode == 1,
                   "guard: %s is named Qf" % cause, found, q.done, q.names())
            q.look("--deep")
            tap.ok(len(q.found) == 1 and q.found[0]["verdict"] == "partial" and
                   q.found[0]["fix"] == "rescue", "then it does no harm, and can be rescued", q.done)
            back = undo(q, done["entry"])
            tap.ok(back.returncode == 2 and "Qf" + name[2:] in q.names(), "undo: refused", back)
            done = one(q, "all", "--deep")
            tap.ok(done["result"] == "done" and quiet(q, "--deep"), "and is", q.done)
    with Queue() as q:
        q.put("qf" + A, "")
        q.put("df" + A, "hello\n")
        done = one(q, "guard")
        kept = in_folder(q, "lost+found")
        tap.ok(done["result"] == "done" and set(q.names()) == {"qf" + A, "df" + A} and
               sorted(os.path.basename(k) for k in kept) == ["df" + A, "note.json"] and
               q.done.returncode == 1, "guard: the body beside an empty control file is copied", q.done,
               kept)
        done = one(q, "guard")
        tap.ok(done["result"] == "skipped" and "guarded already" in done["why"] and
               in_folder(q, "lost+found") == kept, "once", q.done)
        done = one(q, "all")
        tap.ok(done["result"] == "done" and not q.names() and
               {k.split("/")[0] for k in in_folder(q, "lost+found")} == {done["entry"]},
               "rescued, the copy is no longer needed", q.done, in_folder(q, "lost+found"))


def recovered():
    text = control("bob eve")
    less = control("eve")
    for release in (False, True):
        name, options = ("qf", ["--release"]) if release else ("hf", [])
        with Queue() as q:
            q.put("tf" + A, text)
            q.put("df" + A)
            done = one(q, "recover", *options)
            tap.ok(done["result"] == "done" and q.names() == ["df" + A, name + A] and
                   (q.read("qf" + A) == text.encode() if release
                    else HELD in q.read("hf" + A) and
                    b"".join(line for line in q.read("hf" + A).splitlines(True)
                             if line[:1] != b"q") == text.encode()) and quiet(q, "--deep"),
                   "recover %s: a complete tf is a message again" % options, q.done, q.names())
            back = undo(q, done["entry"])
            tap.ok(back.returncode == 0 and q.names() == ["df" + A, "tf" + A] and
                   q.read("tf" + A) == text.encode(), "undo: as it was", back, q.names())
        with Queue() as q:
            q.put("Qf" + A, text, mode=0o620)
            q.put("df" + A)
            done = one(q, "recover", *options)
            tap.ok(done["result"] == "done" and q.names() == ["df" + A, name + A] and
                   os.stat(q.path(name + A)).st_mode & 0o777 == 0o600 and quiet(q, "--deep"),
                   "recover %s: a lost one that parses, with a mode that is safe" % options, q.done)
            back = undo(q, done["entry"])
            tap.ok(back.returncode == 0 and q.names() == ["Qf" + A, "df" + A] and
                   q.read("Qf" + A) == text.encode(), "undo: as it was", back, q.names())
    with Queue() as q:
        q.put("qf" + A, text[:-14])
        q.put("df" + A)
        q.look("--deep")
        tap.ok(q.causes() == [("qf-cut", "recoverable")], "a control file cut in its headers", q.done)
        done = one(q, "recover", "--deep", "--release")
        control_now = q.read("hf" + A) if "hf" + A in q.names() else b""
        tap.ok(done["result"] == "done" and q.names() == ["df" + A, "hf" + A] and HELD in control_now and
               control_now.endswith(b"\n.\n") and b"RPFD:<eve@dst.example>\n" in control_now and
               quiet(q, "--deep"), "recover: its end line is there, and it is held in any case", q.done,
               control_now)
        back = undo(q, done["entry"])
        tap.ok(back.returncode == 0 and q.read("qf" + A) == text[:-14].encode(), "undo: as it was", back)
    with Queue() as q:
        q.pair(A, recipients="bob eve")
        q.put("tf" + A, less, age=7100)
        q.look()
        tap.ok(q.causes() == [("tf-beside", "hazard")] and q.found[0]["twice"] == ["<bob@dst.example>"],
               "a tf newer than its control file", q.done)
        before = q.names()
        for words in (["hold", "--reason=x", A], ["edit", "--refresh", A], ["due", A], ["rm", "--yes", A],
                      ["edit", "--drop-rcpt=rcpt~eve", A], ["bounce", "--yes", A]):
            stays = harness.qf(words[0], "-C", "none", "-Q", q.top, *words[1:])
            tap.ok(stays.returncode == 2 and b"may tell who was served: qf orphans first" in stays.stdout + stays.stderr
                   and q.names() == before, "%s: not before the tf is seen to" % words[0], stays, q.names())
        q.look()
        tap.ok(q.found and q.found[0]["twice"] == ["<bob@dst.example>"], "which still tells who was served", q.done)
        done = one(q, "recover")
        tap.ok(done["result"] == "done" and q.names() == ["df" + A, "qf" + A] and
               q.read("qf" + A) == less.encode() and quiet(q, "--deep"),
               "recover: it is the control file", q.done)
        back = undo(q, done["entry"])
        tap.ok(back.returncode == 2 and b"owed it again" in back.stderr and
               q.read("qf" + A) == less.encode(), "undo: refused", back)
    with Queue() as q:
        q.put("qf" + A, text, mode=0o660)
        q.put("df" + A)
        done = one(q, "recover")
        tap.ok(done["result"] == "done" and os.stat(q.path("qf" + A)).st_mode & 0o777 == 0o640 and
               quiet(q, "--deep"), "recover: a mode that is safe", q.done)
    with Queue() as q:
        q.pair(A)
        os.link(q.path("qf" + A), q.path("qf" + B))
        done = one(q, "recover")
        tap.ok(done["result"] == "done" and q.names() == ["df" + A, "qf" + A] and quiet(q, "--deep"),
               "recover: of two names of one file, the one with the body stays", q.done, q.names())
    with Queue() as q:
        q.pair(A, recipients="bob eve")
        q.put("hf" + A, less, age=7100)
        done = one(q, "recover")
        tap.ok(done["result"] == "done" and q.names() == ["df" + A, "hf" + A] and
               in_folder(q, "trash") == {done["entry"] + "/qf" + A} and quiet(q, "--deep"),
               "recover: of qf and hf the newer stays", q.done, q.names())
    with Queue() as q:
        for where in ("q1/", "q2/"):
            os.mkdir(q.path(where))
            q.pair(A, where)
        done = one(q, "recover", queues=["q*"])
        left = [w for w in ("q1", "q2") if q.names(w)]
        tap.ok(done["result"] == "done" and len(left) == 1 and
               q.names(left[0]) == ["df" + A, "qf" + A], "recover: of two directories one stays", q.done)
        q.look(queues=["q*"])
        tap.ok(not q.found, "and nothing is left to report", q.done)


def from_log():
    with Queue() as q, Queue() as logs:
        q.put("df" + A)
        log = "--log=" + logs.put("maillog", log_of(BOB, EVE % "4.2.0, stat=Deferred: later"))
        q.look(log)
        tap.ok(q.causes() == [("df-alone", "recoverable")], "a log knows it", q.done)
        done = one(q, "recover", log)
        text = q.read("hf" + A) if "hf" + A in q.names() else b""
        tap.ok(done["result"] == "done" and b"\nS<ann@src.example>\n" in text and
               b"RPFD:<eve@dst.example>\n" in text and b"bob@" not in text and HELD[:11] in text and
               quiet(q, "--deep"), "recover: for whom it is still owed, held", q.done, text)
        shown = harness.qf("show", "-C", "none", "-Q", q.top, A)
        tap.ok(shown.returncode == 0 and b"headers are lost" in shown.stdout, "marked as such", shown)


def refused():
    with Queue() as q:
        q.put("df" + A)
        q.put("tf" + B, control())
        q.put("df" + B)
        before = harness.snapshot(q.top, times=False)
        done = q.fix("all", yes=False)
        tap.ok(q.done.returncode == 64 and not q.done.stdout and b"--yes" in q.done.stderr and
               harness.snapshot(q.top, times=False) == before, "without --yes nothing is done", q.done)
        done = q.fix("all", "-n", yes=False)
        tap.ok({(d["result"], d["why"].split(":")[0]) for d in done} ==
               {("planned", "rescue"), ("planned", "recover")} and q.done.returncode == 1 and
               harness.snapshot(q.top, times=False) == before, "-n: the plan, and nothing is done", q.done)
        table = harness.qf("orphans", "-C", "none", "-Q", q.top, "--fix=recover", "-n")
        tap.ok(b"recover  tf-alone" in table.stdout and b"is held" in table.stdout, "as text", table)
        for wrong in (["--fix=al"], ["--fix="], ["--release"], ["--lost-found=/tmp"], ["-n"],
                      ["--fix=all", "--format=csv"], ["--fix=all", "--since=/dev/null"],
                      ["--fix=all", "--every=1m"]):
            done = harness.qf("orphans", "-C", "none", "-Q", q.top, *wrong)
            tap.ok(done.returncode == 64 and done.stderr.count(b"\n") == 1 and
                   harness.snapshot(q.top, times=False) == before, " ".join(wrong) + ": usage", done)
        # While somebody is at it.
        with open(q.path("tf" + B), "r+") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            done = q.fix("recover")
            tap.ok(not done and "tf" + B in q.names(), "a locked tf is live", q.done)
    with Queue() as q:
        for where in ("qf", "df", "xf"):
            os.mkdir(q.path(where))
        q.put("df/df" + A)
        os.chmod(q.path("qf"), 0)
        if os.geteuid() == 0 and subprocess.run(["setpriv", "--version"], capture_output=True).returncode:
            tap.skip("a directory that cannot be read", "no setpriv")
        else:
            os.chown(q.top, 12345, 12345)
            for where in ("qf", "df", "xf", "df/df" + A):
                os.chown(q.path(where), 12345, 12345)
            command = ["orphans", "-C", "none", "-Q", q.top, "--fix=all", "--yes"]
            done = subprocess.run(["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups",
                                   harness.QF, *command], capture_output=True)
            tap.ok(done.returncode in (2, 66, 77) and os.path.exists(q.path("df/df" + A)) and
                   not os.path.exists(q.path(".qf")), "a directory that cannot be read: nothing is done",
                   done)
            os.chmod(q.path("qf"), 0o500)
            os.chmod(q.path("df"), 0o500)
            os.chmod(q.top, 0o500)
            done = subprocess.run(["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups",
                                   harness.QF, *command], capture_output=True)
            tap.ok(done.returncode == 77 and os.path.exists(q.path("df/df" + A)) and
                   not os.path.exists(q.path(".qf")), "a queue that is not ours to write: refused", done)


def changed():
    """What is no longer what was judged is left alone: the files change between the look and the fix."""
    with Queue() as q:
        q.put("tf" + A, control())
        q.put("df" + A)
        run = subprocess.Popen([harness.QF, "orphans", "-C", "none", "-Q", q.top, "--fix=recover"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = run.communicate()
        tap.ok(run.returncode == 64 and q.names() == ["df" + A, "tf" + A],
               "no terminal, no --yes: left", out, err)
    for change in ("body", "control", "gone"):
        with Queue() as q:
            q.put("tf" + A, control())
            q.put("df" + A)
            master, slave = os.openpty()
            run = subprocess.Popen([harness.QF, "orphans", "-C", "none", "-Q", q.top, "--fix=recover"],
                                   stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
            os.close(slave)
            seen = b""
            while b"[y/N]" not in seen:
                seen += os.read(master, 4096)
            if change == "body":
                q.put("df" + A, "another\n")
            elif change == "control":
                q.put("qf" + A, control())
            else:
                os.unlink(q.path("tf" + A))
            before = q.names()
            os.write(master, b"y\n")
            try:
                while True:
                    piece = os.read(master, 4096)
                    if not piece:
                        break
                    seen += piece
            except OSError:
                pass
            run.wait()
            os.close(master)
            tap.ok(run.returncode in (1, 2, 0) and q.names() == before and b" done" not in seen,
                   "changed between the question and the answer (%s): left alone" % change,
                   run.returncode, seen, q.names())


def named():
    """Only findings that were named: by id, name or path."""
    with Queue() as q:
        for id in (A, B, C, D):
            q.put("df" + id, "body of %s\n" % id)
        done = harness.qf("orphans", "-C", "none", "-Q", q.top, "--grace=0s", A)
        tap.ok(done.returncode == 64 and b"--fix" in done.stderr, "an operand without --fix", done)
        done = q.fix("rescue", "--grace=0s", A)
        tap.ok([d["id"] for d in done] == [A] and q.done.returncode == 0 and
               not os.path.exists(q.path("df" + A)) and os.path.exists(q.path("df" + B)),
               "by its id: that one, and nothing is left of what was meant", done, q.done)
        done = q.fix("rescue", "--grace=0s", "df" + B, q.path("df" + C))
        tap.ok(sorted(d["id"] for d in done) == [B, C] and os.path.exists(q.path("df" + D)),
               "by name and path", done)
        done = q.fix("rescue", "--grace=0s", A)
        tap.ok(done == [] and q.done.returncode == 1 and b"no finding of that id" in q.done.stderr and
               os.path.exists(q.path("df" + D)), "one that is there no more is said", q.done)
        done = q.fix("clean", "--grace=0s", D)
        tap.ok(done == [] and q.done.returncode == 1 and os.path.exists(q.path("df" + D)),
               "one that the fix is not for stays", q.done)


def rounds():
    with Queue() as q:
        q.put("qf" + A, "")
        q.put("df" + A)
        run = subprocess.Popen([harness.QF, "orphans", "-C", "none", "-Q", q.top, "--fix=guard", "--yes",
                                "--every=1h"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = json.loads(run.stdout.readline())
        run.terminate()
        run.wait()
        tap.ok(line["schema"] == "qf.round/1" and line["total"]["done"] == 1 and run.returncode == 0 and
               len(in_folder(q, "lost+found")) == 2, "--every: guard can run unattended", line)
        noted = [(e["command"], e["result"]) for e in entries(q)]
        tap.ok(noted == [("guard", "done")], "it is in the journal", noted)


def main():
    # A second passes between the two looks at a file; here it need not.
    with acting.fast_folder() as directory:
        with contextlib.suppress(laboratory.Missing):
            strays.ENV = {"LD_PRELOAD": acting.Faults(directory).library, "FAULTS_HASTE": "1"}
        parts()
    tap.done()


def parts():
    for part in (left_alone, cleaned, bodies, rescued, elsewhere, guarded, recovered, from_log, refused, changed,
                 named, rounds):
        part()


main()
