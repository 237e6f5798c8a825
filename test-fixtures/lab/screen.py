"""A terminal of the least kind, for tests and benches that count bytes and milliseconds: qf tui on a
pty, with what it sends put on a screen. It knows what the built-in description of qf tui uses.

    with Pty(["-Q", queue]) as p:
        p.wait("6 messages")
        p.send(b"j")
        print(p.screen(), p.bytes)
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

import harness

SEQUENCE = re.compile(rb"\x1b\[([?>=]?)([0-9;]*)([@-~])")


class Screen:
    def __init__(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.cells = [[" "] * columns for _ in range(lines)]
        self.y = self.x = 0
        self.pending = b""
        self.strange = []   # sequences it does not know
        self.alternate = False

    def resize(self, columns, lines):
        self.cells = [(row + [" "] * columns)[:columns] for row in self.cells]
        self.cells = (self.cells + [[" "] * columns for _ in range(lines)])[:lines]
        self.columns, self.lines = columns, lines
        self.y, self.x = min(self.y, lines - 1), min(self.x, columns - 1)

    def text(self):
        return "\n".join("".join(row).rstrip() for row in self.cells)

    def feed(self, data):
        data = self.pending + data
        at = 0
        while at < len(data):
            if data[at] == 0x1b:
                match = SEQUENCE.match(data, at)
                if match:
                    self.sequence(*match.groups())
                    at = match.end()
                elif data[at:at + 2] in (b"\x1b(", b"\x1b)") and len(data) >= at + 3:
                    at += 3
                elif data[at:at + 2] in (b"\x1b7", b"\x1b8", b"\x1bM", b"\x1b=", b"\x1b>"):
                    at += 2
                elif len(data) - at < 40:
                    break
                else:
                    self.strange.append(data[at:at + 10])
                    at += 1
                continue
            if data[at] >= 0x80:
                n = 2 if data[at] < 0xe0 else 3 if data[at] < 0xf0 else 4
                if at + n > len(data):
                    break
                self.put(data[at:at + n].decode("utf-8", "replace"))
                at += n
                continue
            self.control(data[at])
            at += 1
        self.pending = data[at:]

    def control(self, byte):
        if byte == 13:
            self.x = 0
        elif byte == 10:
            self.y = min(self.y + 1, self.lines - 1)
        elif byte == 8:
            self.x = max(self.x - 1, 0)
        elif byte == 9:
            self.x = min((self.x // 8 + 1) * 8, self.columns - 1)
        elif byte >= 0x20:
            self.put(chr(byte))
        elif byte != 7:
            self.strange.append(bytes([byte]))

    def put(self, text):
        if self.x >= self.columns:
            self.x, self.y = 0, min(self.y + 1, self.lines - 1)
        self.cells[self.y][self.x] = text
        self.x += 1

    def sequence(self, mark, numbers, final):
        n = [int(x) if x else 0 for x in numbers.split(b";")]
        first = n[0] or 1
        if mark == b"?":
            if n[0] == 1049:
                self.alternate = final == b"h"
        elif final == b"H":
            self.y = min(first, self.lines) - 1
            self.x = min((n[1] if len(n) > 1 else 1) or 1, self.columns) - 1
        elif final == b"d":
            self.y = min(first, self.lines) - 1
        elif final == b"G":
            self.x = min(first, self.columns) - 1
        elif final == b"A":
            self.y = max(self.y - first, 0)
        elif final == b"B":
            self.y = min(self.y + first, self.lines - 1)
        elif final == b"C":
            self.x = min(self.x + first, self.columns - 1)
        elif final == b"D":
            self.x = max(min(self.x, self.columns - 1) - first, 0)
        elif final == b"K":
            span = range(self.x, self.columns) if n[0] == 0 else range(0, self.x + 1)
            for i in span:
                self.cells[self.y][i] = " "
        elif final == b"J":
            for y in range(0 if n[0] == 2 else self.y, self.lines):
                for x in range(self.x if y == self.y and n[0] == 0 else 0, self.columns):
                    self.cells[y][x] = " "
        elif final not in b"mrlh":
            self.strange.append(mark + numbers + final)


class Pty:
    """qf tui on a pty. piece, pause: what it sends is taken in pieces of so many bytes, each after a
    pause of so many seconds. cwd: where it is started. root: where its file system begins, program: a path there, else the qf
    of the tests as it is then."""

    def __init__(self, args, columns=80, lines=24, env=None, piece=65536, pause=0.0, config="none",
                 root="", program=None, cwd=None):
        self.screen_ = Screen(columns, lines)
        self.piece, self.pause = piece, pause
        self.bytes = 0
        self.log = b""
        self.started = time.monotonic()
        self.status = None
        settings = {"QF_CONF": "/dev/null", "QF_STATE": "", "LC_ALL": "C.UTF-8", "TZ": "UTC",
                    "TERM": "", **(env or {})}
        environ = {**os.environ, **{k: v for k, v in settings.items() if v is not None}}
        for name, value in settings.items():
            if value is None:
                environ.pop(name, None)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
                for fd in (0, 1, 2):
                    os.dup2(slave, fd)
                os.closerange(3, 64)
                if cwd:
                    os.chdir(cwd)
                if root:
                    os.chroot(root)
                    os.chdir("/")
                os.execve(program or harness.QF, ["qf", "tui", "-C", config, *args], environ)
            finally:
                os._exit(127)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self.master >= 0:
            os.close(self.master)

    def hang_up(self):
        os.close(self.master)
        self.master = -1

    def pump(self, timeout):
        """Take what is there, waiting so long for it. False when nothing was."""
        if not select.select([self.master], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.master, self.piece)
        except OSError:
            return False
        if not data:
            return False
        if self.pause:
            time.sleep(self.pause)
        self.bytes += len(data)
        self.log += data
        self.screen_.feed(data)
        return True

    def send(self, data):
        os.write(self.master, data)

    def screen(self):
        return self.screen_.text()

    def wait(self, wanted, timeout=20):
        """Until the screen shows the text, or a function of it is true. Seconds since the start."""
        end = time.monotonic() + timeout
        while True:
            text = self.screen()
            if wanted(text) if callable(wanted) else wanted in text:
                return time.monotonic() - self.started
            if time.monotonic() > end:
                raise AssertionError("waited for %r:\n%s" % (wanted, text))
            self.pump(0.05)

    def settle(self, quiet=0.3):
        """Until nothing has come for a while."""
        while self.pump(quiet):
            pass

    def resize(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen_.resize(columns, lines)

    def end(self, timeout=10):
        """Exit status, once it has ended."""
        end = time.monotonic() + timeout
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                break
            if time.monotonic() > end:
                raise AssertionError("it does not end:\n" + self.screen())
            if self.master >= 0:
                self.pump(0.02)
            else:
                time.sleep(0.02)
        while self.master >= 0 and self.pump(0.05):
            pass
        return self.status
