#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""salvage verify after what goes wrong: copies and imports that were killed, one id in several directories,
messages edited since or moved back, claims of which nobody knows whose they are; and what resume does then."""
import json
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
from acting import CONTROL, NOW
from tap import Tap

tap = Tap()
ID = "6AMAAA000001"
OLD = CONTROL.replace(b"T%d" % (NOW - 3600), b"T%d" % (NOW - 9 * 86400))
ZED = CONTROL.replace(b"ann@src", b"zed@src")
SCRIPT = os.path.join(os.path.dirname(harness.FIXTURES), "scripts/rollback-salvage")
TOP, FAULTS = None, None


class Pair:
    """A source and a target; an empty folder for other things beside them."""

    def __init__(self, *sources):
        self.top = os.path.join(TOP, "pair")
        shutil.rmtree(self.top, ignore_errors=True)
        self.sources = [os.path.join(self.top, source) for source in sources or ("a",)]
        self.source, self.target = self.sources[0], os.path.join(self.top, "b")
        for path in (*self.sources, self.target):
            os.makedirs(path, 0o700)

    def put(self, control=CONTROL, body=b"body\n", id=ID, at=None, kind="qf"):
        for name, content in (("df" + id, body), (kind + id, control)):
            path = os.path.join(at or self.source, name)
            with open(path, "wb") as f:
                f.write(content)
            os.chmod(path, 0o600)

    def run(self, verb, *args, source=None, target=None, now=NOW, kill=0):
        """Its status; records and total as it said."""
        env = {"QF_CONF": "/dev/null", "LD_PRELOAD": FAULTS.library, "FAULTS_AT": str(kill), "FAULTS_HASTE": "1"}
        sources = [] if verb == "import" else ["--from=" + s for s in source or self.sources]
        done = harness.qf("salvage", verb, "-C", "none", "--jobs=1", "--now=@%d" % now, "--format=json", *sources,
                          *(["--to=" + (target or self.target)] if target != "" else []), *args, env=env)
        lines = [json.loads(line) for line in done.stdout.splitlines()] if done.returncode >= 0 else []
        self.total = lines.pop() if lines else None
        self.records, self.said = lines, done
        return done.returncode

    def outcomes(self):
        return sorted(r["outcome"] for r in self.records)

    def details(self):
        return " ".join(r["detail"] or "" for r in self.records) + self.said.stderr.decode()

    def names(self, at=None):
        return sorted(acting.files_below(at or self.target))

    def eat(self):
        for name in os.listdir(self.target):
            if name[:2] in ("qf", "df"):
                os.unlink(os.path.join(self.target, name))

    def staged(self):
        """Is something staged that a mark announces?"""
        where = os.path.join(self.target, ".qf/incoming")
        found = [n for n in acting.files_below(where) if n != "trial"] if os.path.isdir(where) else []
        return bool(found) and "qf.salvage.mark/1" in self.manifests()

    def manifests(self):
        where = os.path.join(self.target, ".qf/manifests")
        names = sorted(os.listdir(where)) if os.path.isdir(where) else []
        text = ""
        for name in names:
            if name.endswith(".jsonl"):
                with open(os.path.join(where, name)) as f:
                    text += f.read()
        return text

    def claim_folder(self):
        return next(d for d, _, names in os.walk(os.path.join(self.source, ".qf/claims")) if "run.json" in names)


def killed(make, *run, **how):
    """A pair for each call at which the run is killed, so long as it is."""
    for n in range(20, 120):
        pair = make()
        if pair.run(*run, kill=n, **how) != -9:
            return
        yield n, pair


def one(control=CONTROL, body=b"body\n"):
    def make():
        pair = Pair()
        pair.put(control, body)
        return pair
    return make


def copies():
    points, failures = 0, []
    for n, p in killed(one(), "run", "--copy"):
        staged, there = p.staged(), "qf" + ID in p.names()
        if staged:
            points += 1
            if p.run("verify") != 1 or p.outcomes() != ["missing"] or "run the same copy again" not in p.details():
                failures.append("%d: verify: %s %s" % (n, p.said, p.records))
            if p.run("resume") != 2 or "run the same copy again" not in p.details():
                failures.append("%d: resume: %s" % (n, p.said))
        elif there and (p.run("verify") != 0 or p.outcomes() != ["there"]):
            failures.append("%d: verify, there: %s" % (n, p.said))
        if n % 2 and there:
            p.eat()
        p.run("run", "--copy")
        if p.run("verify") != 0 or p.outcomes() != ["gone" if n % 2 and there else "there"]:
            failures.append("%d: at the end: %s" % (n, p.said))
    tap.ok(points > 2 and not failures, "a copy that was killed is not there as long as it is staged; the same "
           "copy again finishes it: %d points" % points, "\n".join(failures[:3]))


def copies_moved():
    failures = []
    for n, p in killed(one(), "run", "--copy"):
        if p.staged():
            status = [p.run(verb, now=NOW + i) for i, verb in enumerate(("resume", "run", "resume", "verify"))]
            if status != [2, 0, 0, 0] or p.outcomes() != ["there"]:
                failures.append("%d: %s %s" % (n, status, p.said))
    tap.ok(not failures, "moved instead: nobody waits for what is staged", "\n".join(failures[:3]))


def imports():
    q = Pair()
    q.put()
    bundle = os.path.join(TOP, "bundle.tar")
    q.run("export", "--to=" + bundle, target="")
    points, failures = 0, []
    for n, p in killed(lambda: Pair(), "import", bundle, "--receipt=" + os.path.join(TOP, "receipt")):
        if p.staged():
            points += 1
            if p.run("verify") != 1 or "import its bundle again" not in p.details():
                failures.append("%d: verify: %s" % (n, p.said))
        if "qf.salvage/1" in p.manifests():
            p.run("import", bundle, "--receipt=" + os.path.join(TOP, "receipt"))
            if p.run("verify") != 0 or p.outcomes() != ["there"]:
                failures.append("%d: at the end: %s" % (n, p.said))
    tap.ok(points > 2 and not failures, "the same of an import: %d points" % points, "\n".join(failures[:3]))


def one_id():
    """Several messages of one id, from directories that are called the same or not."""
    for name, names, runs in (("in one run", ("x/mq", "y/mq"), ((0, 1),)), ("in two", ("x/mq", "y/mq"), ((0,), (1,)))):
        p = Pair(*names)
        p.put(body=b"one\n")
        p.put(ZED, b"two\n", at=p.sources[1])
        for which in runs:
            p.run("run", source=[p.sources[i] for i in which])
        tap.ok(p.run("verify") == 0 and p.outcomes() == ["there", "there"], name + ": both are accounted for", p.said)
        for victim in [n for n in p.names() if n[:2] == "df"]:
            path = os.path.join(p.target, victim)
            with open(path, "rb") as f:
                body = f.read()
            with open(path, "wb") as f:
                f.write(b"XXXX")
            for source in (p.sources, p.sources[:1]):
                tap.ok(p.run("verify", source=source) == 1 and p.outcomes() == ["altered", "there"],
                       name + ": one altered is found", p.said)
            with open(path, "wb") as f:
                f.write(body)
    p = Pair("x/mq", "y/other")
    p.put(body=b"one\n")
    p.put(ZED, b"two\n", at=p.sources[1])
    for i, source in enumerate(p.sources):
        bundle = os.path.join(p.top, "%d.tar" % i)
        p.run("export", "--to=" + bundle, source=[source], target="")
        p.run("import", bundle, "--receipt=" + os.path.join(p.top, "receipt"), now=NOW + i)
    tap.ok(p.run("verify") == 0 and p.outcomes() == ["there", "there"], "two imports: both are accounted for", p.said)
    with open(os.path.join(p.target, "df" + ID), "wb") as f:
        f.write(b"XXXX")
    tap.ok(p.run("verify") == 1 and p.outcomes() == ["altered", "there"], "two imports: one altered is found", p.said)


def one_id_killed():
    def make():
        p = Pair("q1", "q2")
        p.put(body=b"one\n")
        p.put(ZED, b"two\n", at=p.sources[1])
        return p

    points, failures = 0, []
    for n, p in killed(make, "run"):
        points += 1
        status = [p.run("resume"), p.run("run"), p.run("verify")]
        if status != [0, 0, 0] or p.outcomes() != ["there", "there"]:
            failures.append("%d: %s %s" % (n, status, p.said))
    tap.ok(points > 20 and not failures, "one id twice, killed, finished: nothing is missing: %d points" % points,
           "\n".join(failures[:3]))


def edited():
    """Changed at the target since: by qf, by a try of its sendmail."""
    def qf(*words):
        return harness.qf(*words[:1], "-C", "none", "-Q", p.target, "--now=@%d" % (NOW + 5), *words[1:],
                          env={"QF_CONF": "/dev/null", "QF_STATE": ""}).returncode

    p = one(OLD)()
    p.run("run")
    tap.ok(qf("edit", "--refresh", ID) == 0 and qf("release", ID) == 0 and p.run("verify") == 0 and
           p.outcomes() == ["there"] and "changed since" in p.details(),
           "held, made new and released, as the runbook says: it is there", p.said)
    tap.ok(qf("edit", "--set-sender=<root@src.example>", ID) == 0 and p.run("verify") == 0,
           "with another sender, too", p.said)
    p.put(ZED, b"another\n", at=p.target)
    tap.ok(p.run("verify") == 1 and p.outcomes() == ["altered"] and "another message has its name" in p.details(),
           "another message is one", p.said)
    points, failures = 0, []
    for n, p in killed(one(OLD), "run", "--expired=refresh"):
        if not p.staged():
            continue
        points += 1
        p.run("resume", now=NOW + 600)
        path = os.path.join(p.target, "qf" + ID)
        with open(path, "rb") as f:
            tried = f.read().replace(b"\nN3\n", b"\nN4\n")
        with open(path, "wb") as f:
            f.write(tried)
        if p.run("verify") != 0 or p.outcomes() != ["there"]:
            failures.append("%d: %s" % (n, p.said))
        p.put(OLD)
        if p.run("verify") != 1 or p.outcomes() != ["doubled"]:
            failures.append("%d: again at the source: %s" % (n, p.said))
    tap.ok(points > 1 and not failures, "made new, resumed later, tried once: it is there: %d points" % points,
           "\n".join(failures[:3]))


def back():
    p = one()()
    for times in range(2):
        p.run("run", now=NOW + 20 * times)
        tap.ok(p.run("verify") == 0 and p.outcomes() == ["there"], "moved %d times: there" % (times + 1), p.said)
        p.run("run", source=[p.target], target=p.source, now=NOW + 20 * times + 10)
        tap.ok(p.run("verify") == 0 and p.outcomes() == ["left"] and "moved back" in p.details(),
               "moved back: not doubled", p.said)
    p.run("run", now=NOW + 100)
    where = os.path.join(p.target, ".qf/manifests")
    first = os.path.join(where, sorted(n for n in os.listdir(where) if n.endswith(".jsonl"))[0])
    tap.ok(p.run("verify", "--manifest=" + first) == 0 and p.outcomes() == ["there"], "of the first journey", p.said)
    p.eat()
    p.put()
    tap.ok(p.run("verify") == 1 and p.outcomes() == ["doubled"],
           "gone from the target and at the source again, by nobody's hand: doubled", p.said)
    tap.ok(p.run("verify", "--manifest=" + first) == 1 and p.outcomes() == ["doubled"],
           "also for one who looks at the first journey alone", p.said)


def carried():
    """By bundles, there or back; or put back at the source though it had been imported."""
    def carry(source, target, end="commit"):
        bundle, receipt = os.path.join(p.top, "bundle.tar"), os.path.join(p.top, "receipt")
        p.run("export", source=[source], target=bundle)
        run = p.total["run"]
        p.run("import", bundle, "--receipt=" + receipt, target=target)
        os.unlink(bundle)
        return p.run("export", "--commit=" + receipt if end == "commit" else "--abort=" + run, source=[source],
                     target="")

    for there, back in (("run", "bundle"), ("bundle", "run"), ("bundle", "bundle")):
        p = one()()
        for way, source, target in ((there, p.source, p.target), (back, p.target, p.source)):
            if way == "run":
                p.run("run", source=[source], target=target)
            else:
                carry(source, target)
        tap.ok(p.run("verify") == 0 and p.outcomes() == ["left"] and "moved back" in p.details(),
               "brought by %s, back by %s: moved back" % (there, back), p.said)
        tap.ok(p.run("verify", source=[p.target], target=p.source) == 0 and p.outcomes() == ["there"],
               "and there, seen from the other side", p.said)
    p = one()()
    tap.ok(carry(p.source, p.target, "abort") == 0 and p.run("verify") == 1 and p.outcomes() == ["doubled"],
           "imported, and put back at the source: doubled", p.said)


def taken_elsewhere():
    """A run is killed, and another one brings to a third queue what it had planned."""
    failures, words = [], set()
    for n, p in killed(one(), "run"):
        third = os.path.join(p.top, "c")
        os.mkdir(third, 0o700)
        planned = os.path.isdir(os.path.join(p.target, ".qf/manifests")) and '"outcome":"move"' in p.manifests()
        p.run("resume", "--lease=0s", source=p.sources)
        if planned and "qf" + ID in p.names(p.source):
            p.run("run", target=third)
            status = p.run("verify")
            words.update(p.outcomes())
            if status != 0 or p.outcomes() != ["skipped"] or [r["why"] for r in p.records] != ["elsewhere"]:
                failures.append("%d: %s" % (n, p.said))
            for name in ("qf" + ID, "df" + ID):
                os.rename(os.path.join(third, name), os.path.join(p.source, name))
            if p.run("verify") != 0 or p.outcomes() != ["left"]:
                failures.append("%d: there again: %s" % (n, p.said))
            for name in ("qf" + ID, "df" + ID):
                os.unlink(os.path.join(p.source, name))
    tap.ok(words == {"skipped"} and not failures, "planned, killed, and brought elsewhere by another run: not missing",
           "\n".join(failures[:3]))


def of_other_queues():
    """A run from another queue was killed: what it had planned is not told of the one that is looked at."""
    failures, points = [], 0
    for n, p in killed(lambda: (lambda q: (q.put(id="6AMAAA000007", at=q.sources[1]), q)[1])(Pair("a", "z")), "run",
                       source=None):
        planned = os.path.isdir(os.path.join(p.target, ".qf/manifests")) and '"outcome":"move"' in p.manifests()
        if not planned or "qf6AMAAA000007" not in p.names(p.sources[1]):
            continue
        points += 1
        status = p.run("verify", source=[p.sources[0]])
        both = p.run("verify")
        if status != 1 or both != 0 or p.outcomes() != ["left"]:
            failures.append("%d: %d %d %s" % (n, status, both, p.said))
        p.run("verify", source=[p.sources[0]])
        if "was not looked at" not in p.details():
            failures.append("%d: %s" % (n, p.said))
    tap.ok(points > 1 and not failures, "planned from another queue: that is said, and who looks at it finds it: %d points"
           % points, "\n".join(failures[:3]))


def elsewhere():
    """One queue under two paths, as in two containers."""
    failures, points = [], 0
    for n, p in killed(one(), "run"):
        points += 1
        os.mkdir(os.path.join(p.top, "mnt"))
        os.symlink("../a", os.path.join(p.top, "mnt/a"))
        other = [os.path.join(p.top, "mnt/a")]
        status = [p.run("resume", source=other, now=NOW + 10), p.run("run", source=other, now=NOW + 20),
                  p.run("verify", source=other)]
        if status != [0, 0, 0] or p.outcomes() != ["there"]:
            failures.append("%d: %s %s" % (n, status, p.said))
    tap.ok(points > 20 and not failures, "killed here, finished under another path: nothing is missing",
           "\n".join(failures[:3]))


def claimed():
    return next(p for _, p in killed(one(), "run") if os.path.isdir(os.path.join(p.source, ".qf/claims")) and
                "qf" + ID in p.names(os.path.join(p.source, ".qf/claims")))


def unknown():
    """Claims whose run.json says nothing."""
    for broken in (b"", b"{", None):
        p = claimed()
        path = os.path.join(p.claim_folder(), "run.json")
        if broken is None:
            os.unlink(path)
        else:
            with open(path, "wb") as f:
                f.write(broken)
        verified, said = p.run("verify"), p.details()
        tap.ok(verified == 0 and p.outcomes() == ["left"] and "resume finishes it" in said and
               p.run("resume", "--lease=0") == 0 and p.names() == ["df" + ID, "qf" + ID] and
               p.run("verify") == 0 and p.outcomes() == ["there"] and
               not os.listdir(os.path.join(p.source, ".qf/claims")),
               "run.json is %s: the manifest of the run tells" % broken, said, p.said)
    p = claimed()
    with open(os.path.join(p.claim_folder(), "run.json"), "wb"):
        pass
    where = os.path.join(p.target, ".qf/manifests")
    for name in os.listdir(where):
        os.unlink(os.path.join(where, name))
    tap.ok(p.run("resume", "--lease=0") == 2 and "--retarget" in p.details() and not p.names(),
           "no manifest either: left, and said how it goes on", p.said)
    p.run("verify")
    tap.ok("--retarget" in p.details(), "verify says the same", p.said)
    tap.ok(p.run("resume", "--lease=0", "--retarget") == 0 and p.names() == ["df" + ID, "hf" + ID],
           "brought here when that is asked for, held", p.said, p.names())


def exported():
    p = one()()
    p.run("export", "--to=" + os.path.join(p.top, "bundle.tar"), target="")
    tap.ok(p.run("resume") == 2 and "--commit=RECEIPT" in p.details() and "--abort=" in p.details(),
           "claimed by an export: resume says so", p.said)
    tap.ok(p.run("verify") == 0 and "--commit=RECEIPT" in p.details() and "resume finishes" not in p.details(),
           "and verify", p.said)
    done = subprocess.run([SCRIPT, p.source, p.target], stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                          env={"PATH": os.environ["PATH"], "QF": harness.QF, "PAUSE": "0", "QF_CONF": "/dev/null"})
    tap.ok(done.returncode == 2 and b"--commit=RECEIPT" in done.stderr.split(b"what is still claimed")[1] and
           b"first do what is said" in done.stderr, "and rollback-salvage: not only to run it again", done)
    other = os.path.join(p.top, "c")
    os.mkdir(other, 0o700)
    p = claimed()
    os.makedirs(other, 0o700, exist_ok=True)
    p.run("resume", target=other)
    p.run("verify", target=other)
    tap.ok("for another target" in p.details() and "resume finishes" not in p.details(), "for another target", p.said)


def late():
    """--expired=skip, killed, and finished when the return time has passed."""
    later, failures, held, put_back = NOW + 9 * 86400, [], 0, 0
    for n, p in killed(one(), "run", "--expired=skip"):
        there = "qf" + ID in p.names()
        p.run("resume", now=later)
        names = p.names()
        if "hf" + ID in names:
            held += 1
        elif "qf" + ID in p.names(p.source) and p.records and "return time" in p.details():
            put_back += 1
            p.run("run", now=later)
            if p.names() != ["df" + ID, "hf" + ID] or p.run("verify", now=later) != 0:
                failures.append("%d: put back, and run again: %s %s" % (n, p.names(), p.said))
        elif "qf" + ID in names and not there:
            failures.append("%d: unheld: %s" % (n, p.said))
    tap.ok(held and put_back and not failures, "skipped when it is expired, claimed before: held, or put back",
           held, put_back, "\n".join(failures[:3]))
    failures, points = [], 0
    for n, p in killed(one(), "run", "--copy"):
        if not p.staged():
            continue
        points += 1
        status = [p.run("run", "--copy", now=later), p.run("run", "--copy", now=later), p.run("verify", now=later)]
        if status != [2, 0, 0] or p.names() != ["df" + ID, "hf" + ID] or p.outcomes() != ["there"]:
            failures.append("%d: %s %s %s" % (n, status, p.names(), p.said))
    tap.ok(points > 2 and not failures, "a copy that was staged before: staged anew, held", "\n".join(failures[:3]))


def main():
    global TOP, FAULTS
    with acting.fast_folder() as TOP:
        FAULTS = acting.Faults(TOP)
        copies()
        copies_moved()
        imports()
        one_id()
        one_id_killed()
        edited()
        back()
        carried()
        taken_elsewhere()
        of_other_queues()
        elsewhere()
        unknown()
        exported()
        late()
    tap.done()


main()
