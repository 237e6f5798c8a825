#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf doctor: owners and modes against what sendmail does, the configuration, what is tried, lock-test."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
from tap import Tap

OWNER = "--owner=root:0"


def doctor(queue, *options):
    return harness.qf("doctor", "-Q", queue, OWNER, *options)


def answers(queue, *options):
    """{check: record}"""
    run = doctor(queue, "--format=json", *options)
    records = [json.loads(line) for line in run.stdout.splitlines()]
    return {r["check"]: r for r in records}, run.returncode


def conf(directory, text):
    path = os.path.join(directory, "sendmail.cf")
    with open(path, "w", encoding="ascii") as file:
        file.write("V10/Berkeley\n" + text)
    return path


def main():
    tap = Tap()
    if os.geteuid() != 0:
        tap.skip("qf doctor", "files of several owners are made by root")
        tap.done()
    tmp = tempfile.mkdtemp()
    queue = harness.unpack("mixed-rcpts-1", tmp)
    os.chmod(queue, 0o700)
    os.chown(queue, 0, 0)
    controls = sorted(n for n in os.listdir(queue) if n.startswith("qf"))
    datas = sorted(n for n in os.listdir(queue) if n.startswith("df"))
    none = ("-C", "none")

    got, _ = answers(queue, *none)
    tap.ok(all(got[c]["result"] == "ok" for c in
               ("queue-owner", "queue-mode", "file-owner", "file-mode")),
           "a queue as sendmail made it is well", got)
    tap.ok(all(got[c]["result"] == "unknown" and got[c]["remedy"] is None for c in
               ("lock-exclusion", "rename-fsync", "clock-skew", "cf-log-level", "cf-queue")),
           "what is not tried and not read is unknown", got)
    tap.ok(not os.path.exists(queue + "/.qf"), "looking leaves nothing")

    # What the queue of the acceptance test looks like after somebody's chmod -R.
    os.chmod(os.path.join(queue, controls[0]), 0o660)
    os.chmod(os.path.join(queue, datas[1]), 0o666)
    os.chown(os.path.join(queue, controls[2]), 1234, 0)
    os.chmod(queue, 0o770)
    got, status = answers(queue, *none)
    tap.ok(got["file-mode"]["result"] == "fail" and status == 1 and
           sorted(got["file-mode"]["files"]) ==
           sorted(os.path.join(queue, n) for n in (controls[0], datas[1])),
           "files that others may write are named", got["file-mode"])
    tap.ok(got["file-owner"]["result"] == "warn" and
           got["file-owner"]["files"] == [os.path.join(queue, controls[2])],
           "a file of another owner is named", got["file-owner"])
    tap.ok(got["queue-mode"]["result"] == "fail", "so is a directory that others may write",
           got["queue-mode"])
    run = doctor(queue, *none, "--format=nagios")
    tap.ok(run.returncode == 2 and run.stdout.startswith(b"DOCTOR CRITICAL - ") and
           b"file-mode fail" in run.stdout and b"| ok=" in run.stdout, "nagios: critical",
           run.stdout)

    before = sorted(os.listdir(queue))
    run = doctor(queue, *none, "--fix=perms")
    tap.ok(run.returncode == 64 and b"--yes" in run.stderr and
           os.stat(queue).st_mode & 0o777 == 0o770, "--fix needs --yes off a terminal", run.stderr)
    run = doctor(queue, *none, "--fix=perms", "--yes")
    got, _ = answers(queue, *none)
    tap.ok(run.returncode == 0 and len(run.stdout.splitlines()) == 4 and
           all(got[c]["result"] == "ok" for c in
               ("queue-owner", "queue-mode", "file-owner", "file-mode")),
           "--fix=perms sets the four right, and tells each", run.stdout, run.stderr, got)
    tap.ok(sorted(os.listdir(queue)) == before and
           os.stat(os.path.join(queue, controls[0])).st_mode & 0o777 == 0o600,
           "and nothing else")

    # Links: what may lie elsewhere keeps its owner, what is a link is not followed.
    outside = os.path.join(tmp, "outside")
    with open(outside, "w", encoding="ascii") as file:
        file.write("mine\n")
    os.chown(outside, 1234, 1234)
    os.chmod(outside, 0o666)
    os.symlink(outside, os.path.join(queue, "qfLINK"))
    os.link(outside, os.path.join(queue, "qfHARD"))
    run = doctor(queue, *none, "--fix=perms", "--yes")
    st = os.stat(outside)
    tap.ok(run.returncode == 2 and (st.st_uid, st.st_gid, st.st_mode & 0o777) == (1234, 1234, 0o666)
           and b"several names" in run.stderr, "--fix touches nothing that lies elsewhere",
           run.stderr)
    os.unlink(os.path.join(queue, "qfLINK"))
    os.unlink(os.path.join(queue, "qfHARD"))

    good = conf(tmp, "O QueueDirectory=%s\nO MinQueueAge=5m\nO Timeout.queuereturn=4d\n"
                "O Timeout.queuewarn=4h\nO PrivacyOptions=authwarnings,restrictmailq\n"
                "O MaxMessageSize=50000000\nO MaxDaemonChildren=40\nO ConnectionRateThrottle=20\n"
                "O SuperSafe=True\nO LogLevel=9\nO Timeout.connect=1m\nO Timeout.initial=1m\n"
                "O Timeout.helo=1m\nO Timeout.mail=1m\nO Timeout.rcpt=2m\nO Timeout.datainit=1m\n"
                "O Timeout.datablock=2m\nO Timeout.datafinal=2\nO Timeout.quit=1m\n" % queue)
    names = [c for c in got if c.startswith("cf-")] + ["stop-grace"]
    got, _ = answers(queue, "-C", good)
    tap.ok(all(got[c]["result"] == "ok" for c in names), "a good configuration",
           *[got[c] for c in names if got[c]["result"] != "ok"])
    bad = conf(tmp, "O QueueDirectory=%s/nowhere\nO MinQueueAge=30m\nO Timeout.queuereturn=now\n"
               "O Timeout.queuewarn=4h\nO LogLevel=2\nO SuperSafe=False\n"
               "O AuthMechanisms=CRAM-MD5 PLAIN\n" % tmp)
    got, _ = answers(queue, "-C", bad)
    wanted = {"cf-queue": "fail", "cf-min-queue-age": "warn", "cf-queue-return": "fail",
              "cf-queue-warn": "warn", "cf-privacy": "warn", "cf-max-message-size": "warn",
              "cf-max-children": "warn", "cf-rate-throttle": "warn", "cf-super-safe": "fail",
              "cf-log-level": "warn", "cf-auth": "warn", "stop-grace": "warn"}
    tap.ok({c: got[c]["result"] for c in wanted} == wanted, "a bad one",
           {c: got[c]["result"] for c in wanted})
    tap.ok(all(got[c]["why"] and got[c]["remedy"] for c in wanted), "with a reason and a remedy each")

    got, _ = answers(queue, *none, "--probe")
    tap.ok(all(got[c]["result"] == "ok" for c in ("lock-exclusion", "rename-fsync", "clock-skew")),
           "--probe tries", [got[c] for c in ("lock-exclusion", "rename-fsync", "clock-skew")])
    tap.ok(os.listdir(queue + "/.qf/probe") == [], "and leaves no file")

    peers = [subprocess.Popen([harness.QF, "doctor", "lock-test", "--peer", "-Q", queue, "-C",
                               "none", "--timeout=40", "--format=json"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) for _ in range(2)]
    told = [json.loads(p.communicate()[0]) for p in peers]
    tap.ok(all(p.returncode == 0 for p in peers) and all(t["result"] == "ok" for t in told),
           "lock-test: two peers exclude each other", told)
    run = harness.qf("doctor", "lock-test", "--peer", "-Q", queue, "-C", "none", "--timeout=1")
    tap.ok(run.returncode == 2 and b"nobody else" in run.stdout, "one alone proves nothing",
           run.stdout)

    run = doctor(os.path.join(tmp, "no-such"), *none)
    tap.ok(run.returncode == 66 and not run.stdout, "a queue that is not there", run.stderr)
    for option in ("--owner=no-such-user:0", "--mode=9", "--format=xml", "--fix=all"):
        run = harness.qf("doctor", "-Q", queue, option)
        tap.ok(run.returncode == 64 and not run.stdout and run.stderr.startswith(b"qf: doctor: "),
               option + " is refused", run.stderr)

    job = subprocess.Popen([harness.QF, "doctor", "-Q", queue, "-C", "none", "--every=1h"],
                           stdout=subprocess.PIPE)
    line = json.loads(job.stdout.readline())
    job.send_signal(signal.SIGTERM)
    tap.ok(job.wait(5) == 0 and line["schema"] == "qf.round/1" and line["total"]["fail"] == 0,
           "--every prints a line a round and ends on SIGTERM", line)
    shutil.rmtree(tmp)
    tap.done()


main()
