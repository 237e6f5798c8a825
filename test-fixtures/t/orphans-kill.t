#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""Real sendmail killed at its calls that change files, while it takes, delivers, retries and returns a
message; then qf orphans --fix=all and a queue run. Whoever was told that the message is accepted
is not disappointed: each recipient has it, or the sender was told; and nothing is left to report."""
import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
import lab as laboratory
from tap import Tap, skip_all

tap = Tap()
EACH = bool(os.environ.get("QF_STRESS"))
SENDER, RECIPIENTS = "ann@src.example", ("bob@dst.example", "eve@dst.example")
# The larger one does not fit into what sendmail keeps in memory until the end.
BODIES = {"small": "hello\n", "large": "0123456789abcde\n" * 2000}


def reply_of(run):
    """The last line of a reply, which may have several; empty when it is gone."""
    line = run.stdout.readline()
    while line[3:4] == b"-":
        line = run.stdout.readline()
    return line


class Kills:
    def __init__(self, lab, sink, faults):
        self.lab, self.sink, self.faults = lab, sink, faults
        self.log = os.path.join(lab.dir, "calls")
        self.dice = random.Random(4)

    def environment(self, at):
        env = self.lab.environment({"FAULTS_AT": str(at), "FAULTS_LOG": self.log})
        env["LD_PRELOAD"] += ":" + self.faults.library
        return env

    def run(self, args, at, words=()):
        """The last reply to what an SMTP client says, or what it printed."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.log)
        run = subprocess.Popen(self.lab.command(*args), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, env=self.environment(at))
        reply = reply_of(run) if words else b""
        for word in words:
            if not reply:
                break
            with contextlib.suppress(BrokenPipeError):
                run.stdin.write(word.encode() + b"\r\n")
                run.stdin.flush()
            reply = reply_of(run)
        with contextlib.suppress(BrokenPipeError):
            run.stdin.close()
        said = run.stdout.read()
        run.wait(timeout=60)
        run.stdout.close()
        return reply or said

    def calls(self):
        with open(self.log) as f:
            return len(f.read().splitlines())

    def begin(self):
        shutil.rmtree(self.lab.queue)
        os.mkdir(self.lab.queue, 0o700)
        self.sink.clear()
        self.sink.messages.clear()

    def take(self, body, at=0):
        """By SMTP; was it accepted?"""
        return b"Message accepted" in self.run(["-bs"], at, (
            "EHLO client.example", "MAIL FROM:<%s>" % SENDER, *("RCPT TO:<%s>" % r for r in RECIPIENTS),
            "DATA", "\r\n".join(["Subject: x", "", *body.splitlines(), "."])))

    def deliver(self, at):
        self.run(["-q", "-v", "-OMinQueueAge=0"], at)

    def retry(self, at):
        self.sink.answer("rcpt", "450 4.2.0 later", only="eve@")
        self.deliver(at)

    def bounce(self, at):
        self.sink.answer("rcpt", "450 4.2.0 later", only="eve@")
        self.run(["-q", "-v", "-OMinQueueAge=0", "-OTimeout.queuereturn=now"], at)

    def orphans(self, *args, at=0):
        done = harness.qf("orphans", "-C", self.lab.cf, "--format=json", "--deep", "--grace=0s", *args,
                          env={"LD_PRELOAD": self.faults.library, "FAULTS_HASTE": "1", "FAULTS_AT": str(at)})
        return [json.loads(line) for line in done.stdout.splitlines()] if not at else [], done

    def owed(self, body):
        """Who has got nothing, and nobody was told."""
        digest = hashlib.sha256(body.replace("\n", "\r\n").encode()).hexdigest()
        copies = self.sink.copies()
        told = {r for m in self.sink.messages if SENDER in m["recipients"] for r in RECIPIENTS}
        return [r for r in RECIPIENTS if not copies.get((r, digest)) and r not in told]

    def end(self, body, accepted, label, failures, seen):
        found, _ = self.orphans()
        for orphan in found[:-1]:
            seen[orphan["cause"], orphan["verdict"]] = seen.get((orphan["cause"], orphan["verdict"]), 0) + 1
        # Two of three times the repair is killed, too.
        for _ in range(self.dice.randrange(3) if EACH else 0):
            self.orphans("--fix=all", "--yes", at=self.dice.randrange(1, 40))
        done, process = self.orphans("--fix=all", "--yes")
        if process.returncode not in (0, 1):
            failures.append("%s: fix ended with %s" % (label, process))
        left, _ = self.orphans()
        # An empty folder of a repair that was killed may for an hour be one that was just made.
        left = [o for o in left[:-1] if not (o["cause"] == "leftover" and not os.listdir(o["file"]))]
        if left:
            failures.append("%s: there still: %s; done: %s" % (label, left, done))
        self.sink.clear()
        self.lab.run_queue()
        self.lab.run_queue()
        if accepted and self.owed(body):
            failures.append("%s: accepted, but nothing for %s: found %s, done %s, queue %s" % (
                label, self.owed(body), found[:-1], done, os.listdir(self.lab.queue)))


def stage(kills, name, size):
    body, failures, seen = BODIES[size], [], {}
    act = {"taking": None, "delivering": kills.deliver, "retrying": kills.retry,
           "returning": kills.bounce}[name]

    def once(at):
        kills.begin()
        if act:
            accepted = kills.take(body)
            act(at)
            return accepted
        return kills.take(body, at)

    once(0)
    calls = kills.calls()
    points = list(range(1, calls + 1)) * (5 if EACH else 1)
    accepted = 0
    for at in points:
        was = once(at)
        accepted += was
        kills.end(body, was, "%s a %s message, killed at call %d" % (name, size, at), failures, seen)
    tap.ok(not failures and len(points) > 2, "%s a %s message: %d of %d calls" % (
        name, size, len(points), calls), "\n".join(failures[:3]))
    return len(points), accepted, seen


def main():
    total, causes, accepted = 0, {}, 0
    with acting.fast_folder() as directory:
        try:
            faults = acting.Faults(directory)
            with laboratory.Lab() as lab, laboratory.Sink() as sink:
                lab.relay_to(sink)
                lab.set(SuperSafe="True")
                kills = Kills(lab, sink, faults)
                for name in ("taking", "delivering", "retrying", "returning"):
                    for size in BODIES if EACH or name == "taking" else ("small",):
                        n, acked, seen = stage(kills, name, size)
                        total += n
                        accepted += acked
                        for cause, count in seen.items():
                            causes[cause] = causes.get(cause, 0) + count
        except laboratory.Missing as why:
            skip_all(why)
    tap.ok(len(causes) > 3 and accepted > total / 3,
           "%d kills, %d of an accepted message; found: %s" % (total, accepted, ", ".join(
               "%d %s %s" % (n, *cause) for cause, n in sorted(causes.items()))))
    tap.done()


main()
