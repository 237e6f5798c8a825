#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf orphans as a job: its formats, --since, --output, --every, --ping, and the examples in scripts/."""
import concurrent.futures
import configparser
import csv
import http.server
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
from tap import Tap

EXAMPLES = os.path.join(os.path.dirname(harness.FIXTURES), "scripts", "examples")
BASE = ["-C", "none", "--grace=0"]


class Service(http.server.ThreadingHTTPServer):
    """Notes what is posted to it: (path, body). Hangs for paths with "hang" in them."""

    def __init__(self):
        self.seen = []
        self.stop = threading.Event()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                service.seen.append((self.path, body))
                if "hang" in self.path:
                    service.stop.wait(30)
                self.send_response(500 if "broken" in self.path else 200)
                self.end_headers()

            def log_message(self, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d/" % self.server_address[1]


def orphans(queue, *options):
    return harness.qf("orphans", *BASE, "-Q", queue, *options)


def at_once(*calls):
    """Several calls of orphans() side by side: most of the time each waits between its looks."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(lambda call: orphans(*call), calls))


def put(path, text=""):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o600)


def formats(tap, damaged, empty):
    """What each format is, and what it is when there is nothing."""
    (silent, usual, verbose, as_csv, prometheus, fine, critical, warning, few, redacted) = at_once(
        (empty,), (damaged,), (damaged, "-v"), (damaged, "--format=csv"),
        (damaged, "--format=prometheus"), (empty, "--format=nagios"), (damaged, "--format=nagios"),
        (damaged, "--format=nagios", "--crit=6", "--warn=5"),
        (damaged, "--format=nagios", "--crit=7", "--warn=6"),
        (damaged, "--format=json", "--redact"))
    result = silent
    tap.ok(result.returncode == 0 and not result.stdout and not result.stderr,
           "nothing to report: silent, status 0", result)
    result = usual
    tap.ok(result.returncode == 1 and re.search(rb"(?m)^hazard +qf-empty +\S+ +/", result.stdout)
           and b" hazard" in result.stdout.splitlines()[-1], "a short text, status 1", result)
    lines = verbose.stdout.decode()
    tap.ok("    why: " in lines and "    fix: guard at once, then rescue" in lines,
           "-v: with reasons and fixes", lines)
    rows = list(csv.reader(io.StringIO(as_csv.stdout.decode(),
                                       newline="")))
    tap.ok(rows[0][4:6] == ["cause", "verdict"] and len(rows) == 6
           and all(len(row) == len(rows[0]) for row in rows)
           and ["qf-alone", "hazard"] in [row[4:6] for row in rows], "CSV", rows)
    text = prometheus.stdout.decode()
    tap.ok(re.search(r'(?m)^qf_orphan_files\{queue="[^"]+",verdict="hazard"\} 8$', text)
           and all(re.match(r'(# (HELP|TYPE) \S+ .+|[a-z_]+(\{(\w+="[^"]*",?)+\})? [0-9.]+)$', line)
                   for line in text.splitlines()), "Prometheus text", text)
    result = fine
    tap.ok(result.returncode == 0 and result.stdout.startswith(b"QF ORPHANS OK - 0 "),
           "nagios: OK", result)
    result = critical
    tap.ok(result.returncode == 2 and result.stdout.startswith(b"QF ORPHANS CRITICAL - 5 findings, "
                                                               b"4 hazards")
           and b" | orphans=5;" in result.stdout.splitlines()[0], "nagios: a hazard is critical",
           result)
    result = warning
    tap.ok(result.returncode == 1 and b"WARNING" in result.stdout, "nagios: --warn and --crit count",
           result)
    result = few
    tap.ok(result.returncode == 0, "nagios: fewer than --warn", result)
    result = orphans(damaged + "/nowhere", "--format=nagios")
    tap.ok(result.returncode == 3 and result.stdout.startswith(b"QF ORPHANS UNKNOWN")
           and b"nowhere" in result.stderr, "nagios: a queue that is not there is unknown", result)
    tap.ok(orphans(damaged + "/nowhere").returncode == 66, "a queue that is not there: 66")
    tap.ok(orphans(damaged, "--format=what").returncode == 64, "no such format: 64")
    result = redacted
    tap.ok(b"@redacted" in result.stdout and b"@fir.example" not in result.stdout, "--redact",
           result)


def since(tap, queue, directory):
    """What was told is told once."""
    state = os.path.join(directory, "state")
    first = orphans(queue, "--since=" + state)
    tap.ok(first.returncode == 1 and b"qf-empty" in first.stdout, "--since: at first all is new",
           first)
    second = orphans(queue, "--since=" + state)
    tap.ok(second.returncode == 0 and not second.stdout and not second.stderr,
           "--since: then nothing", second)
    put(os.path.join(queue, "df6AM7New00000001"), "body\n")
    third = orphans(queue, "--since=" + state)
    tap.ok(third.returncode == 1 and b"df6AM7New" in third.stdout
           and b"qf-empty" not in third.stdout, "--since: what has come is new", third)
    os.unlink(os.path.join(queue, "df6AM7New00000001"))
    orphans(queue, "--since=" + state)
    put(os.path.join(queue, "df6AM7New00000001"), "body\n")
    tap.ok(orphans(queue, "--since=" + state).returncode == 1, "--since: gone and come again is new")
    for junk, what in ((b"\x00\xff{", "junk"), (b"qf.orphans.state/1\nhazard", "cut")):
        with open(state, "wb") as f:
            f.write(junk)
        result = orphans(queue, "--since=" + state)
        tap.ok(result.returncode == 1 and b"qf-empty" in result.stdout
               and b"everything is new" in result.stderr, "--since: a state that is %s is none" % what,
               result)
    tap.ok(orphans(queue, "--since=" + state).returncode == 0, "--since: and is written anew")
    result = orphans(queue, "--since=" + os.path.join(directory, "no/such/dir"))
    tap.ok(result.returncode == 73 and b"qf-empty" in result.stdout and b"no/such/dir" in
           result.stderr, "--since: a state that cannot be written: told, status 73", result)


def output(tap, damaged, directory):
    """--output: whole or not at all."""
    target = os.path.join(directory, "out", "orphans.prom")
    os.mkdir(os.path.dirname(target))
    result = orphans(damaged, "--format=prometheus", "--output=" + target)
    with open(target, "rb") as f:
        text = f.read()
    tap.ok(result.returncode == 1 and not result.stdout and b"qf_orphan_files{" in text
           and os.stat(target).st_mode & 0o444 == 0o444, "--output: the report is there", result)
    inode = os.stat(target).st_ino
    orphans(damaged, "--format=prometheus", "--output=" + target)
    tap.ok(os.stat(target).st_ino != inode and os.listdir(os.path.dirname(target))
           == ["orphans.prom"], "--output: a new file takes the name, nothing is left beside it",
           os.listdir(os.path.dirname(target)))
    put(target, "old")
    result = orphans(damaged + "/nowhere", "--format=prometheus", "--output=" + target)
    with open(target) as f:
        tap.ok(result.returncode == 66 and f.read() == "old",
               "--output: a failure leaves the old one", result)
    result = orphans(damaged, "--output=" + os.path.join(directory, "no/such/file"))
    tap.ok(result.returncode == 73 and b"no/such/file" in result.stderr,
           "--output: cannot be written: 73", result)


def every(tap, damaged, directory):
    """--every: a line a round, whatever happens, until it is told to end."""
    queue = os.path.join(directory, "stat=Deferred dsn=5")
    process = subprocess.Popen([harness.QF, "orphans", *BASE, "-Q", queue, "--every=1s"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, "TZ": "UTC"})
    lines = [json.loads(process.stdout.readline())]
    shutil.copytree(damaged, queue)
    while len(lines) < 30 and lines[-1]["status"] != 1:
        lines.append(json.loads(process.stdout.readline()))
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    took = time.monotonic() - begun
    tap.ok(lines[0]["schema"] == "qf.round/1" and lines[0]["command"] == "orphans"
           and lines[0]["status"] == 66 and lines[0]["total"] is None
           and "No such file" in lines[0]["error"], "--every: a round that fails is told", lines[0])
    tap.ok(lines[-1]["status"] == 1 and lines[-1]["error"] is None
           and lines[-1]["total"]["schema"] == "qf.orphans.total/1"
           and [line["round"] for line in lines] == list(range(1, len(lines) + 1)),
           "--every: and survived", lines[-1])
    tap.ok(process.returncode == 0 and took < 1.5, "--every: SIGTERM ends it within a second, status 0",
           process.returncode, took, err)
    text = json.dumps(lines).encode() + out + err
    tap.ok(b"stat=" not in text and b"dsn=" not in text and b"stat:Deferred" in text,
           "--every: prints nothing that looks like a line of the mail log", text)


def ping(tap, damaged, empty, directory):
    """--ping: start, then success or failure with the report; and never in the way."""
    if b"--ping" not in harness.qf("orphans", "--help").stdout:
        tap.skip("--ping", "not built in")
        return
    service = Service()
    result = orphans(empty, "--ping=" + service.url + "id")
    tap.ok(result.returncode == 0 and not result.stderr
           and service.seen == [("/id/start", b""), ("/id", b"")], "--ping: start, success",
           service.seen, result)
    service.seen.clear()
    result = orphans(damaged, "--ping=" + service.url + "id/?x=1")
    tap.ok([path for path, _ in service.seen] == ["/id/start?x=1", "/id/fail?x=1"]
           and service.seen[1][1] == result.stdout and b"qf-empty" in result.stdout,
           "--ping: something to report is a failure, the report its body", service.seen)
    service.seen.clear()
    result = orphans(damaged + "/nowhere", "--ping=" + service.url)
    tap.ok(result.returncode == 66 and service.seen[-1][0] == "/fail"
           and b"nowhere" in service.seen[-1][1], "--ping: so is a failure, its words the body",
           service.seen)
    service.seen.clear()
    result = orphans(empty, "--ping=" + service.url + "broken")
    tap.ok(result.returncode == 0 and b"500" in result.stderr, "--ping: a service that refuses fails "
           "nothing", result)
    result = orphans(empty, "--ping=http://127.0.0.1:1/x")
    tap.ok(result.returncode == 0 and b"--ping" in result.stderr, "--ping: nor one that is not there",
           result)
    result = orphans(empty, "--ping=unset")
    tap.ok(result.returncode == 0 and not result.stderr, "--ping: what does not start with http is "
           "passed over", result)
    service.seen.clear()
    by_name = service.url.replace("127.0.0.1", "localhost")
    result = orphans(empty, "--ping=" + by_name, "--fix=all", "--yes")
    tap.ok(result.returncode == 0 and service.seen == [("/start", b""), ("/", b"")],
           "--ping: with --fix, and by a name that has to be looked up", service.seen, result)
    process = subprocess.Popen([harness.QF, "orphans", *BASE, "-Q", empty, "--every=1s", "--ping=" + by_name],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = [json.loads(process.stdout.readline()) for _ in range(2)]
    confined = harness.confinement(process.pid)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    tap.ok([line["status"] for line in lines] == [0, 0] and len(service.seen) >= 6 and not err and
           confined in (None, {("1", "2")}), "--ping: in rounds, confined", lines, service.seen, confined, err)
    process = subprocess.Popen([harness.QF, "orphans", *BASE, "-Q", empty, "--every=1h",
                                "--ping=" + service.url + "hang"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    while ("/hang/start", b"") not in service.seen:
        time.sleep(0.02)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    tap.ok(process.returncode == 0 and time.monotonic() - begun < 2.5 and not out,
           "--ping: a service that hangs keeps nobody from ending", process.returncode, out, err,
           time.monotonic() - begun)
    service.stop.set()
    service.shutdown()


def words_of(command, directory):
    """The words of an example's command, its files moved into the directory."""
    words = shlex.split(command)
    assert words[0].rpartition("/")[2] == "qf", command
    return [harness.QF] + [re.sub(r"=/.*/", "=" + directory + "/", word) for word in words[1:]]


def run_example(words, queue, **more):
    return subprocess.run(words + ["-C", "none", "-Q", queue, "--grace=0"], capture_output=True,
                          timeout=60, **more)


def examples(tap, damaged, directory):
    """The examples do what they say."""
    with open(os.path.join(EXAMPLES, "qf-orphans.cron")) as f:
        lines = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    jobs = [line.split(None, 6) for line in lines if not re.match(r"[A-Z]+=", line)]
    tap.ok(len(jobs) == 2 and all(len(job) == 7 and job[5] == "root" for job in jobs),
           "crontab: lines of cron.d", lines)
    for job in jobs:
        result = run_example(words_of(job[6], directory), damaged)
        tap.ok(result.returncode == 1 and b"hazard" in result.stdout, "crontab: " + job[6], result)
    again = run_example(words_of(jobs[0][6], directory), damaged)
    tap.ok(again.returncode == 0 and not again.stdout and not again.stderr,
           "crontab: no second mail of the same", again)
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(os.path.join(EXAMPLES, "qf-orphans.service"))
    result = run_example(words_of(unit["Service"]["ExecStart"], directory), damaged)
    tap.ok(str(result.returncode) == unit["Service"]["SuccessExitStatus"]
           and os.path.getsize(os.path.join(directory, "qf_orphans.prom")) > 100,
           "systemd: the service writes its metrics", result)
    names = [os.path.join(EXAMPLES, "qf-orphans." + kind) for kind in ("service", "timer")]
    if shutil.which("systemd-analyze"):
        result = subprocess.run(["systemd-analyze", "verify", *names], capture_output=True)
        bad = [line for line in (result.stderr + result.stdout).splitlines()
               if b"qf-orphans" in line and b"not executable" not in line and b"No such file" not in line
               and b"Failed to open" not in line and b"Command 'man" not in line]
        tap.ok(not bad, "systemd: nothing wrong with the units", *bad)
    else:
        tap.skip("systemd: nothing wrong with the units", "no systemd-analyze")
    program = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    program.read(os.path.join(EXAMPLES, "qf-orphans.supervisord.conf"))
    section = program["program:qf-orphans"]
    words = words_of(section["command"].replace("%(ENV_QF_PING_URL)s", "none"), directory)
    process = subprocess.Popen(words + ["-C", "none", "-Q", damaged, "--grace=0"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = json.loads(process.stdout.readline())
    process.send_signal(getattr(signal, "SIG" + section["stopsignal"]))
    begun = time.monotonic()
    process.wait(20)
    tap.ok(line["status"] == 1 and process.returncode == 0
           and time.monotonic() - begun < float(section["stopwaitsecs"]),
           "supervisord: a line of JSON, and an end when it is told", line, process.stderr.read())


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as directory:
        damaged = harness.unpack("damaged", directory)
        empty = os.path.join(directory, "empty")
        os.mkdir(empty)
        formats(tap, damaged, empty)
        output(tap, damaged, directory)
        every(tap, damaged, directory)
        ping(tap, damaged, empty, directory)
        examples(tap, damaged, directory)
        since(tap, damaged, directory)
    tap.done()


main()
