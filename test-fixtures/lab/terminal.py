"""A terminal for tests: tmux, with qf tui in it.

    with Terminal(queue, columns=80, lines=24, args=["-R"]) as t:
        t.wait("6 messages")
        t.keys("j", "Enter")
        print(t.screen())
"""
import os
import shlex
import shutil
import subprocess
import tempfile
import time

import harness


class Missing(Exception):
    pass


class Terminal:
    """qf tui on a queue. env: changes of the environment, None takes a variable away."""

    def __init__(self, queue, columns=80, lines=24, args=(), env=None, config="none"):
        if not shutil.which("tmux"):
            raise Missing("no tmux")
        self.dir = tempfile.mkdtemp(prefix="qf-tmux.")
        self.socket = os.path.join(self.dir, "s")
        self.status_file = os.path.join(self.dir, "status")
        settings = {"QF_CONF": "/dev/null", "QF_STATE": "", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
                    "TZ": "UTC", **(env or {})}
        words = ["env"]
        for name in [name for name, value in settings.items() if value is None]:
            words += ["-u", name]
        words += ["%s=%s" % item for item in settings.items() if item[1] is not None]
        words += [harness.QF, "tui", "-C", config] + (["-Q", queue] if queue else []) + list(args)
        command = "%s; echo $? >%s" % (" ".join(shlex.quote(w) for w in words), self.status_file)
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines),
                  command + "; sleep 600")
        self.tmux("set", "-g", "status", "off")
        self.tmux("set", "-s", "escape-time", "0")
        self.tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server", check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def tmux(self, *args, check=True):
        env = {k: v for k, v in os.environ.items() if k not in ("TMUX", "TERM")}
        done = subprocess.run(["tmux", "-u", "-S", self.socket, *args], capture_output=True,
                              text=True, env={**env, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"})
        if check and done.returncode:
            raise RuntimeError("tmux %s: %s" % (args, done.stderr))
        return done.stdout

    def keys(self, *keys):
        """Keys by tmux's names."""
        for key in keys:
            self.tmux("send-keys", "--", key)

    def type(self, text):
        self.tmux("send-keys", "-l", "--", text)

    def screen(self, styles=False):
        return self.tmux("capture-pane", "-p", *(["-e", "-N"] if styles else []))

    def wait(self, text, timeout=15, gone=False):
        """The screen, once it shows the text (or no more) and has come to rest; what it shows in the
        end otherwise, as an error."""
        end = time.monotonic() + timeout
        while True:
            shown = self.screen()
            if (text in shown) != gone:
                return self._rested(shown, lambda screen: (text in screen) != gone)
            if time.monotonic() > end:
                raise AssertionError("waited for %s%r:\n%s" % ("the end of " if gone else "", text,
                                                                shown))
            time.sleep(0.05)

    def _rested(self, shown, good, most=3):
        """The screen after it has not changed for a moment, or the last good one."""
        end = time.monotonic() + most
        while time.monotonic() < end:
            time.sleep(0.25)
            now = self.screen()
            if now == shown or not good(now):
                break
            shown = now
        return shown

    def resize(self, columns, lines):
        self.tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def pid(self):
        """Process id of qf tui."""
        shell = self.tmux("display", "-p", "#{pane_pid}").strip()
        out = subprocess.run(["pgrep", "-P", shell], capture_output=True, text=True).stdout.split()
        return int(out[0]) if out else None

    def status(self, timeout=15):
        """Exit status, once it has ended."""
        end = time.monotonic() + timeout
        while not (os.path.exists(self.status_file) and os.path.getsize(self.status_file)):
            if time.monotonic() > end:
                raise AssertionError("it does not end:\n" + self.screen())
            time.sleep(0.05)
        with open(self.status_file) as f:
            return int(f.read())
