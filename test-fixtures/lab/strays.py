"""Queues put together by hand, with files that belong to no whole message."""
import json
import os
import tempfile
import time

import harness

A, B, C, D = ("6AM7ErYU00208%d" % n for n in range(4))
LAST = time.time() - 7200


def control(recipients="bob", extra="", created=1795331680):
    return ("V8\nT%d\nK0\nN0\nP30119\n%s$r SMTP\nS<ann@src.example>\n%sH??Subject: x\n.\n" % (
        created, extra, "".join("RPFD:<%s@dst.example>\n" % r for r in recipients.split())))


# What every look has in its environment.
ENV = {}


class Queue:
    """A directory to put files into, two hours old."""

    def __init__(self):
        self._place = tempfile.TemporaryDirectory(prefix="qf-orphans.")
        self.top = self._place.name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._place.cleanup()

    def path(self, name):
        return os.path.join(self.top, name)

    def put(self, name, text="the body\n", mode=0o600, age=7200):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        os.utime(path, (time.time() - age,) * 2)
        return path

    def pair(self, id, where="", body=None, **more):
        self.put(where + "qf" + id, control(**more))
        self.put((body if body is not None else where) + "df" + id)

    def look(self, *options, queues=("",), config="none", env=None):
        args = [a for q in queues or () for a in ("-Q", self.path(q) if q else self.top)]
        self.done = harness.qf("orphans", "-C", config, "--format=json", *args, *options,
                               env={**ENV, **(env or {})})
        lines = [json.loads(line) for line in self.done.stdout.splitlines()]
        self.found, self.total = lines[:-1], lines[-1] if lines else None
        return self.found

    def fix(self, fixes, *options, yes=True, **more):
        """What was done, each a qf.action/1 object; the status, and what was complained about."""
        self.look("--fix=" + fixes, *(["--yes"] if yes else []), *options, **more)
        return self.found

    def names(self, where=""):
        return sorted(n for n in os.listdir(self.path(where)) if n != ".qf")

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def causes(self):
        return sorted((f["cause"], f["verdict"]) for f in self.found)
