#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""No false alarm: two real daemons take, deliver, defer, bounce and queue without a pause while qf
orphans looks again and again. Nothing of that is an orphan, so nothing may be told.

With the usual grace age hazards alone could be told too early; with one of a second everything
could. Both looks read every control file. 12 s; QF_STRESS: a minute of each kind.
"""
import json
import os
import random
import smtplib
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import lab as laboratory
from tap import Tap, skip_all

SECONDS = 60 if os.environ.get("QF_STRESS") else 6
tap = Tap()


class Load:
    """Clients of two daemons, until they are stopped."""

    def __init__(self, lab, ports):
        self.lab, self.ports, self.sent, self.refused = lab, ports, 0, 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        work = [self.quick, self.quick, self.slow, self.run]
        self._threads = [threading.Thread(target=self._repeat, args=(w, n), daemon=True)
                         for n, w in enumerate(work)]
        for thread in self._threads:
            thread.start()

    def _repeat(self, work, seed):
        rng = random.Random(seed)
        while not self._stop.is_set():
            try:
                work(rng)
                with self._lock:
                    self.sent += 1
            except (OSError, smtplib.SMTPException):
                with self._lock:
                    self.refused += 1

    def quick(self, rng):
        """Messages of all sizes for one or many, some of whom there are not, some deferred."""
        rcpts = ["%s%d@dst.example" % (rng.choice(("ok", "later", "never")), rng.randrange(50))
                 for _ in range(rng.choice((1, 1, 2, 12)))]
        body = "x" * 70 + "\n"
        laboratory.submit(rng.choice(self.ports), "ann@src.example", rcpts,
                          "Subject: x\n\n" + body * rng.choice((0, 1, 50, 500)))

    def slow(self, rng):
        """A body that takes its time: its data file is there long before its control file."""
        with socket.create_connection(("127.0.0.1", rng.choice(self.ports)), 60) as s:
            stream = s.makefile("rwb")
            stream.readline()
            for line in (b"HELO c", b"MAIL FROM:<ann@src.example>", b"RCPT TO:<ok@dst.example>",
                         b"DATA"):
                stream.write(line + b"\r\n")
                stream.flush()
                stream.readline()
            for _ in range(rng.randrange(5, 25)):
                stream.write((b"y" * 70 + b"\r\n") * 20)
                stream.flush()
                time.sleep(0.1)
            # Some give up.
            if rng.random() < 0.7:
                stream.write(b".\r\n")
                stream.flush()
                stream.readline()

    def run(self, rng):
        """A queue run beside those of the daemons."""
        self.lab.run_queue()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def watch(lab, options, seconds):
    """Look again and again. What was told, and how much was looked at."""
    told, looks, live = [], 0, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done = harness.qf("orphans", "-C", lab.cf, "--deep", "--format=json", *options)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        looks += 1
        live += lines[-1]["live"] if lines else 0
        total = lines[-1] if lines else {}
        if done.returncode or len(lines) != 1 or done.stderr or total["files"] != (
                total["whole"] + total["live"] + total["ignored"]):
            told.append((done.returncode, lines, done.stderr))
    return told, looks, live


def under_load(super_safe):
    options = {"DeliveryMode": "background", "SuperSafe": super_safe, "MinQueueAge": "0",
               "Timeout.queuewarn": "2s", "Timeout.queuereturn": "8s"}
    with laboratory.Lab(options=options) as lab, laboratory.Sink() as sink:
        lab.relay_to(sink)
        sink.answer("rcpt", "450 4.2.0 later", only="later")
        sink.answer("rcpt", "550 5.1.1 nobody", only="never")
        sink.delay = 0.002
        daemons = [lab.daemon("-q1s") for _ in range(2)]
        load = Load(lab, [daemon.port for daemon in daemons])
        looks = live = 0
        for options in ([], ["--grace=1s"]):
            told, n, seen = watch(lab, options, SECONDS / 2)
            looks += n
            live += seen
            tap.ok(not told, "SuperSafe=%s %s: nothing is told" % (super_safe, " ".join(options)),
                   *told[:3])
        load.stop()
        tap.ok(load.sent > 20 and sink.messages and looks > 2,
               "SuperSafe=%s: there was something to look at" % super_safe,
               load.sent, load.refused, looks)
        print("# %d messages in, %d out, %d looks, %d files in the making"
              % (load.sent, len(sink.messages), looks, live))


def main():
    try:
        under_load("True")
        under_load("Interactive")
    except laboratory.Missing as why:
        skip_all(why)
    tap.done()


main()
