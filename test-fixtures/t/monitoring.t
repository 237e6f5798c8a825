#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""scripts/monitoring: rules and dashboard name only figures that are printed; what promtool says of all of it;
--listen answers as Prometheus asks."""
import configparser
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.environ.get("QF_FIXTURES", os.path.dirname(HERE))
sys.path.insert(0, os.path.join(FIXTURES, "lab"))
import harness
from tap import Tap

tap = Tap()
FOLDER = os.path.join(os.path.dirname(FIXTURES), "scripts", "monitoring")
NAME = re.compile(r"\bqf_[a-z_]+")


def read(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as f:
        return f.read()


def promtool(text):
    if not shutil.which("promtool"):
        for what in ("the figures", "the rules", "the rules against figures"):
            tap.skip("promtool: " + what, "no promtool")
        return
    for args, given in ((["check", "metrics"], text), (["check", "rules", FOLDER + "/metrics-rules.yml"], b""),
                        (["test", "rules", FOLDER + "/metrics-rules_test.yml"], b"")):
        run = subprocess.run(["promtool", *args], input=given, capture_output=True, timeout=60, check=False)
        tap.ok(run.returncode == 0, "promtool " + " ".join(args[:2]), run.stdout.decode(), run.stderr.decode())


def listening(queue):
    if b"without:" in harness.qf("--version").stdout and \
            re.search(b"without:.*libmicrohttpd", harness.qf("--version").stdout):
        tap.skip("--listen", "built without libmicrohttpd")
        return
    job = subprocess.Popen([harness.QF, "metrics", "-C", "none", "-Q", queue, "--listen=127.0.0.1:0",
                            "--no-orphans"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        line = job.stderr.readline().decode()
        where = re.search(r"listening on (127\.0\.0\.1:\d+)", line)
        if not tap.ok(where, "--listen says where", line):
            return
        base = "http://" + where.group(1)
        for _ in range(2):
            with urllib.request.urlopen(base + "/metrics", timeout=20) as answer:
                page = answer.read().decode()
                kind = answer.headers["Content-Type"]
        tap.ok('qf_up{queue="%s"} 1' % queue in page and "version=0.0.4" in kind, "GET /metrics", page[:500], kind)
        confined = harness.confinement(job.pid)
        tap.ok(confined in (None, {("1", "2")}), "each of its threads is confined", confined)
        for path, method, status in (("/", "GET", 404), ("/metrics", "POST", 405)):
            try:
                urllib.request.urlopen(urllib.request.Request(base + path, method=method, data=None), timeout=20)
                got = 200
            except urllib.error.HTTPError as e:
                got = e.code
            tap.ok(got == status, "%s %s: %d" % (method, path, status), got)
        os.rename(queue, queue + ".away")
        with urllib.request.urlopen(base + "/metrics", timeout=20) as answer:
            page = answer.read().decode()
        tap.ok('qf_up{queue="%s"} 0' % queue in page and "qf_messages{" not in page,
               "a queue that is not there: qf_up 0, and nothing else of it", page[:500])
        os.rename(queue + ".away", queue)
        with urllib.request.urlopen(base + "/metrics", timeout=20) as answer:
            tap.ok('"} 1\n' in answer.read().decode(), "and up again")
        run = harness.qf("metrics", "-C", "none", "-Q", queue, "--listen=" + where.group(1))
        tap.ok(run.returncode == 69 and not run.stdout, "an address that is taken: status 69", run)
        job.send_signal(signal.SIGTERM)
        tap.ok(job.wait(5) == 0, "SIGTERM ends it well")
    finally:
        if job.poll() is None:
            job.kill()
            job.wait()
        job.stderr.close()
        job.stdout.close()
    for wrong in ("", "1.2.3.4:x", "::1:80", "[::1]80", "nowhere.invalid:1"):
        run = harness.qf("metrics", "-C", "none", "-Q", queue, "--listen=" + wrong)
        tap.ok(run.returncode == 64 and not run.stdout, "refused: --listen=" + wrong, run)
    run = harness.qf("metrics", "-C", "none", "-Q", queue, "--listen=:0", "--output=x")
    tap.ok(run.returncode == 64, "refused: --listen with --output", run)


def main():
    tmp = tempfile.mkdtemp()
    queue = harness.unpack("crash-delivery-syscall", tmp)
    text = harness.qf("metrics", "-C", "none", "-Q", queue).stdout
    # What is known in rounds only is described in the page: absent here, never zero.
    printed = set(NAME.findall(text.decode())) | {"qf_longest_busy_seconds"}
    for name in ("metrics-rules.yml", "metrics-rules_test.yml", "grafana-dashboard.json"):
        used = {n for n in NAME.findall(read(name))}
        tap.ok(used and used <= printed, name + " names only what is printed", used - printed)
    board = json.loads(read("grafana-dashboard.json"))
    ids = [p["id"] for p in board["panels"]]
    tap.ok(len(ids) == len(set(ids)) > 8 and all(t["expr"] for p in board["panels"] for t in p["targets"]),
           "the dashboard has panels, each with a figure")
    bare = {re.sub("_(bucket|sum|count)$", "", n) for n in printed}
    shown = {re.sub("_(bucket|sum|count)$", "", n) for n in NAME.findall(read("grafana-dashboard.json"))}
    tap.ok(bare <= shown, "and every figure is on it", bare - shown)
    conf = configparser.RawConfigParser()
    conf.read_string(read("supervisord.conf"))
    programs = [s for s in conf.sections() if s.startswith("program:")]
    tap.ok(len(programs) == 2, "sections for supervisord", programs)
    for section in programs:
        words = conf[section]["command"].split()
        known = harness.qf(words[1], "--help").stdout.decode()
        tap.ok(all(w.split("=")[0] in known for w in words[2:]), section + ": options that there are", words)
    promtool(text)
    listening(queue)
    shutil.rmtree(tmp)
    tap.done()


main()
