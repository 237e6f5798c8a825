"""What courses of events by chance share: qf that is killed anywhere, and deliveries beside it."""
import fcntl
import os
import random
import shutil
import subprocess
import time

import acting
import harness
import lab as laboratory
from tap import skip_all


def run(tap, course, few, many, say):
    """Courses from number $QF_SEED on, each a test named by say(course): `few`, (how many, of how many steps), or
    `many` where $QF_ALL_FAULTS asks for the long form. Returns those of the long form."""
    long, first = bool(os.environ.get("QF_ALL_FAULTS")), int(os.environ.get("QF_SEED", "1"))
    count, steps = many if long else few
    done = []
    with acting.fast_folder() as top:
        try:
            faults = acting.Faults(top).library
            for seed in range(first, first + count):
                done.append(course(top, seed, faults, steps))
                tap.ok(not done[-1].wrong, "course %d: %s" % (seed, say(done[-1])), *done[-1].wrong[:5],
                       *(done[-1].told if done[-1].wrong else ()))
        except laboratory.Missing as why:
            skip_all(why)
    return done if long else []


class Course:
    """`wrong` has what must not be, `told` what was done, for who looks for why. The number of a course makes it
    again, but for what depends on who comes first."""

    def __init__(self, top, seed, faults):
        self.random, self.faults = random.Random(seed), faults
        self.top, self.now = os.path.join(top, type(self).__name__.lower()), int(time.time())
        shutil.rmtree(self.top, ignore_errors=True)
        self.delivered, self.wrong, self.told = [], [], []

    def start(self, *args, kill=0):
        """qf; killed at that of its calls that change files."""
        env = {**os.environ, "QF_CONF": "/dev/null"}
        if kill:
            env.update({"LD_PRELOAD": self.faults, "FAULTS_AT": str(kill), "FAULTS_DO": "kill"})
        return subprocess.Popen([harness.QF, *args], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def end(self, process, statuses=(0, 1, 2, -9)):
        """Its status, and what it printed; nothing where it was killed."""
        out, error = process.communicate(timeout=200)
        self.told.append("%s: %d %s" % (" ".join(process.args[1:]), process.returncode, error.decode()[-400:]))
        if process.returncode not in statuses:
            self.wrong.append(self.told[-1])
        return process.returncode, out if process.returncode >= 0 else b""

    def write(self, path, content, age=7200, mode=0o600):
        with open(path, "wb") as f:
            f.write(content)
        os.chmod(path, mode)
        os.utime(path, (self.now - age,) * 2)

    def deliver(self, control, data):
        """As sendmail does: under the lock, data file first. What both held; None where it is not to be had."""
        try:
            with open(control, "r+b") as f:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.stat(control).st_ino != os.fstat(f.fileno()).st_ino:
                    return None
                text = f.read()
                with open(data, "rb") as d:
                    body = d.read()
                os.unlink(data)
                os.unlink(control)
                return text, body
        except OSError as why:
            if why.filename == data:
                self.wrong.append("%s has lost its body" % control)
            return None

    def close(self):
        if not os.environ.get("QF_KEEP"):
            shutil.rmtree(self.top, ignore_errors=True)
        return self
