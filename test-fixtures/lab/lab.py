"""A laboratory for tests: real sendmail in a directory of its own, and an SMTP server that answers
as it is told.

    with Lab() as lab, Sink() as sink:
        lab.relay_to(sink)                      # every recipient is delivered to the sink
        sink.answer("rcpt", "450 4.2.0 later")  # from now on
        daemon = lab.daemon()                   # listens on daemon.port, 127.0.0.1 only
        submit(daemon.port, "ann@src.example", ["bob@dst.example"], "Subject: x\\n\\nhello\\n")
        lab.run_queue()
        print(lab.mailq())
        sink.clear()
        lab.run_queue()
        print(sink.messages)

Everything a Lab makes lies below lab.dir: sendmail.cf, mqueue/, mail.log (what sendmail logs) and
the pid files. sendmail runs there as a copy, without its set-gid bit and with a library preloaded
(shim.c) that gives it a host name, looks up no names, writes its log and can shift its clock.
Nothing talks to any address but 127.0.0.1. Leaving the `with` block ends every process that was
started and removes the directory.

Two daemons on one queue are two calls of lab.daemon(); each is a session of its own, so that
daemon.kill() takes its delivering children along, as the end of a container does.
"""
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import threading
import time

SENDMAIL_PLACES = ("/usr/libexec/sendmail/sendmail", "/usr/lib/sendmail-bin/sendmail",
                   "/usr/sbin/sendmail.sendmail", "/usr/sbin/sendmail")
CF_PLACES = ("/usr/share/sendmail/cf", "/usr/share/sendmail-cf")


class Missing(Exception):
    """What the laboratory needs is not installed; the text says what."""


def find_sendmail():
    """Path of a real sendmail, or Missing. $QF_SENDMAIL names another one."""
    for path in filter(None, (os.environ.get("QF_SENDMAIL"),) + SENDMAIL_PLACES):
        if os.access(path, os.X_OK) and "sendmail" in os.path.basename(os.path.realpath(path)):
            return path
    raise Missing("no sendmail")


def find_cf():
    """Directory of the m4 files that sendmail.cf is made from, or Missing."""
    for path in CF_PLACES:
        if os.path.exists(os.path.join(path, "m4/cf.m4")):
            if shutil.which("m4"):
                return path
            raise Missing("no m4")
    raise Missing("no sendmail-cf")


def build_shim(directory):
    """Compile shim.c into the directory and return the path of the library, or Missing."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shim.c")
    library = os.path.join(directory, "shim.so")
    for compiler in filter(None, (os.environ.get("CC", "").split()[:1], ["cc"], ["gcc"],
                                  ["clang"])):
        if shutil.which(compiler[0]):
            subprocess.run(compiler + ["-std=c17", "-O1", "-shared", "-fPIC", "-o", library,
                                       source], check=True)
            return library
    raise Missing("no C compiler")


def free_port():
    """A port of 127.0.0.1 nobody listens on at this moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, timeout=20, step=0.02):
    """Wait until condition() is true and return its value; TimeoutError when it never is."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError("waited %s s for %r" % (timeout, condition))
        time.sleep(step)


def submit(port, sender, recipients, message, mail_options=(), rcpt_options=()):
    """Hand a message to 127.0.0.1:port by SMTP. Returns the text of the last reply, which holds
    the queue id when a sendmail gave it. message is text or bytes, headers included; its line ends
    may be LF."""
    if isinstance(message, str):
        message = message.encode()
    message = re.sub(b"\r?\n", b"\r\n", message)
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example", timeout=60) as smtp:
        smtp.ehlo()
        for code, text in ([smtp.mail(sender, mail_options)]
                           + [smtp.rcpt(r, rcpt_options) for r in recipients]):
            if code >= 400:
                raise smtplib.SMTPResponseException(code, text)
        code, text = smtp.data(message)
        if code != 250:
            raise smtplib.SMTPResponseException(code, text)
        return text.decode("latin-1")


def queue_id(reply):
    """The queue id in the reply to DATA of a sendmail."""
    return re.search(r"\b([0-9A-Za-z]{8}\d{6,10})\b", reply).group(1)


# ------------------------------------------------------------------------------------ the sink

HANG = "hang"     # an answer: say nothing more on this connection, until it is closed
CLOSE = "close"   # an answer: close the connection


class Sink:
    """An SMTP server on 127.0.0.1 that records what it accepts.

    port        where it listens
    messages    what it accepted, in order: dictionaries with "sender", "recipients", "headers"
                (bytes up to the blank line), "body" (SHA-256 of what follows it), "size", "time"
    log         file to which each accepted message is appended as a line of JSON; or None
    delay       seconds to wait before every answer
    keep        set: messages have their text besides, as "text"

    Stages at which it can be told to answer otherwise: "greeting", "helo", "mail", "rcpt", "data"
    (the reply to the word DATA) and "end" (the reply to the dot).
    """

    def __init__(self, log=None, port=0):
        self.log = log
        self.delay = 0
        self.keep = False
        self.one_each = False # closes the connection behind each message
        self.messages = []
        self._rules = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def answer(self, stage, reply, only=None, times=None):
        """Answer `reply` at `stage` from now on: text or bytes of one or more lines, HANG or CLOSE.

        only    only where this text is part of the command ("bob@" for one recipient)
        times   only that often
        The newest rule that fits wins.
        """
        with self._lock:
            self._rules.insert(0, {"stage": stage, "reply": reply, "only": only, "left": times})

    def clear(self):
        """Accept everything again, at once."""
        with self._lock:
            self._rules.clear()
        self.delay = 0

    def stop(self):
        """Close the port and every connection."""
        self._stopping.set()
        # The thread in accept() has to be out of it before the descriptor is closed: it might
        # else accept on the next socket that gets the same number, another server's.
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 5).close()
        self._server.join(5)
        self._listener.close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def copies(self):
        """How often each (recipient, SHA-256 of the body) was accepted."""
        counts = {}
        with self._lock:
            for message in self.messages:
                for recipient in message["recipients"]:
                    key = recipient, message["body"]
                    counts[key] = counts.get(key, 0) + 1
        return counts

    def _serve(self):
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._stopping.is_set():
                connection.close()
                return
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._session, args=(connection,), daemon=True).start()

    def _reply(self, stage, command, usual):
        with self._lock:
            for rule in self._rules:
                if rule["stage"] != stage or rule["left"] == 0:
                    continue
                if rule["only"] is not None and rule["only"].encode() not in command:
                    continue
                if rule["left"] is not None:
                    rule["left"] -= 1
                return rule["reply"]
        return usual

    def _session(self, connection):
        try:
            with connection, connection.makefile("rwb") as stream:
                self._talk(stream)
        except (OSError, ValueError, EOFError):
            pass
        finally:
            with self._lock:
                self._open.discard(connection)

    def _say(self, stream, stage, command, usual):
        """Answer, and return whether the answer lets the client go on."""
        reply = self._reply(stage, command, usual)
        if self.delay:
            self._stopping.wait(self.delay)
        if reply == HANG:
            while stream.readline():
                pass
        if reply in (HANG, CLOSE):
            raise EOFError
        if isinstance(reply, str):
            reply = reply.encode("latin-1")
        stream.write(reply.replace(b"\n", b"\r\n") + b"\r\n")
        stream.flush()
        if reply.startswith(b"421"):
            raise EOFError
        return reply[:1] in (b"2", b"3")

    def _talk(self, stream):
        sender, recipients = None, []
        self._say(stream, "greeting", b"", "220 sink.example ESMTP")
        for line in iter(stream.readline, b""):
            command = line.rstrip(b"\r\n")
            word = command[:4].upper()
            address = re.search(rb"<([^>]*)>", command)
            address = address.group(1).decode("latin-1") if address else ""
            if word == b"EHLO":
                self._say(stream, "helo", command,
                          "250-sink.example\n250-8BITMIME\n250-SIZE\n250-DSN\n250 HELP")
            elif word == b"HELO":
                self._say(stream, "helo", command, "250 sink.example")
            elif word == b"MAIL":
                recipients = []
                sender = address if self._say(stream, "mail", command, "250 2.1.0 ok") else None
            elif word == b"RCPT":
                if self._say(stream, "rcpt", command, "250 2.1.5 ok"):
                    recipients.append(address)
            elif word == b"DATA":
                if not recipients:
                    self._say(stream, "none", command, "503 5.5.1 no recipient")
                elif self._say(stream, "data", command, "354 go on"):
                    self._take(stream, sender, recipients)
                sender, recipients = None, []
            elif word == b"RSET":
                sender, recipients = None, []
                self._say(stream, "rset", command, "250 2.0.0 ok")
            elif word == b"QUIT":
                self._say(stream, "quit", command, "221 2.0.0 bye")
                return
            else:
                self._say(stream, "other", command, "250 2.0.0 ok")

    def _take(self, stream, sender, recipients):
        data = bytearray()
        for line in iter(stream.readline, b""):
            if line in (b".\r\n", b".\n"):
                break
            data += line[1:] if line.startswith(b".") else line
        else:
            return
        headers, _, body = bytes(data).partition(b"\r\n\r\n")
        # Recorded before the reply: a client killed while it waits has its message delivered.
        reply = self._reply("end", b"", "250 2.0.0 taken")
        if reply not in (HANG, CLOSE) and reply[:1] in ("2", b"2"):
            message = {"time": time.time(), "sender": sender, "recipients": list(recipients),
                       "headers": headers, "size": len(data),
                       "body": hashlib.sha256(body).hexdigest(),
                       **({"text": body} if self.keep else {})}
            with self._lock:
                self.messages.append(message)
                if self.log:
                    with open(self.log, "a") as out:
                        out.write(json.dumps(dict(message, headers=headers.decode("latin-1"))))
                        out.write("\n")
        self._say(stream, "answered", b"", reply)
        if self.one_each:
            raise EOFError


# --------------------------------------------------------------------------- a private sendmail

MC = """divert(-1)
include(`%(cf)s/m4/cf.m4')dnl
divert(0)
VERSIONID(`qfkit laboratory')
OSTYPE(`unknown')
define(`confDOMAIN_NAME', `lab.example')
define(`confDONT_PROBE_INTERFACES', `True')
define(`confSERVICE_SWITCH_FILE', `%(dir)s/service.switch')
define(`confPID_FILE', `%(dir)s/sendmail.pid')
define(`confCONTROL_SOCKET_NAME', `')
define(`confHOST_STATUS_DIRECTORY', `')
define(`confTIME_ZONE', `USE_TZ')
define(`confTO_IDENT', `0')
define(`confLOG_LEVEL', `9')
define(`confQUEUE_LA', `1000')
define(`confREFUSE_LA', `1000')
define(`confMIN_FREE_BLOCKS', `0')
define(`confDONT_BLAME_SENDMAIL',
	`GroupWritableDirPathSafe,MapInUnsafeDirPath,IncludeFileInUnsafeDirPathSafe,dnl
ForwardFileInUnsafeDirPathSafe,RunProgramInUnsafeDirPath')
define(`QUEUE_DIR', `%(queue)s')
define(`HELP_FILE', `')
define(`STATUS_FILE', `')
define(`ALIAS_FILE', `%(dir)s/aliases')
define(`LOCAL_MAILER_PATH', `/bin/false')
define(`ESMTP_MAILER_ARGS', `TCP [127.0.0.1] 1')
define(`SMART_HOST', `esmtp:[127.0.0.1]')
define(`MAIL_HUB', `esmtp:[127.0.0.1]')
define(`confDELIVERY_MODE', `queueonly')
FEATURE(`nocanonify')
FEATURE(`accept_unresolvable_domains')
FEATURE(`accept_unqualified_senders')
FEATURE(`promiscuous_relay')
FEATURE(`no_default_msa')
MAILER(`local')
MAILER(`smtp')
"""


def prepare():
    """Files of a laboratory by name, with @DIR@ and @QUEUE@ in sendmail.cf where the real ones go.
    Missing where something is not installed."""
    original, cf = find_sendmail(), find_cf()
    files = {}
    with tempfile.TemporaryDirectory() as directory:
        def path(name):
            return os.path.join(directory, name)

        build_shim(directory)
        shutil.copyfile(original, path("sendmail"))
        os.chmod(path("sendmail"), 0o755)
        text = subprocess.run(["m4", "-I", cf], check=True, text=True, capture_output=True,
                              input=MC % {"cf": cf, "dir": "@DIR@", "queue": "@QUEUE@"}).stdout
        # No port but the one a daemon is started with.
        text = re.sub(r"(?m)^O DaemonPortOptions=.*\n", "", text)
        if os.geteuid():
            # Else it would run no daemon for who is not root.
            text += "O TrustedUser=%d\n" % os.geteuid()
        with open(path("sendmail.cf"), "w") as f:
            f.write(text.replace("@DIR@", directory).replace("@QUEUE@", directory))
        for name, content in (("aliases", ""), ("service.switch", "hosts files\naliases files\n")):
            with open(path(name), "w") as f:
                f.write(content)
        subprocess.run([path("sendmail"), "-C", path("sendmail.cf"), "-bi"], capture_output=True,
                       env=dict(os.environ, LD_PRELOAD=path("shim.so")))
        for name in ("sendmail", "shim.so", "service.switch", "aliases", "aliases.db"):
            if os.path.exists(path(name)):
                with open(path(name), "rb") as f:
                    files[name] = f.read()
    files["sendmail.cf"] = text.encode()
    return files


class Lab:
    """One private configuration and queue.

    queue       value of QueueDirectory; where it is not given, DIR/mqueue. Of a pattern like
                DIR/mqueue/q* the caller makes the directories
    options     {"DeliveryMode": "background", ...}: options of sendmail.cf
    extra       lines put at the end of sendmail.cf, such as "Qbulk, P=/.../bulk, F=f"
    directory   where all of it lies, kept at the end; used again as it is where it has been made
                before. Without: a new one, removed at the end
    """

    _prepared = None    # what all of them are made from: made once

    def __init__(self, queue=None, options=None, extra="", directory=None):
        self._temporary = directory is None
        self.dir = os.path.abspath(directory or tempfile.mkdtemp(prefix="qf-lab."))
        self.queue = queue or os.path.join(self.dir, "mqueue")
        self.cf = os.path.join(self.dir, "sendmail.cf")
        self.log = os.path.join(self.dir, "mail.log")
        self.sendmail = os.path.join(self.dir, "sendmail")
        self.clock = 0     # seconds that sendmail's clock is ahead, for what is started next
        self.haste = 1     # it waits so many times shorter, for what is started next
        self._shim = os.path.join(self.dir, "shim.so")
        self._daemons = []
        if os.path.exists(self.cf):
            with open(self.cf) as f:
                self.queue = re.findall(r"(?m)^O QueueDirectory=(.*)$", f.read())[-1]
        else:
            try:
                self._make(extra)
            except BaseException:
                if self._temporary:
                    shutil.rmtree(self.dir, ignore_errors=True)
                raise
        self.set(**(options or {}))

    def _make(self, extra):
        if not Lab._prepared:
            Lab._prepared = prepare()
        os.makedirs(self.dir, mode=0o755, exist_ok=True)
        if "*" not in self.queue:
            os.makedirs(self.queue, mode=0o700, exist_ok=True)
        for name, content in Lab._prepared.items():
            path = os.path.join(self.dir, name)
            if name == "sendmail.cf":
                content = (content.replace(b"@QUEUE@", os.fsencode(self.queue))
                           .replace(b"@DIR@", os.fsencode(self.dir)) + os.fsencode(extra))
                if not content.endswith(b"\n"):
                    content += b"\n"
            with open(path, "wb") as f:
                f.write(content)
        os.chmod(self.sendmail, 0o755)

    def aliases(self, text):
        """Make this the text of the aliases file."""
        with open(os.path.join(self.dir, "aliases"), "w") as f:
            f.write(text)
        self.call("-bi")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        if self._temporary:
            shutil.rmtree(self.dir, ignore_errors=True)

    def set(self, **options):
        """Append options to sendmail.cf, which win over earlier ones: set(MinQueueAge="30m"), or
        set(**{"Timeout.queuewarn": "1s"}) where the name has a dot."""
        with open(self.cf, "a") as f:
            for name, value in options.items():
                f.write("O %s=%s\n" % (name, value))

    def relay_to(self, sink):
        """Deliver everything to the sink (a Sink, or a port)."""
        port = getattr(sink, "port", sink)
        with open(self.cf) as f:
            text = f.read()
        with open(self.cf, "w") as f:
            f.write(re.sub(r"(A=TCP \[127\.0\.0\.1\]) \d+", r"\1 %d" % port, text))

    def command(self, *args):
        """The command line of sendmail with this configuration."""
        return [self.sendmail, "-C", self.cf, *args]

    def environment(self, env=None):
        """What sendmail is to find in its environment."""
        return {**os.environ, "LC_ALL": "C", "LD_PRELOAD": self._shim, "LAB_LOG": self.log,
                "LAB_CLOCK": str(self.clock), "LAB_HASTE": str(self.haste), **(env or {})}

    def call(self, *args, timeout=120, env=None):
        """Run sendmail and return subprocess.CompletedProcess with bytes of both outputs."""
        return subprocess.run(self.command(*args), stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=timeout, env=self.environment(env))

    def mailq(self, *args, env=None):
        """Standard output of `sendmail -bp ARGS`, bytes. It may change the queue."""
        return self.call("-bp", *args, env=env).stdout

    def run_queue(self, *args):
        """Run the whole queue once, in the foreground. Returns what it printed."""
        done = self.call("-q", "-v", "-OMinQueueAge=0", *args)
        return done.stdout + done.stderr

    def inject(self, recipients, message, *args):
        """Submit as the command line does. message is bytes or text, headers included."""
        if isinstance(message, str):
            message = message.encode()
        subprocess.run(self.command(*args, "-i", "--", *recipients), input=message, check=True,
                       capture_output=True, timeout=120, env=self.environment())

    def daemon(self, *args, port=None):
        """Start `sendmail -bD` on 127.0.0.1, and wait until it answers. Returns a Daemon."""
        daemon = Daemon(self, port or free_port(), args)
        self._daemons.append(daemon)
        daemon.wait_ready()
        return daemon

    def stop(self):
        """End every daemon."""
        for daemon in self._daemons:
            daemon.kill()
        self._daemons.clear()


class Daemon:
    """A running daemon with its children: a session of processes. port is where it listens."""

    def __init__(self, lab, port, args):
        self.port = port
        options = ["-ODaemonPortOptions=Addr=127.0.0.1,Port=%d,Name=MTA" % port,
                   "-OPidFile=%s/daemon.%d.pid" % (lab.dir, port)]
        self._log = open(os.path.join(lab.dir, "daemon.%d.log" % port), "wb")
        self._process = subprocess.Popen(lab.command("-bD", *options, *args),
                                         stdin=subprocess.DEVNULL, stdout=self._log,
                                         stderr=self._log, start_new_session=True,
                                         env=lab.environment())
        self.pid = self._process.pid
        self.session = self.pid

    def wait_ready(self):
        """Wait until it answers on its port."""
        def answers():
            if self._process.poll() is not None:
                raise RuntimeError("sendmail ended: see " + self._log.name)
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", self.port), timeout=20) as s:
                    return s.recv(3) == b"220"
            return False
        wait_until(answers)

    def processes(self):
        """Process ids of the daemon and its children of whatever depth."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError, ValueError):
                with open("/proc/%s/stat" % name) as f:
                    after = f.read().rpartition(")")[2].split()
                if int(after[3]) == self.session and after[0] != "Z":   # field 6: session
                    found.append(int(name))
        return found

    def signal(self, number):
        """Send a signal to the daemon alone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self):
        """SIGKILL to the daemon and all its children, as when a container is destroyed."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            processes = self.processes()
            if not processes:
                break
            for pid in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        self._reap()

    def stop(self):
        """SIGTERM to the daemon, as when a container is stopped; then wait until all are gone."""
        self.signal(signal.SIGTERM)
        self._reap()
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: not self.processes())

    def _reap(self):
        self._process.wait(timeout=60)
        self._log.close()
