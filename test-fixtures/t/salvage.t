#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""salvage: what is planned, moved, skipped and why; collisions, layouts, expired, held, damaged ones;
copies and their ledger; saved plans; what is refused; big and empty bodies; every queue of the corpus
moved: same mailq."""
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
from acting import CONTROL, NOW
from tap import Tap

tap = Tap()
IDS = ["6AMAAA%06d" % i for i in range(1, 10)]
TOP = None


class Pair:
    def __init__(self, name, source=(), target=()):
        """source and target: sub-directories to make."""
        self.top = os.path.join(TOP, name)
        shutil.rmtree(self.top, ignore_errors=True)
        self.source, self.target = os.path.join(self.top, "a"), os.path.join(self.top, "b")
        for path, subs in ((self.source, source), (self.target, target)):
            os.makedirs(path, 0o700)
            for sub in subs:
                os.makedirs(os.path.join(path, sub), 0o700)

    def put(self, path, content, mode=0o600):
        with open(path, "wb") as f:
            f.write(content)
        os.chmod(path, mode)

    def message(self, id, control=CONTROL, body=b"body\n", kind="qf", at=None, sub=("", "")):
        at = at or self.source
        self.put(os.path.join(at, sub[0], kind + id), control)
        if body is not None:
            self.put(os.path.join(at, sub[1], "df" + id), body)

    def run(self, verb, *args, source=None, target=None, form="json", now=NOW):
        done = harness.qf("salvage", verb, "-C", "none", "--from=" + (source or self.source),
                          *(["--to=" + (target or self.target)] if target != "" else []),
                          "--format=" + form, "--now=@%d" % now, *args,
                          env={"QF_CONF": "/dev/null"})
        self.records, self.total = [], None
        for line in done.stdout.decode().splitlines() if form == "json" else ():
            record = json.loads(line)
            if record["schema"] == "qf.salvage.total/1":
                self.total = record
            else:
                self.records.append(record)
        t = self.total
        if t and t["planned"] != t["moved"] + sum(t["skipped"].values()) + sum(t["failed"].values()):
            done.returncode = -1000 # the account does not add up
        return done

    def outcomes(self):
        return {r["id"]: (r["outcome"], r["why"]) for r in self.records}

    def files(self, at=None):
        return {name: what[0] for name, what in acting.files_below(at or self.target).items()}


def moved():
    p = Pair("moved")
    p.message(IDS[0])
    p.message(IDS[1], acting.HELD, kind="hf")
    p.message(IDS[2], kind="Qf")
    p.message(IDS[3], CONTROL[:-2])                                       # no end line
    p.message(IDS[4], body=None)                                          # no data file
    p.message(IDS[5], CONTROL + b"more\n")                                # sendmail would lose it
    p.message(IDS[6], CONTROL.replace(b"T%d" % (NOW - 3600), b"T%d" % (NOW - 9 * 86400)))
    p.message(IDS[7])
    p.put(os.path.join(p.source, "tf" + IDS[7]), CONTROL)
    before = harness.snapshot(p.top)
    done = p.run("plan")
    wanted = {IDS[0]: ("move", None), IDS[1]: ("move", None), IDS[2]: ("move", None),
              IDS[3]: ("skip", "damaged"), IDS[4]: ("skip", "damaged"), IDS[5]: ("skip", "damaged"),
              IDS[6]: ("move", None), IDS[7]: ("skip", "damaged")}
    tap.ok(p.outcomes() == wanted and done.returncode == 1, "plan", p.records, done.stderr)
    tap.ok(p.total["moved"] == 4 and p.total["expired"] == 1 and p.total["held"] == 2 and
           p.total["free_bytes"] > 0, "its total", p.total)
    tap.ok(p.total["returns"] == {"senders": 1, "most": [{"sender": "ann@src.example", "messages": 1}]},
           "to whom it would be returned", p.total)
    tap.ok(b"they would be returned to ann@src.example (1)" in p.run("plan", form="table").stderr,
           "and in words")
    done = p.run("plan")
    tap.same(harness.differences(before, harness.snapshot(p.top)).encode(), b"", "it changes nothing")
    done = p.run("run")
    wanted = {id: ({"move": "moved", "skip": "skipped"}[what], why)
              for id, (what, why) in wanted.items()}
    tap.ok(p.outcomes() == wanted and done.returncode == 1, "run", p.records, done.stderr)
    there = p.files()
    reason = re.search(rb"^q(qf salvage .*past its return time.*)$", there["hf" + IDS[6]], re.M)
    tap.ok(there["qf" + IDS[0]] == CONTROL and there["hf" + IDS[1]] == acting.HELD and
           there["Qf" + IDS[2]] == CONTROL and reason and
           all(there["df" + IDS[i]] == b"body\n" for i in (0, 1, 2, 6)) and len(there) == 8,
           "byte for byte; the expired one held, with the reason", there)
    for record in p.records:
        if record["outcome"] == "moved":
            kind = {"queued": "qf", "held": "hf", "lost": "Qf"}[record["as"]]
            tap.ok(record["sha256"] == {
                "control": hashlib.sha256(there[kind + record["id"]]).hexdigest(),
                "data": hashlib.sha256(b"body\n").hexdigest()}, "sums of " + record["id"], record)
    tap.ok(sorted(p.files(p.source)) == sorted(
        [k + IDS[i] for i in (3, 5, 7) for k in ("qf", "df")] + ["qf" + IDS[4], "tf" + IDS[7]]),
        "the source keeps what was left", p.files(p.source).keys())
    done = p.run("verify")
    tap.ok(done.returncode == 0 and p.total["there"] == 4 and p.total["left"] == 4 and
           p.total["unexplained"] == 0 and p.total["ok"], "verify", p.total, p.records)
    os.unlink(os.path.join(p.target, "qf" + IDS[0]))
    os.unlink(os.path.join(p.target, "df" + IDS[0]))
    p.put(os.path.join(p.target, "df" + IDS[1]), b"another\n")
    p.message(IDS[2], kind="Qf")
    done = p.run("verify")
    tap.ok(done.returncode == 1 and p.outcomes()[IDS[0]][0] == "gone" and
           p.outcomes()[IDS[1]][0] == "altered" and p.outcomes()[IDS[2]][0] == "doubled" and
           p.total["unexplained"] == 2 and not p.total["ok"], "verify tells what is wrong", p.records)
    done = p.run("run", form="table")
    text = done.stdout.decode()
    tap.ok("planned = " in text.splitlines()[-1] and b"qf: salvage: " + IDS[3].encode() in done.stderr,
           "in words", text, done.stderr)


def expired():
    old = CONTROL.replace(b"T%d" % (NOW - 3600), b"T%d" % (NOW - 9 * 86400))
    for what, kind, control in (("refresh", "qf", old.replace(b"T%d" % (NOW - 9 * 86400), b"T%d" % NOW)),
                                ("move", "qf", old), ("skip", None, None)):
        p = Pair("expired")
        p.message(IDS[0], old)
        done = p.run("run", "--expired=" + what)
        tap.ok(p.files().get("%s%s" % (kind, IDS[0])) == control if kind else
               p.outcomes() == {IDS[0]: ("skipped", "expired")} and done.returncode == 1,
               "--expired=" + what, p.files(), p.records)
    p = Pair("hold")
    p.message(IDS[0])
    p.message(IDS[1], acting.HELD, kind="hf")
    p.run("run", "--hold", "--due")
    there = p.files()
    tap.ok(b"\nK0\n" in there["hf" + IDS[0]] and re.search(rb"^qqf salvage .*: held on arrival$",
           there["hf" + IDS[0]], re.M) and b"\nq" + acting.REASON.encode() + b"\n" in
           there["hf" + IDS[1]], "--hold --due; one that is held keeps its reason", there)
    p = Pair("back")
    p.message(IDS[0], old)
    p.message(IDS[1], acting.HELD, kind="hf")
    p.run("run")
    run, held, plan = p.total["run"], p.files(), os.path.join(p.top, "plan")
    back = {"source": p.target, "target": p.source}
    p.run("plan", "--unhold=" + run[:-1], **back)
    tap.ok({r["as"] for r in p.records} == {"held"}, "--unhold: another run's holds stay", p.records)
    p.run("plan", "--unhold=" + run, "--save=" + plan, **back)
    tap.ok({r["id"]: r["as"] for r in p.records} == {IDS[0]: "queued", IDS[1]: "held"},
           "--unhold: planned is what that run has held, and not what others have", p.records)
    p.run("run", "--plan=" + plan, **back)
    there = p.files(p.source)
    tap.ok(there.get("qf" + IDS[0]) == old and there.get("hf" + IDS[1]) == held["hf" + IDS[1]] and
           not [name for name in p.files() if name[1:2] == "f" and name.endswith(tuple(IDS))],
           "--unhold: and it is back as it was", there, p.records)


def collisions():
    p = Pair("collisions")
    other = CONTROL.replace(b"S<ann@", b"S<eve@")
    for id, control in zip(IDS, (CONTROL, CONTROL)):
        p.message(id, control)
    p.message(IDS[0], CONTROL, at=p.target)            # the same message
    p.message(IDS[1], other, body=b"other\n", at=p.target)
    p.message(IDS[2])
    p.put(os.path.join(p.target, "df" + IDS[2]), b"lone\n")
    done = p.run("run")
    new = {r["id"]: r["new_id"] for r in p.records}
    there = p.files()
    tap.ok(p.outcomes() == {IDS[0]: ("skipped", "present"), IDS[1]: ("moved", None),
                            IDS[2]: ("moved", None)} and done.returncode == 1, "collisions", p.records)
    tap.ok(new[IDS[0]] is None and all(
        re.match(r"[0-9A-Za-z]{8}\d{6,}$", new[id]) and there["qf" + new[id]] == CONTROL and
        there["df" + new[id]] == b"body\n" for id in IDS[1:3]) and there["qf" + IDS[1]] == other and
        there["df" + IDS[1]] == b"other\n" and there["df" + IDS[2]] == b"lone\n",
        "another message of the id: a new one in sendmail's form", p.records, there)
    done = p.run("verify")
    tap.ok(done.returncode == 0 and p.total["there"] == 2, "verify finds them", p.records)


def layouts():
    for name, source, target in (("split to flat", ("qf", "df", "xf"), ()),
                                 ("flat to split", (), ("qf", "df")),
                                 ("several to several", ("q1", "q2/qf", "q2/df"), ("t1", "t2/df"))):
        p = Pair("layouts", source, target)
        if "q1" in source:
            p.message(IDS[0], sub=("q1", "q1"))
            p.message(IDS[1], sub=("q2/qf", "q2/df"))
            # Its data file lies in another directory: the line that says so goes.
            p.message(IDS[2], CONTROL.replace(b"\nI8/", b"\ndq1\nI8/"), sub=("q2/qf", "q1"))
            p.message(IDS[0], CONTROL.replace(b"S<ann@", b"S<eve@"), sub=("q2/qf", "q2/df"))
            done = p.run("run", source=p.source + "/q*", target=p.target + "/t*")
            count = 4
        else:
            split = ("qf", "df") if source else ("", "")
            p.message(IDS[0], sub=split)
            done, count = p.run("run"), 1
        controls, bodies = {}, {}
        for directory, folders, names in os.walk(p.target):
            if ".qf" in folders:
                folders.remove(".qf")
            for f in names:
                with open(os.path.join(directory, f), "rb") as file:
                    (bodies if f[:2] == "df" else controls)[f[2:]] = file.read()
                # Below the target: the name of a temporary folder may hold any letters.
                place = os.path.relpath(directory, p.target)
                places = (("t2/df",) if f[:2] == "df" else ("t2",)) + ("t1",) if "t1" in target \
                    else (f[:2],) if target else (".",)
                tap.ok(place in places, "%s: %s lies in %s" % (name, f, " or ".join(places)), place)
        tap.ok(done.returncode == 0 and len(controls) == len(bodies) == count and
               set(controls.values()) <= {CONTROL, CONTROL.replace(b"S<ann@", b"S<eve@")},
               name, done.stderr, controls.keys(), bodies.keys(), controls.values())
        # But for the account of what was taken away.
        left = [f for _, _, names in os.walk(p.source) for f in names if not f.endswith(".left")]
        tap.ok(not left, name + ": nothing is left at the source", left)


def copies():
    p = Pair("copies")
    for id in IDS[:3]:
        p.message(id)
    before = harness.snapshot(p.source)
    done = p.run("run", "--copy")
    tap.ok(done.returncode == 0 and p.total["moved"] == 3 and
           {what for what, _ in p.outcomes().values()} == {"copied"} and
           len(p.files()) == 6, "copy", p.records, done.stderr)
    tap.same(harness.differences(before, harness.snapshot(p.source)).encode(), b"",
             "the source is as it was")
    for name in ("qf" + IDS[0], "df" + IDS[0]):
        os.unlink(os.path.join(p.target, name))        # delivered
    p.message(IDS[3])
    done = p.run("run", "--copy")
    tap.ok(done.returncode == 1 and p.outcomes() == {
        **{id: ("skipped", "present") for id in IDS[:3]}, IDS[3]: ("copied", None)} and
        "qf" + IDS[0] not in p.files(), "a second time: only what is new", p.records)
    done = p.run("verify")
    tap.ok(done.returncode == 0 and p.total["there"] == 3 and p.total["gone"] == 1,
           "verify: a copy is not doubled", p.records)
    q = Pair("locked")
    q.message(IDS[0])
    with open(os.path.join(q.source, "qf" + IDS[0]), "r+b") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        done = q.run("run", "--copy")
        tap.ok(done.returncode == 75 and b"locks are seen" in done.stderr and not q.files() and
               not done.stdout, "a source that is in use is not copied", done.stderr, done.stdout)
        done = q.run("run")
        tap.ok(done.returncode == 2 and q.outcomes() == {IDS[0]: ("skipped", "busy")},
               "and one in delivery is not moved", q.records, done.stderr)
    done = q.run("run")
    tap.ok(done.returncode == 0 and q.outcomes() == {IDS[0]: ("moved", None)}, "later it is", q.records)


def deliver(at, name):
    """As a sendmail that delivers at once: under the lock of the control file both files are removed."""
    try:
        with open(os.path.join(at, name), "r+b") as f:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(os.path.join(at, "df" + name[2:]))
            os.unlink(os.path.join(at, name))
            return True
    except OSError:
        return False


def copies_again():
    """What was copied and delivered is not copied again: not by a plan made before, not by a run at the same time."""
    p = Pair("copies-again")
    for id in IDS[:3]:
        p.message(id)
    plan = os.path.join(p.top, "plan")
    p.run("plan", "--copy", "--save=" + plan)
    p.run("run", "--copy", "--plan=" + plan)
    tap.ok(p.total["moved"] == 3, "a copy by a plan", p.records)
    for name in p.files():
        os.unlink(os.path.join(p.target, name))        # delivered
    done = p.run("run", "--copy", "--plan=" + plan)
    tap.ok(done.returncode == 1 and p.outcomes() == {id: ("skipped", "present") for id in IDS[:3]} and
           not p.files(), "by the same plan once more: nothing", p.records, done.stderr)
    lock = os.path.join(p.target, ".qf/salvage.lock")
    p.message(IDS[3])
    with open(lock, "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        done = p.run("run", "--copy", "--lease=1s")
        tap.ok(done.returncode == 75 and b"another run is at work on it" in done.stderr and
               not p.files(), "another run is at it", done.stderr)
        waiting = threading.Timer(1, fcntl.flock, (f, fcntl.LOCK_UN))
        waiting.start()
        done = p.run("run", "--copy")
        waiting.join()
    tap.ok(done.returncode == 1 and p.outcomes()[IDS[3]] == ("copied", None),
           "when it has ended this one goes on", p.records, done.stderr)
    with open(lock, "w") as f:
        fcntl.flock(f, fcntl.LOCK_SH)
        p.message(IDS[4])
        done = p.run("run")
        tap.ok(p.outcomes()[IDS[4]] == ("moved", None), "runs that move share the target", p.records, done.stderr)
    with open(os.path.join(p.source, "qf" + IDS[0]), "r+b") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        done = p.run("run", "--copy", "--plan=" + plan)
    tap.ok(done.returncode == 75 and b"locks are seen" in done.stderr,
           "with a plan, too, a source in use is not copied", done.stderr)
    tally, rounds = [], 4
    for n in range(rounds):
        q = Pair("copies-at-once-%d" % n)
        ids = ["%sB%05d" % (IDS[0][:8], i) for i in range(150)]
        for id in ids:
            q.message(id)
        runs = [subprocess.Popen([os.environ["QF"], "salvage", "run", "--copy", "-q", "-C", "none",
                                  "--from=" + q.source, "--to=" + q.target, "--now=@%d" % NOW],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env=dict(os.environ, QF_CONF="/dev/null")) for _ in range(3)]
        seen = []
        while any(run.poll() is None for run in runs) or any(name[:2] == "qf" for name in os.listdir(q.target)):
            seen += [name[2:] for name in os.listdir(q.target)
                     if name[:2] == "qf" and deliver(q.target, name)]
        tally.append(sorted(seen) == sorted(ids))
    tap.ok(tally == [True] * rounds, "three copies at once, delivered at once: each once", tally)


def eat(p, at=None):
    """All that is at the target is delivered."""
    at = at or p.target
    for directory, folders, names in os.walk(at):
        if ".qf" in folders:
            folders.remove(".qf")
        for name in names:
            os.unlink(os.path.join(directory, name))


def ledger():
    """What was ever brought to a target, by whatever verb, and delivered there, is not brought again."""
    backup = "/backup"
    for first, second in (("copy", "move"), ("move", "copy"), ("copy", "import"), ("import", "move"),
                          ("import", "copy")):
        p = Pair("ledger-%s-%s" % (first, second))
        p.message(IDS[0])
        p.message(IDS[1])
        shutil.copytree(p.source, p.top + backup)

        def bring(verb, source):
            if verb != "import":
                p.run("run", *(["--copy"] if verb == "copy" else []), source=source)
                return
            bundle = os.path.join(p.top, "b%d.tar" % len(os.listdir(p.top)))
            p.run("export", source=source, target=bundle)
            harness.qf("salvage", "import", bundle, "-C", "none", "--to=" + p.target, "--now=@%d" % NOW,
                       env={"QF_CONF": "/dev/null"})
            p.run("export", "--abort=" + os.listdir(source + "/.qf/claims")[0].rsplit(".", 1)[0],
                  source=source, target="")
        bring(first, p.source)
        there = len([name for name in p.files() if name[:2] == "qf"])
        eat(p)
        bring(second, p.top + backup if first == "move" else p.source)
        tap.ok(there == 2 and not [name for name in p.files() if name[:2] in ("qf", "hf", "df")],
               "%s, delivered, %s: not again" % (first, second), there, p.files())
    p = Pair("copied-back")
    p.message(IDS[0])
    p.message(IDS[1])
    shutil.copytree(p.source, p.top + backup)
    p.run("run")
    for source in (p.target, p.top + backup):
        done = p.run("run", "--copy", source=source, target=p.source)
        tap.ok(done.returncode == 1 and set(p.outcomes().values()) == {("skipped", "present")} and
               len([name for name in p.files() if name[:2] == "qf"]) == 2 and
               not [name for name in os.listdir(p.source) if name[:2] == "qf"],
               "what was taken away is not copied there again", p.records, done.stderr)
    p = Pair("there-and-back")
    p.message(IDS[0])
    trips = []
    for n in range(3):
        p.run("run")
        trips.append(p.outcomes() == {IDS[0]: ("moved", None)} and "qf" + IDS[0] in p.files())
        p.run("run", source=p.target, target=p.source)
        trips.append(p.outcomes() == {IDS[0]: ("moved", None)} and "qf" + IDS[0] in p.files(p.source))
    tap.ok(trips == [True] * 6, "moved there and back, again and again", trips, p.records)
    # Two containers, the same second, the same process number, the same sender: two messages.
    q = Pair("one-id", source=("q1", "q2"))
    q.message(IDS[0], sub=("q1", "q1"))
    q.message(IDS[0], body=b"from the other one\n", sub=("q2", "q2"))
    both = q.source + "/q*"
    q.run("run", "--copy", source=both)
    first = q.outcomes(), sorted(body for name, body in q.files().items() if name[:2] == "df")
    eat(q)
    done = q.run("run", "--copy", source=both)
    tap.ok(first[1] == [b"body\n", b"from the other one\n"] and not q.files() and
           {r["why"] for r in q.records} == {"present"},
           "two messages of one id, time and sender: each is copied, and once", first, q.records)
    q.message(IDS[0], at=q.target, body=b"half")
    done = q.run("plan", source=q.source + "/q1")
    tap.ok(all(r["outcome"] == "skip" for r in q.records), "and what is known is known", q.records)
    r = Pair("another-body")
    r.message(IDS[0])
    r.message(IDS[0], at=r.target, body=b"half")
    done = r.run("run")
    tap.ok(r.outcomes() == {IDS[0]: ("skipped", "present")} and b"with another body" in done.stderr,
           "one at the target that is like it but for its body: told, and left", r.records, done.stderr)
    # Several directories: the account is one.
    s = Pair("accounts", target=("q1", "q2"))
    s.message(IDS[0])
    every = s.target + "/q*"
    s.run("run", "--copy", target=s.target + "/q1")
    other = Pair("accounts-other")
    other.message(IDS[1])
    other.run("run", "--copy", target=s.target + "/q2")
    eat(s)
    s.run("run", "--copy", target=every)
    mine = s.outcomes()
    other.run("run", "--copy", target=every)
    tap.ok(mine == {IDS[0]: ("skipped", "present")} and other.outcomes() == {IDS[1]: ("skipped", "present")},
           "all directories of a target: what was brought to each of them is known", mine, other.records)
    third = Pair("accounts-third")
    third.message(IDS[2])
    alone = next(q for q in ("/q1", "/q2") if os.path.exists(s.target + q + "/.qf/main"))
    done = third.run("run", "--copy", target=s.target + alone)
    tap.ok(done.returncode == 66 and b"give all of them" in done.stderr,
           "one of them alone, when another keeps the account: refused", done.stderr, done.returncode)
    fourth = Pair("accounts-fourth", source=("q1", "q2"))
    for sub, id in (("q1", IDS[3]), ("q2", IDS[4])):
        fourth.message(id, sub=(sub, sub))
    fourth.run("run", "--copy", source=fourth.source + "/q*", target=every)
    keeps = next(q for q in ("/q1", "/q2") if not os.path.exists(s.target + q + "/.qf/main"))
    eat(fourth, s.target)
    fourth.run("run", "--copy", source=fourth.source + "/q*", target=s.target + keeps)
    tap.ok({IDS[3]: ("skipped", "present"), IDS[4]: ("skipped", "error")} == (
        fourth.outcomes() if keeps == "/q1" else
        {IDS[3]: fourth.outcomes()[IDS[4]], IDS[4]: fourth.outcomes()[IDS[3]]}) and
        any("give all of them" in (r["detail"] or "") for r in fourth.records),
           "the one that keeps the account alone: what went to the others is not judged", fourth.records)
    tally = []
    for n in range(3):
        t = Pair("copy-and-move-%d" % n)
        ids = ["%sB%05d" % (IDS[0][:8], i) for i in range(100)]
        for id in ids:
            t.message(id)
        shutil.copytree(t.source, t.top + backup)
        runs = [subprocess.Popen([os.environ["QF"], "salvage", "run", *how, "-q", "-C", "none",
                                  "--from=" + source, "--to=" + t.target, "--now=@%d" % NOW],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env=dict(os.environ, QF_CONF="/dev/null"))
                for how, source in ((["--copy"], t.top + backup), ([], t.source))]
        seen = []
        while any(run.poll() is None for run in runs) or any(name[:2] == "qf" for name in os.listdir(t.target)):
            seen += [name[2:] for name in os.listdir(t.target)
                     if name[:2] == "qf" and deliver(t.target, name)]
        tally.append(sorted(seen) == ids)
    tap.ok(tally == [True] * 3, "a copy and a move at once, delivered at once: each once", tally)


def receipts():
    """A receipt is for what its bundle brought, and nothing else."""
    def salvage(*args):
        return harness.qf("salvage", *args, "-C", "none", "--format=json", "--now=@%d" % NOW,
                          env={"QF_CONF": "/dev/null"})

    def ids(at):
        return sorted(name for name in os.listdir(at) if name[:2] in ("qf", "hf"))
    p = Pair("crossed")
    p.message(IDS[0])
    p.run("run")
    bundle, receipt = os.path.join(p.top, "b%d.tar"), os.path.join(p.top, "r%d")
    # There by the run; on its way back by a bundle; and forth again by another one.
    salvage("export", "--from=" + p.target, "--to=" + bundle % 1)
    salvage("import", bundle % 1, "--to=" + p.source, "--receipt=" + receipt % 1)
    salvage("export", "--from=" + p.source, "--to=" + bundle % 2)
    done = salvage("import", bundle % 2, "--to=" + p.target, "--receipt=" + receipt % 2)
    text = open(receipt % 2).read()
    salvage("export", "--from=" + p.target, "--commit=" + receipt % 1)
    last = salvage("export", "--from=" + p.source, "--commit=" + receipt % 2)
    claimed = [name for name in harness.snapshot(p.source) if "claims" in name and name.endswith("qf" + IDS[0])]
    tap.ok(done.returncode == 1 and IDS[0] not in text and claimed and b"import the bundle again" in last.stdout,
           "crossed: what another run brought there is not signed, and stays claimed", text, last, claimed)
    # The same bundle again: it has arrived, whatever became of it.
    q = Pair("again")
    q.message(IDS[0])
    bundle, receipt = os.path.join(q.top, "b.tar"), os.path.join(q.top, "r")
    salvage("export", "--from=" + q.source, "--to=" + bundle)
    salvage("import", bundle, "--to=" + q.target, "--receipt=" + receipt)
    first = open(receipt).read()
    eat(q)
    done = salvage("import", bundle, "--to=" + q.target, "--receipt=" + receipt)
    tap.ok(done.returncode == 1 and not ids(q.target) and open(receipt).read() == first and
           '"complete":true' in first, "the same bundle again is signed again", done, first)
    with open(os.path.join(q.target, ".qf/salvage.lock"), "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        done = salvage("import", bundle, "--to=" + q.target, "--receipt=" + receipt, "--lease=1s")
    tap.ok(done.returncode == 75 and open(receipt).read() == first,
           "an import that could not begin leaves the receipt that is there", done)
    # A claim without its data file, and another message of its id: each keeps what is its own.
    r = Pair("claimed-id")
    r.message(IDS[0])
    r.message(IDS[0], body=b"of another one\n", at=r.target,
              control=CONTROL.replace(b"S<ann@src.example>", b"S<eve@src.example>"))
    folder = os.path.join(r.source, ".qf/claims/20261123T021320Z-gone-0123456789abcdef.0")
    os.makedirs(folder, 0o700)
    os.rename(os.path.join(r.source, "qf" + IDS[0]), os.path.join(folder, "qf" + IDS[0]))
    os.unlink(os.path.join(r.source, "df" + IDS[0]))
    for path in (r.source + "/.qf", r.source + "/.qf/claims"):
        os.chmod(path, 0o700)
    done = r.run("run", source=r.target, target=r.source)
    new = r.records[0]["new_id"] if r.records else None
    tap.ok(done.returncode == 0 and new and new != IDS[0] and ids(r.source) == ["qf" + new] and
           not os.path.exists(os.path.join(r.source, "df" + IDS[0])),
           "an id that is claimed is not given to another message", r.records, done.stderr)
    done = harness.qf("salvage", "run", "-C", "none", "--from=" + r.source, "--to=" + r.target, "--unhold=../x",
                      env={"QF_CONF": "/dev/null"})
    tap.ok(done.returncode == 64 and b"name of a run" in done.stderr, "--unhold: no run", done.stderr)


def plans():
    p = Pair("plans")
    for id in IDS[:4]:
        p.message(id)
    plan = os.path.join(p.top, "plan")
    done = p.run("plan", "--save=" + plan, "id=%s or id=%s or id=%s" % tuple(IDS[:3]))
    tap.ok(done.returncode == 0 and p.total["moved"] == 3, "a plan with a filter", p.records)
    p.message(IDS[1], CONTROL.replace(b"\nN3\n", b"\nN4\n"))
    for name in ("qf", "df"):
        os.unlink(os.path.join(p.source, name + IDS[2]))
    done = p.run("run", "--plan=" + plan)
    tap.ok(done.returncode == 2 and p.outcomes() == {
        IDS[0]: ("moved", None), IDS[1]: ("skipped", "changed"), IDS[2]: ("skipped", "gone")} and
        "qf" + IDS[3] in p.files(p.source), "it is done, and nothing else", p.records, done.stderr)
    for bad, why in ((b"", b"not a saved plan"), (b"{}\n", b"not a saved plan"),
                     (open(plan, "rb").read() + b"{}\n", b"not a line of a saved plan"),
                     (open(plan, "rb").read().replace(b'"file":"qf', b'"file":"../qf'), b"not a line"),
                     (open(plan, "rb").read().replace(p.source.encode(), b"/elsewhere"), b"other queues")):
        p.put(plan + ".bad", bad)
        done = p.run("run", "--plan=" + plan + ".bad")
        tap.ok(done.returncode == 65 and why in done.stderr and not done.stdout,
               "a plan that is none: %s" % why.decode(), done.stderr)
    done = p.run("run", "--limit=1")
    tap.ok(p.total["planned"] == 1, "--limit", p.total)


def refused():
    p = Pair("refused", source=("q1",))
    p.message(IDS[0])
    for args, status, words in (
            (("run", "--from=" + p.source, "--to=" + p.source), 64, b"source as well as the target"),
            (("run", "--from=" + p.source, "--to=" + p.source + "/."), 64, b"source as well"),
            (("run", "--from=" + p.source), 64, b"--to="),
            (("sail", "--from=" + p.source), 64, b"plan, run, resume, verify, export, import or resubmit"),
            ((), 64, b"plan, run"),
            (("resume", "--from=" + p.source, "--to=" + p.target, "x"), 64, b"filter"),
            (("run", "--from=" + p.source, "--to=" + p.target, "--rate=fast"), 64, b"a second"),
            (("run", "--from=" + p.source, "--to=" + p.target, "--retarget"), 64, b"not with run"),
            (("run", "--from=" + p.source, "--to=" + p.top + "/none"), 66, b"none"),
            (("verify", "--from=" + p.source, "--to=" + p.target), 66, b"manifest"),
            (("plan", "--from=" + p.source, "--to=" + p.target, "age>"), 64, b"filter")):
        before = harness.snapshot(p.top)
        done = harness.qf("salvage", *args, "-C", "none", env={"QF_CONF": "/dev/null"})
        same = not harness.differences(before, harness.snapshot(p.top))
        tap.ok(done.returncode == status and words in done.stderr and not done.stdout and same,
               "refused, nothing touched: %s" % " ".join(args).replace(TOP, ""), done.returncode,
               done.stderr, done.stdout)


def logged():
    """What the mail log shows delivered to all is not brought anywhere."""
    p = Pair("logged")
    for id in IDS[:4]:
        p.message(id)
    # CONTROL is for bob and eve.
    lines = [(IDS[0], "to=<bob@dst.example>,<eve@dst.example>", "dsn=2.0.0, stat=Sent (ok)"),
             (IDS[1], "to=<bob@dst.example>", "dsn=2.0.0, stat=Sent (ok)"),
             (IDS[2], "to=<bob@dst.example>,<eve@dst.example>", "dsn=4.2.0, stat=Deferred: later"),
             (IDS[3], "done", "delay=00:00:03, ntries=1")]
    log = os.path.join(p.top, "maillog")
    with open(log, "w") as f:
        for id, what, stat in lines:
            f.write("Nov 23 01:30:00 mail sendmail[1]: %s: %s, delay=00:00:01, mailer=esmtp, %s\n" % (
                id, what, stat) if what != "done" else
                "Nov 23 01:30:00 mail sendmail[1]: %s: done; delay=00:00:03, ntries=1\n" % id)
    done = p.run("plan", "--log=" + log, "--expired=move")
    found = p.outcomes()
    tap.ok(found[IDS[0]] == ("skip", "delivered") and found[IDS[1]][0] == found[IDS[2]][0] == "move",
           "--log: delivered to all is skipped; to some, or deferred, is not", done)
    tap.ok(found[IDS[3]] == ("skip", "delivered"), "one that the log says is done, too", done)
    done = p.run("run", "--log=" + log, "--expired=move")
    there = p.files()
    tap.ok("qf" + IDS[0] not in there and "qf" + IDS[1] in there and "qf" + IDS[2] in there, "run: the same",
           done, sorted(there))
    db = os.path.join(p.top, "audit.db")
    p = Pair("audited")
    for id in IDS[:5]:
        # Older than what the log says of it: what is not was another message.
        p.message(id, CONTROL.replace(b"T%d" % (NOW - 3600), b"T%d" % (NOW - 86400)))
    # Another message had that id: it was somebody else's.
    with open(log, "a") as f:
        for id, sender in ((IDS[4], "somebody@else.example"), (IDS[2], "ann@src.example")):
            f.write("Nov 23 01:20:00 mail sendmail[1]: %s: from=<%s>, size=9, class=0, nrcpts=2\n" % (id, sender))
            f.write("Nov 23 01:45:00 mail sendmail[1]: %s: to=<bob@dst.example>,<eve@dst.example>, "
                    "delay=00:00:01, mailer=esmtp, dsn=2.0.0, stat=Sent (ok)\n" % id)
    os.makedirs(os.path.dirname(db), exist_ok=True)
    made = harness.qf("audit", "log", "--db=" + db, "--now=@%d" % NOW, log)
    done = p.run("plan", "--audit=" + db, "--expired=move")
    found = p.outcomes()
    tap.ok(made.returncode <= 1 and found[IDS[0]] == found[IDS[2]] == ("skip", "delivered") and
           found[IDS[1]][0] == "move", "--audit: delivered to all is skipped, to some is not", made, done)
    tap.ok(found[IDS[4]][0] == "move", "what another message of the id came to is not this one's", done)
    tap.ok(found[IDS[3]][0] == "move", "no line for a recipient proves nothing", done)
    done = p.run("run", "--audit=" + db, "--expired=move")
    there = p.files()
    tap.ok("qf" + IDS[0] not in there and "qf" + IDS[1] in there and "qf" + IDS[4] in there, "run: the same",
           done, sorted(there))
    done = p.run("plan", "--audit=" + log)
    tap.ok(done.returncode == 65 and b"database" in done.stderr, "no database: said", done)
    done = p.run("plan", "--audit=/nowhere")
    tap.ok(done.returncode == 66 and b"/nowhere" in done.stderr, "a database that is not there", done)
    done = p.run("plan", "--log=/nowhere")
    tap.ok(done.returncode == 66 and b"/nowhere" in done.stderr, "a log that is not there", done)
    done = p.run("verify", "--log=" + log)
    tap.ok(done.returncode == 64, "not with verify", done)


def bodies():
    p = Pair("bodies")
    big = os.urandom(1 << 20) * 60
    many = CONTROL.replace(b"RPFD:<eve@dst.example>\n",
                           b"".join(b"RPFD:<user%d@dst.example>\n" % i for i in range(10000)))
    p.message(IDS[0], body=big)
    p.message(IDS[1], many)
    p.message(IDS[2], body=b"")
    done = p.run("run")
    there = p.files()
    tap.ok(done.returncode == 0 and there["df" + IDS[0]] == big and there["qf" + IDS[1]] == many and
           there["df" + IDS[2]] == b"", "60 MB, 10,000 recipients, 0 bytes", done.stderr)
    tap.ok(p.run("verify").returncode == 0 and p.total["there"] == 3, "and verified", p.records)


def stopped():
    p = Pair("stopped")
    for i in range(60):
        p.message("6AMAAB%06d" % i)
    process = subprocess.Popen(
        [harness.QF, "salvage", "run", "-C", "none", "--from=" + p.source, "--to=" + p.target,
         "--now=@%d" % NOW, "--rate=5/s", "--format=json"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    end = time.monotonic() + 20
    while not any(n[:2] == "qf" for n in os.listdir(p.target)) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    records = [json.loads(line) for line in out.splitlines()]
    here = [n for n in os.listdir(p.source) if n[:2] == "qf"]
    there = [n for n in os.listdir(p.target) if n[:2] == "qf"]
    claimed = [n for _, _, names in os.walk(os.path.join(p.source, ".qf/claims")) for n in names]
    tap.ok(process.returncode == 143 and there and here and len(here) + len(there) == 60 and
           not claimed, "SIGTERM: what was begun is finished, or put back",
           process.returncode, len(here), len(there), claimed, err)
    # Nothing is written to standard output any more once a signal came.
    tap.ok(b"stopped" in err or any(r.get("why") == "stopped" for r in records),
           "and says what is left", err[-400:])
    p.run("run")
    tap.ok(p.total["moved"] == len(here) and p.run("verify").returncode == 0 and
           p.total["there"] == 60, "another run moves the rest", p.total)


def powers():
    """root without what makes it root: which power is lacking, and where it matters; nothing is touched."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        tap.skip("root without capabilities", "not root, or no setpriv")
        return
    cases = (("chown", "target", b"CAP_CHOWN"), ("dac_override,dac_read_search", "target", b"CAP_DAC_OVERRIDE"),
             ("dac_override,dac_read_search", "source", b"CAP_DAC_OVERRIDE"), ("fowner", "target", None))
    for lacks, strange, named in cases:
        p = Pair("powers")
        p.message(IDS[0])
        for path, _, names in os.walk(getattr(p, strange)):
            for name in [path] + [os.path.join(path, n) for n in names]:
                os.chown(name, 12345, 12345)
        before = harness.snapshot(p.top, times=False)
        done = subprocess.run(
            ["setpriv", "--bounding-set=" + ",".join("-" + cap for cap in lacks.split(",")), harness.QF,
             "salvage", "run", "-C", "none", "--from=" + p.source, "--to=" + p.target, "--now=@%d" % NOW],
            capture_output=True, env=dict(os.environ, QF_CONF="/dev/null"))
        if named:
            tap.ok(done.returncode == 77 and named in done.stderr and getattr(p, strange).encode() in done.stderr and
                   not harness.differences(before, harness.snapshot(p.top, times=False)),
                   "without %s, at the %s: said, and nothing is touched" % (lacks, strange), done,
                   harness.differences(before, harness.snapshot(p.top, times=False)))
        else:
            tap.ok(done.returncode == 0 and os.stat(os.path.join(p.target, "qf" + IDS[0])).st_uid == 12345,
                   "without %s it can be done" % lacks, done)


def claims():
    """Left by runs that were killed: whose they are, for how long, and for which target."""
    p = Pair("claims")
    faults = acting.Faults(TOP)
    for id in IDS[:2]:
        p.message(id)

    def kill():
        """Killed when both are claimed."""
        for at in range(20, 60):
            harness.qf("salvage", "run", "-C", "none", "--from=" + p.source, "--to=" + p.target,
                       "--jobs=1", "--now=@%d" % NOW,
                       env={"LD_PRELOAD": faults.library, "FAULTS_AT": str(at)})
            found = [os.path.join(d, n) for d, _, names in
                     os.walk(os.path.join(p.source, ".qf/claims")) for n in names if n[:2] == "qf"]
            if len(found) == 2:
                return found
            p.run("resume")
        return []

    found = kill()
    done = p.run("plan")
    tap.ok(len(found) == 2 and p.total["planned"] == 0 and p.total["claims"] == 2,
           "claims are told of", found, p.total)
    done = p.run("run")
    tap.ok(done.returncode == 2 and p.total["planned"] == 0, "and are not run's to take", p.total)
    other = os.path.join(p.top, "c")
    os.mkdir(other, 0o700)
    done = p.run("resume", target=other)
    tap.ok(done.returncode == 2 and {v for v in p.outcomes().values()} == {("skipped", "claimed")} and
           p.target.encode() in done.stderr, "another target gets nothing", p.records, done.stderr)
    # As if the owner were on another host: its lease counts.
    run = os.path.join(os.path.dirname(found[0]), "run.json")
    text = open(run).read()
    boot = json.loads(text)["boot"]
    p.put(run, text.replace(boot, "another").encode())
    with open(found[0], "r+b") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        start = time.monotonic()
        done = p.run("resume", "--lease=3s")
        tap.ok(done.returncode == 2 and time.monotonic() - start >= 1.5 and p.outcomes() == {
            os.path.basename(found[0])[2:]: ("skipped", "busy"),
            os.path.basename(found[1])[2:]: ("moved", None)},
            "one is left to who holds its lock, the other is taken when the lease is over",
            p.records, done.stderr)
    done = p.run("resume", "--lease=0", "--retarget", target=other)
    tap.ok(done.returncode == 0 and p.total["moved"] == 1 and len(p.files(other)) == 2 and
           not os.listdir(os.path.join(p.source, ".qf/claims")), "--retarget", p.records, done.stderr)


def corpus():
    """Moved into the same layout, each whole message is listed as before."""
    moved, failed = 0, []
    for scenario in harness.scenarios():
        with tempfile.TemporaryDirectory(prefix="qf-salvage.", dir=TOP) as directory:
            top = harness.unpack(scenario, directory)
            pattern, _ = harness.patterns(scenario, top)
            if "groups" in scenario or "symlinks" in scenario:
                continue
            source = os.path.join(directory, "source")
            os.rename(top, source)
            os.mkdir(top, 0o700)
            # The layout alone.
            for path, folders, _ in os.walk(source):
                for folder in folders:
                    os.makedirs(os.path.join(top, os.path.relpath(os.path.join(path, folder),
                                                                  source)), 0o700, exist_ok=True)
            for odd in (".hoststat", ".qf"):
                shutil.rmtree(os.path.join(top, odd), ignore_errors=True)
            from_ = pattern.replace(top, source)
            args = ["-C", "none", "--now=@1795400000", "--queue-return=never"]
            before = harness.qf("ls", *args, "-Q", from_, "--format=json")
            run = harness.qf("salvage", "run", *args, "--from=" + from_, "--to=" + pattern,
                             "--format=json")
            if run.returncode == 66:
                continue
            records = [json.loads(line) for line in run.stdout.splitlines()]
            after = harness.qf("ls", *args, "-Q", pattern, "--format=json")

            def table(text):
                rows = {}
                for line in text.splitlines():
                    row = json.loads(line)
                    for key in ("queue", "path", "data", "diagnostics", "raw"):
                        row.pop(key, None)
                    rows[row["id"], row["file"]] = row
                return rows

            was, now = table(before.stdout), table(after.stdout)
            for record in records[:-1]:
                if record["outcome"] == "moved" and not record["new_id"]:
                    moved += 1
                    key = record["id"], record["file"]
                    if was.get(key) != now.get(key):
                        failed.append("%s: %s: %s\n%s" % (scenario, key, was.get(key), now.get(key)))
                elif record["outcome"] == "failed":
                    failed.append("%s: %s" % (scenario, record))
            if run.returncode not in (0, 1) or not records[-1]["ok"]:
                failed.append("%s: %d: %s" % (scenario, run.returncode, run.stderr[-300:]))
            check = harness.qf("salvage", "verify", *args, "--from=" + from_, "--to=" + pattern)
            if check.returncode:
                failed.append("%s: verify: %s %s" % (scenario, check.stdout[-400:], check.stderr))
    tap.ok(not failed and moved > 200, "%d messages of the corpus moved, listed as before" % moved,
           "\n".join(failed[:6]))


def named():
    """Those that standard input names, by id or by path, and no other."""
    p = Pair("named", source=("q1", "q2"))
    one, two = os.path.join(p.source, "q1"), os.path.join(p.source, "q2")
    for id in IDS[:3]:
        p.message(id, at=one)
    p.message(IDS[3], at=two)
    words = [harness.QF, "salvage", "run", "-C", "none", "--from=" + p.source + "/q*", "--to=" + p.target,
             "--now=@%d" % NOW, "-"]
    done = subprocess.run(words, input="%s\n%s/qf%s\n" % (IDS[0], two, IDS[3]), capture_output=True, text=True,
                          env={**os.environ, "QF_CONF": "/dev/null"})
    tap.ok(done.returncode == 0 and {n for n in p.files() if n[:2] == "qf"} == {"qf" + IDS[0], "qf" + IDS[3]},
           "of ids on standard input: those, and no other", done, p.files())
    done = subprocess.run(words, input="%s\nnone\n" % IDS[1], capture_output=True, text=True,
                          env={**os.environ, "QF_CONF": "/dev/null"})
    tap.ok(done.returncode == 1 and "none" in done.stderr and "qf" + IDS[1] in p.files(),
           "one that is not there is named", done)
    done = subprocess.run(words, input="", capture_output=True, text=True,
                          env={**os.environ, "QF_CONF": "/dev/null"})
    tap.ok(done.returncode == 1 and "qf" + IDS[2] not in p.files(), "none named: none moved", done)


with acting.fast_folder() as TOP:
    moved()
    named()
    expired()
    collisions()
    layouts()
    copies()
    copies_again()
    ledger()
    receipts()
    plans()
    refused()
    bodies()
    logged()
    stopped()
    claims()
    powers()
    corpus()
tap.done()
