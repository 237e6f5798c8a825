#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""salvage run --plan: what has changed since the plan was made, options that it does not contradict and
those it does, plans that are not whole; options without effect are refused."""
import json
import os
import shutil
import sys
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
IDS = ["6AMAAA%06d" % i for i in range(1, 5)]


class Pair:
    """A source with a message for each of IDS, and a target of two directories, empty."""

    def __init__(self, top):
        shutil.rmtree(top, ignore_errors=True)
        self.top, self.source, self.plan = top, os.path.join(top, "a"), os.path.join(top, "plan")
        self.dirs = [os.path.join(top, "b", sub) for sub in ("q1", "q2")]
        self.target = os.path.join(top, "b/q*")
        for path in [self.source] + self.dirs:
            os.makedirs(path, 0o700)
        for id in IDS:
            self.put(self.source, id)

    def put(self, path, id, control=CONTROL, body=b"body\n"):
        for name, content in (("df" + id, body), ("qf" + id, control)):
            with open(os.path.join(path, name), "wb") as f:
                f.write(content)
            os.chmod(os.path.join(path, name), 0o600)

    def run(self, verb, *args):
        done = harness.qf("salvage", verb, "-C", "none", "--from=" + self.source, "--to=" + self.target,
                          "--format=json", "--now=@%d" % NOW, *args, env={"QF_CONF": "/dev/null"})
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.outcomes = {r["id"]: (r["outcome"], r["why"]) for r in lines[:-1]}
        self.new_ids = {r["id"]: r["new_id"] for r in lines[:-1] if r.get("new_id")}
        self.to = {r["id"]: r["to"] for r in lines[:-1] if r.get("to")}
        return done

    def at(self, path):
        return sorted(name[2:] for name in os.listdir(path) if name[:2] in ("qf", "hf"))

    def arrived(self):
        return sorted(self.at(self.dirs[0]) + self.at(self.dirs[1]))


def at_the_target(top):
    """Meanwhile the target got one of them, and another message of the id of another one."""
    p = Pair(top)
    p.run("plan", "--save=" + p.plan)
    for path in p.dirs:
        if path != p.to[IDS[0]]:
            p.put(path, IDS[0])
        if path != p.to[IDS[1]]:
            p.put(path, IDS[1], CONTROL.replace(b"ann@", b"zoe@"))
    before = p.arrived()
    done = p.run("run", "--plan=" + p.plan)
    tap.ok(done.returncode == 1 and before == IDS[:2] and
           p.outcomes == {IDS[0]: ("skipped", "present"), **{id: ("moved", None) for id in IDS[1:]}} and
           set(p.new_ids) == {IDS[1]} and
           p.arrived() == sorted(IDS + list(p.new_ids.values())),
           "what has arrived meanwhile is not moved; an id taken meanwhile gets a new one", done, p.arrived())
    p = Pair(top)
    for path in p.dirs[:1]:
        p.put(path, IDS[0], CONTROL.replace(b"ann@", b"zoe@"))
    p.run("plan", "--save=" + p.plan)
    planned = p.new_ids
    done = p.run("run", "--plan=" + p.plan)
    tap.ok(done.returncode == 0 and set(planned) == {IDS[0]} and p.new_ids == planned,
           "a new id that was planned is the one it gets", done, planned)


def options(top):
    """What a plan does not say is done; what it says otherwise is refused."""
    p = Pair(top)
    log = os.path.join(top, "log")
    with open(log, "w") as f:
        f.write("Nov 26 00:00:00 h sendmail[1]: %s: to=%s, delay=00:00:01, mailer=esmtp, relay=x, "
                "dsn=2.0.0, stat=Sent (ok)\n" % (IDS[0], ",".join(
                    line.split(":", 1)[1] for line in CONTROL.decode("latin-1").splitlines()
                    if line[0] == "R")))
    p.run("plan", "--save=" + p.plan)
    before = harness.snapshot(top)
    for args in (["--hold"], ["--due"], ["--copy"], ["--expired=skip"]):
        done = p.run("run", "--plan=" + p.plan, *args)
        tap.ok(done.returncode == 64 and b"the plan says otherwise" in done.stderr and
               not harness.differences(before, harness.snapshot(top)), "a plan made without %s: refused" %
               args[0], done)
    done = p.run("run", "--plan=" + p.plan, "--log=" + log, "--limit=2", "--expired=hold")
    moved = [id for id, what in p.outcomes.items() if what == ("moved", None)]
    tap.ok(done.returncode == 1 and p.outcomes[IDS[0]] == ("skipped", "delivered") and len(moved) == 2 and
           p.arrived() == sorted(moved) and len(p.outcomes) == 3, "--log and --limit with a plan", done)
    p = Pair(top)
    p.run("plan", "--hold", "--expired=move", "--save=" + p.plan)
    done = p.run("run", "--plan=" + p.plan, "--hold", "--expired=move")
    tap.ok(done.returncode == 0 and all(name[:2] in ("hf", "df") for path in p.dirs
                                        for name in os.listdir(path) if name != ".qf"),
           "options that say what the plan says", done)


def in_use(top):
    """A copy by a plan from a source that changes: told by the plan alone to be a copy."""
    p = Pair(top)
    p.run("plan", "--copy", "--save=" + p.plan)
    over = threading.Event()

    def churn():
        while not over.is_set():
            path = os.path.join(p.source, "tf6AMZZZ000001")
            with open(path, "w"):
                time.sleep(.02)
            os.unlink(path)
            time.sleep(.02)
    working = threading.Thread(target=churn)
    working.start()
    done = p.run("run", "--plan=" + p.plan)
    over.set()
    working.join()
    tap.ok(done.returncode == 75 and b"names in it change" in done.stderr and not p.arrived(),
           "a copy by a plan, and the source changes: refused", done)
    done = p.run("run", "--plan=" + p.plan)
    tap.ok(done.returncode == 0 and p.arrived() == IDS, "and done when it does not", done)


def not_whole(top):
    p = Pair(top)
    p.run("plan", "--save=" + p.plan)
    with open(p.plan) as f:
        lines = f.readlines()
    for text, label in ((lines[:3], "cut off at the end of a line"), (lines[:1], "its head alone"),
                        (lines + lines[-1:], "a line too many"),
                        (lines[:-1] + lines[1:2], "a message twice"),
                        ([lines[0].replace('"messages":4', '"x":4')] + lines[1:], "without a number")):
        with open(p.plan, "w") as f:
            f.writelines(text)
        done = p.run("run", "--plan=" + p.plan)
        tap.ok(done.returncode == 65 and len(done.stderr.splitlines()) == 1 and not p.arrived(),
               "a plan, " + label + ": refused", done)


def without_effect(top):
    """What would do nothing is refused, not ignored."""
    p = Pair(top)
    tar = "--to=" + os.path.join(top, "x.tar")
    before = harness.snapshot(top)
    for args, words in ((["run", "--to=" + p.target, "--limit=0"], b"--limit=0"),
                        (["plan", "--rate=2/s"], b"--rate: not with plan"),
                        (["export", tar, "--rate=2/s"], b"--rate: not with export"),
                        (["export", tar, "--expired=refresh"], b"--expired=refresh"),
                        (["export", tar, "--expired=hold"], b"--expired=hold"),
                        (["resume", "--to=" + p.target, "--expired=move"], b"--expired: not with resume"),
                        (["verify", "--to=" + p.target, "--expired=move"], b"--expired: not with verify")):
        done = harness.qf("salvage", args[0], "-C", "none", "--from=" + p.source, *args[1:],
                          env={"QF_CONF": "/dev/null"})
        tap.ok(done.returncode == 64 and words in done.stderr and
               not harness.differences(before, harness.snapshot(top)),
               " ".join(args).replace(top, "") + ": refused", done)
    conf = os.path.join(top, "conf")
    with open(conf, "w") as f:
        f.write("[salvage]\nexpired = refresh\nrate = 50/s\n")
    done = harness.qf("salvage", "export", "-C", "none", "--from=" + p.source, tar, env={"QF_CONF": conf})
    tap.ok(done.returncode == 0, "from a configuration file they are for those that heed them", done)


def resumed_slowly(top):
    p = Pair(top)
    harness.qf("salvage", "export", "-C", "none", "--from=" + p.source, "--to=" + os.path.join(top, "x.tar"),
               env={"QF_CONF": "/dev/null"})
    began = time.monotonic()
    done = p.run("resume", "--retarget", "--rate=3/s")
    tap.ok(done.returncode == 0 and p.arrived() == IDS and time.monotonic() - began >= .9, "resume --rate", done)


def told_again(top):
    """What is left is told by the run as the plan told it; so is the status."""
    p = Pair(top)
    with open(os.path.join(p.source, "qf" + IDS[0]), "wb") as f:
        f.write(CONTROL[:-2])
    planned = p.run("plan", "--save=" + p.plan)
    was = next(r for r in map(json.loads, planned.stdout.splitlines()) if r.get("id") == IDS[0])
    done = p.run("run", "--plan=" + p.plan)
    now = next(r for r in map(json.loads, done.stdout.splitlines()) if r.get("id") == IDS[0])
    tap.ok(was["detail"] and now["outcome"] == "skipped" and planned.returncode == done.returncode == 1 and
           all(now[key] == was[key] for key in ("why", "detail", "file", "from", "bounce_at", "bytes", "sha256")),
           "a plan's reasons are the run's", was, now)
    p = Pair(top)
    harness.qf("salvage", "export", "-C", "none", "--from=" + p.source, "--to=" + os.path.join(p.top, "x.tar"),
               env={"QF_CONF": "/dev/null"})
    statuses = [p.run(verb).returncode for verb in ("plan", "run")]
    tap.ok(statuses == [2, 2], "a claim of an earlier run: both say so", statuses)


def main():
    with acting.fast_folder() as top:
        top = os.path.join(top, "pair")
        at_the_target(top)
        options(top)
        in_use(top)
        not_whole(top)
        without_effect(top)
        resumed_slowly(top)
        told_again(top)
    tap.done()


main()
