#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""What takes time: qf ls --watch, signals, readers that go away or do not read."""
import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from acceptance import MadeQueue, QF, control_file, environment, on_terminal, tap, temporary

CLEAR = b"\x1b[H\x1b[2J"


class Running:
    """qf at work, its standard output a pipe nobody reads yet."""

    def __init__(self, *args):
        self.args = args
        self.child = subprocess.Popen([QF, *args], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      env=environment())

    def wait_until_blocked(self):
        """Until the pipe is full: what is in it grows no more."""
        before = -1
        for _ in range(200):
            size = struct.unpack("i", fcntl.ioctl(self.child.stdout, termios.FIONREAD,
                                                  b"\0" * 4))[0]
            if size == before and size > 4096:
                return True
            before = size
            time.sleep(0.1)
        return False

    def end(self, number, unread=False):
        """Send the signal; (status, seconds it took, standard error)."""
        begun = time.monotonic()
        self.child.send_signal(number)
        try:
            if not unread:
                self.out = self.child.stdout.read()
            status = self.child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            status = "still running"
        seconds = time.monotonic() - begun
        err = self.child.stderr.read()
        self.child.stdout.close()
        self.child.stderr.close()
        self.child.wait()
        return status, seconds, err


def test_watch(tmp):
    q = MadeQueue(tmp + "/watched")
    q.add("6AM700WA000001")

    def interrupt(pid):
        os.kill(pid, signal.SIGINT)

    def change(pid):
        q.add("6AM700WB000002")
        os.unlink(q.place("qf6AM700WA000001"))
        # The terminal has to be read meanwhile.
        threading.Timer(3, interrupt, [pid]).start()

    done = on_terminal("ls", "-C", "none", "-Q", q.path, "--watch=1", "--color=never",
                       until=rb"WA000001", then=change, lines=10)
    screens = done.out.split(CLEAR)[1:]
    tap.ok(len(screens) >= 2 and b"WA000001" in screens[0] and b"WB000002" not in screens[0],
           "--watch: the list on a cleared screen", done)
    tap.ok(b"WB000002" in screens[-1] and b"WA000001" not in screens[-1],
           "--watch: what came and went shows at the next turn", done)
    tap.ok(done.status == 130 and done.seconds < 20, "--watch: SIGINT ends it with 130", done)
    for i in range(40):
        q.write("qf6AM7%02dWC%06d" % (i, i), control_file(M="Deferred: " + "long " * 60))
    done = on_terminal("ls", "-C", "none", "-Q", q.path, "--watch=1", lines=10, columns=60,
                       until=rb"(?s)2J.*2J", then=interrupt)
    screen = done.out.split(CLEAR)[1]
    tap.ok(screen.count(b"\n") <= 9, "--watch: no more rows than the screen has", screen)
    done = on_terminal("ls", "-C", "none", "-Q", q.path, "--watch=1", "--limit=3", lines=10,
                       until=rb"(?s)2J.*2J", then=interrupt)
    tap.ok(done.out.split(CLEAR)[1].count(b"\n") == 4, "--watch --limit", done)
    done = on_terminal("ls", "-C", "none", "-Q", q.path, "--watch=1", "--by=state", lines=10,
                       until=rb"(?s)2J.*2J", then=interrupt)
    tap.ok(b"queued" in done.out.split(CLEAR)[1] and done.status == 130, "--watch --by", done)
    done = on_terminal("ls", "-C", "none", "-Q", q.path, "--watch=1", "from:nobody",
                       until=rb"(?s)2J.*2J", then=interrupt)
    tap.ok(done.status == 130, "--watch goes on where nothing matches", done)
    done = on_terminal("ls", "-C", "none", "-Q", "/nonexistent", "--watch=1")
    tap.ok(done.status == 66, "--watch of a queue that is not there ends at once", done)
    watching = Running("ls", "-C", "none", "-Q", q.path, "--watch=1", "--format=ids", "--limit=1")
    first, second = watching.child.stdout.readline(), watching.child.stdout.readline()
    status, seconds, err = watching.end(signal.SIGTERM)
    tap.ok(first == second and first.startswith(b"6AM7") and status == 143,
           "--watch into a pipe: the list again and again, no escape sequences; SIGTERM is 143",
           first, second, status)


def test_signals(tmp):
    q = MadeQueue(tmp + "/slow")
    for i in range(300):
        q.write("qf6AM7%02dSA%06d" % (i % 60, i), control_file())
    slow = ("ls", "-C", "none", "-Q", q.path, "--max-ops=5")
    runs = []
    for args in (("--format=json",), ("--format=json", "--jobs=64"), ("--sort=age",),
                 ("--by=state",), ("--format=csv", "body:x"), ("--format=mailq",),
                 ("--format=mailq", "--jobs=64")):
        runs.append((Running(*slow, *args), signal.SIGINT, "SIGINT"))
    runs.append((Running(*slow, "--format=json"), signal.SIGTERM, "SIGTERM"))
    runs.append((Running(*slow), signal.SIGHUP, "SIGHUP"))
    time.sleep(3)
    for running, number, name in runs:
        args = " ".join(running.args[5:])
        alive = running.child.poll() is None
        status, seconds, err = running.end(number)
        tap.ok(alive and status == 128 + number and seconds < 5 and err == b"",
               "%s ends qf ls %s quickly, with %d" % (name, args, 128 + number),
               "after %.1f s, status %s" % (seconds, status), err)
        if "json" in args:
            tap.ok(not running.out or running.out.endswith(b"}\n"),
                   "what was written are whole rows", running.out[-80:])


def test_readers(tmp):
    q = MadeQueue(tmp + "/large")
    text = control_file(M="Deferred: " + "a long answer " * 20)
    for i in range(2000):
        q.write("qf6AM7%02dLA%06d" % (i % 60, i), text)
    q.write("df6AM700LA000000", b"line of a body\n" * 200000)
    for args in ((), ("--format=json",), ("--format=csv",), ("--sort=id",), ("--format=mailq",)):
        done = subprocess.run(["sh", "-c", '"$@" | head -n 1; exit 0', "sh", QF, "ls", "-C", "none",
                               "-Q", q.path, *args], capture_output=True, env=environment(),
                              timeout=60)
        tap.ok(done.stdout.count(b"\n") == 1 and done.stderr == b"",
               "| head -n 1: a row and not a word: %s" % " ".join(args), done.stderr)
    running = Running("ls", "-C", "none", "-Q", q.path, "--format=json")
    running.child.stdout.readline()
    running.child.stdout.close()
    status = running.child.wait(timeout=60)
    err = running.child.stderr.read()
    running.child.stderr.close()
    tap.ok(status == 141 and err == b"", "a reader that goes away: status 141, as SIGPIPE",
           status, err)
    for args in (("ls", "-C", "none", "-Q", q.path, "--format=json"),
                 ("ls", "-C", "none", "-Q", q.path, "--sort=age"),
                 ("ls", "-C", "none", "-Q", q.path, "--format=mailq"),
                 ("show", "-C", "none", "-Q", q.path, "--part=df", "6AM700LA000000"),
                 ("show", "-C", "none", "-Q", q.path, "--body-limit=10M", "6AM700LA000000")):
        running = Running(*args)
        blocked = running.wait_until_blocked()
        status, seconds, err = running.end(signal.SIGINT, unread=True)
        tap.ok(blocked and status == 130 and seconds < 5 and err == b"",
               "a reader that does not read: SIGINT ends it all the same: qf %s" %
               " ".join(args[:1] + args[5:]), "blocked: %s" % blocked, "after %.1f s" % seconds,
               status, err)


def main():
    with temporary() as tmp:
        test_watch(tmp)
        test_signals(tmp)
        test_readers(tmp)
    tap.done()


main()
