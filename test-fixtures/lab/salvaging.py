"""What tests of salvage share: a source and a target made anew for each try, and what must be true of
both at every moment, reckoned from the files alone."""
import os
import shutil
import sys

sys.dont_write_bytecode = True
import acting
import harness

IDS = ("6AMAAA000001", "6AMAAA000002", "6AMAAA000003")
CONTROL = acting.CONTROL
BODIES = {IDS[0]: b"one\n", IDS[1]: b"", IDS[2]: b"three\n" * 300}
HELD = IDS[2]


def make(path, split=False):
    """An empty queue."""
    shutil.rmtree(path, ignore_errors=True)
    for sub in ["", "qf", "df", "xf"] if split else [""]:
        os.mkdir(os.path.join(path, sub), 0o700)


class Sides:
    """source and target below one folder; with so many messages beside those of BODIES."""

    def __init__(self, top, split=(False, False), more=0):
        self.top, self.split = top, split
        self.bodies = dict(BODIES, **{"6AMBBB%06d" % i: b"%d\n" % i * (i * 100) for i in range(more)})
        self.source, self.target = os.path.join(top, "source"), os.path.join(top, "target")

    def make(self):
        shutil.rmtree(self.top, ignore_errors=True)
        os.mkdir(self.top, 0o700)
        make(self.source, self.split[0])
        make(self.target, self.split[1])
        queue = acting.Queue(self.source, self.split[0])
        for id, body in self.bodies.items():
            held = id == HELD
            queue.write(("hf" if held else "qf") + id,
                        acting.HELD if held else CONTROL, 0o600, (os.geteuid(), os.getegid()))
            queue.write("df" + id, body, 0o600, (os.geteuid(), os.getegid()))
        return self

    def visible(self, path):
        """{id: (kind, control, body or None)} of what a sendmail sees there."""
        files = acting.files_below(path)
        found = {}
        for name, (content, *_) in files.items():
            if name[:2] in ("qf", "hf", "Qf"):
                found.setdefault(name[2:], []).append(
                    (name[:2], content, files.get("df" + name[2:], (None,))[0]))
        return found

    def claims(self):
        """Ids claimed at the source."""
        found = []
        for _, _, names in os.walk(os.path.join(self.source, ".qf/claims")):
            found += [name[2:] for name in names if name[:2] in ("qf", "hf", "Qf")]
        return found

    def eat(self):
        """What the target's sendmail might do at any moment: deliver all it sees. Their ids."""
        files = acting.files_below(self.target)
        ids = [name[2:] for name in files if name[:2] in ("qf", "hf")]
        for directory, folders, names in os.walk(self.target):
            if ".qf" in folders:
                folders.remove(".qf")
            for name in names:
                if name[2:] in ids:
                    os.unlink(os.path.join(directory, name))
        return ids

    def qf(self, verb, *args, env=None, jobs=1):
        return harness.qf("salvage", verb, "-C", "none", "--from=" + self.source,
                          "--to=" + self.target, "--jobs=%d" % jobs, "--now=@%d" % acting.NOW,
                          *args, env={"QF_CONF": "/dev/null", **(env or {})})

    def wrong(self, eaten=()):
        """What must not be so at any moment; empty where nothing is."""
        found, source, target = [], self.visible(self.source), self.visible(self.target)
        claims = self.claims()
        for where, seen in (("source", source), ("target", target)):
            for id, controls in seen.items():
                if len(controls) > 1:
                    found.append("%s: %s has %d control files" % (where, id, len(controls)))
                for kind, control, body in controls:
                    if id not in self.bodies:
                        found.append("%s: %s has come up" % (where, id))
                    elif (control, body) != (acting.HELD if id == HELD else CONTROL, self.bodies[id]):
                        found.append("%s: %s is not what it was: %d bytes, body %r" % (
                            where, id, len(control), body if body is None else body[:40]))
                    elif kind != ("hf" if id == HELD else "qf"):
                        found.append("%s: %s is %s" % (where, id, kind))
        for id in self.bodies:
            places = (["source"] * (id in source) + ["target"] * (id in target) +
                      ["delivered"] * list(eaten).count(id))
            if len(places) > 1:
                found.append("doubled: %s: %s" % (id, places))
            if not places and id not in claims:
                found.append("lost: %s is nowhere" % id)
        return found

    def shown(self):
        return "source: %s, claimed: %s; target: %s, incoming: %s" % (
            sorted(acting.files_below(self.source)), self.claims(),
            sorted(acting.files_below(self.target)), self.incoming())

    def incoming(self):
        path = os.path.join(self.target, ".qf/incoming")
        return list(acting.files_below(path)) if os.path.isdir(path) else []


def finish(sides, eaten, failed, label):
    """After an interruption: resume, run, verify; all is there once. failed(text) for what is not so."""
    done = sides.qf("resume")
    if done.returncode:
        failed("%s: resume: %d: %s %s" % (label, done.returncode, done.stdout, done.stderr))
    wrong = sides.wrong(eaten)
    if wrong or sides.claims():
        failed("%s: after resume: %s; claims %s" % (label, ", ".join(wrong), sides.claims()))
    done = sides.qf("run")
    if done.returncode:
        failed("%s: run again: %d: %s %s" % (label, done.returncode, done.stdout, done.stderr))
    wrong = sides.wrong(eaten)
    if wrong or sides.claims() or sides.visible(sides.source) or sides.incoming():
        failed("%s: at the end: %s; %s" % (label, ", ".join(wrong), sides.shown()))
    there = len(sides.visible(sides.target))
    if there + len(eaten) != len(sides.bodies):
        failed("%s: %d there, %d delivered" % (label, there, len(eaten)))
    left = [name for name in acting.files_below(sides.source)]
    if left:
        failed("%s: left at the source: %s" % (label, left))
    done = sides.qf("verify")
    if done.returncode:
        failed("%s: verify: %d: %s %s" % (label, done.returncode, done.stdout, done.stderr))
