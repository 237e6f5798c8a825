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
    run = doctor(queue, *none, "--format=nagios", "--warn=90", "--crit=90")
    tap.ok(run.returncode == 3 and run.stdout.startswith(b"DOCTOR UNKNOWN - ") and
           b"lock-exclusion unknown" in run.stdout, "nagios: what is unknown is never OK", run.stdout)

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
    tap.ok(sorted(os.listdir(queue)) == sorted(before + [".qf"]) and
           os.stat(os.path.join(queue, controls[0])).st_mode & 0o777 == 0o600,
           "and nothing else")
    journal = harness.qf("journal", "-Q", queue, *none, "--format=json")
    entries = [json.loads(line) for line in journal.stdout.splitlines()]
    with open(os.path.join(queue, ".qf/journal", os.listdir(queue + "/.qf/journal")[0])) as file:
        lines = [json.loads(line) for line in file]
    was = {line["file"]: line["was_perms"] for line in lines if line["step"] == "begin"}
    tap.ok(len(entries) == 4 and all((e["command"], e["result"], e["undo"]) ==
                                     ("doctor", "done", "impossible") for e in entries) and
           sorted(str(e["id"]) for e in entries) ==
           sorted([controls[0][2:], datas[1][2:], controls[2][2:], "None"]) and
           was == {"": "0:0 0770", controls[0]: "0:0 0660", datas[1]: "0:0 0666",
                   controls[2]: "1234:0 0600"}, "the journal says how each was", entries, lines)

    # A queue that is to be another user's: our own folder goes with it.
    os.chown(queue, 1234, 0)
    for name in (".qf", ".qf/journal", ".qf/stage", ".qf/trash"):
        os.chown(os.path.join(queue, name), 1234, 0)
    os.chmod(os.path.join(queue, ".qf"), 0o770)
    run = doctor(queue, *none, "--fix=perms", "--yes")
    got, _ = answers(queue, *none)
    tap.ok(run.returncode == 65 and b"once you know who did that" in run.stderr and
           os.stat(queue).st_uid == 1234 and got["queue-mode"]["result"] == "fail",
           "a .qf/ that others could write is for a person to look at", run.stderr, got["queue-mode"])
    os.chmod(os.path.join(queue, ".qf"), 0o700)
    run = doctor(queue, *none, "--fix=perms", "--yes", "--note=by hand")
    held = harness.qf("hold", "--reason=x", "-Q", queue, *none, controls[0][2:])
    harness.qf("release", "-Q", queue, *none, controls[0][2:])
    owners = {os.stat(os.path.join(queue, n)).st_uid for n in ("", ".qf", ".qf/journal", ".qf/stage")}
    tap.ok(run.returncode == 0 and held.returncode == 0 and owners == {0} and
           b"/.qf/journal: 1234:0 0700 -> 0:0 0700" in run.stdout,
           ".qf/ goes with its queue, and is of use afterwards", run.stdout, run.stderr, held.stderr)
    run = doctor(queue, *none, "--fix=perms", "--yes", "--no-journal")
    tap.ok(run.returncode == 0 and b"0 set right" in run.stderr, "once more: nothing to set right",
           run.stderr)

    # Many files: each is seen once, whatever the number of questions in flight, in the same order.
    many = os.path.join(tmp, "many")
    os.mkdir(many, 0o700)
    for i in range(6500):
        fd = os.open(os.path.join(many, "dfAAA%06d" % i), os.O_CREAT | os.O_WRONLY, 0o600)
        if i % 7 == 0:
            os.fchmod(fd, 0o644)
        os.close(fd)
    told = [answers(many, *none, "--jobs=%d" % jobs)[0]["file-mode"] for jobs in (1, 32)]
    tap.ok(told[0] == told[1] and len(set(told[0]["files"])) == len(told[0]["files"]) == 929,
           "6,500 files: each is seen once", len(told[0]["files"]))
    run = doctor(many, *none, "--fix=perms", "--yes")
    left = answers(many, *none)[0]["file-mode"]
    tap.ok(run.returncode == 0 and len(run.stdout.splitlines()) == 929 and left["result"] == "ok",
           "and set right once", run.stderr, left)

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
    os.symlink(queue, tmp + "/link")
    for name in (os.path.relpath(queue), tmp + "/link", queue + "/"):
        got = answers(name, "-C", good)[0]["cf-queue"]
        tap.ok(got["result"] == "ok", "it is the same queue by another name", name, got)
    os.mkdir(tmp + "/another", 0o700)
    got = answers(tmp + "/another", "-C", good)[0]["cf-queue"]
    tap.ok(got["result"] == "warn", "another one is another one", got)
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
    for lines, wanted in (("O PrivacyOptions=goaway\n", "warn"),
                          ("O PrivacyOptions=restrictmailq\nO PrivacyOptions=goaway\n", "ok")):
        got = answers(queue, "-C", conf(tmp, lines))[0]["cf-privacy"]
        tap.ok(got["result"] == wanted, "%r: %s" % (lines, wanted), got)

    # What runs beside, in an /etc of its own.
    for files, check, wanted in (
            ({}, "opendkim-trusted-hosts", "ok"),
            ({"opendkim/TrustedHosts": "127.0.0.1\n0.0.0.0/0\n"}, "opendkim-trusted-hosts", "fail"),
            ({"opendkim.conf": "InternalHosts refile:/etc/mine\n", "mine": "10.0.0.1\n"},
             "opendkim-trusted-hosts", "ok"),
            ({"opendkim.conf": "# x\nInternalHosts refile:/etc/mine\n", "mine": "::/0\n"},
             "opendkim-trusted-hosts", "fail"),
            ({"opendkim.conf": "ExternalIgnoreList 10.0.0.1, 0.0.0.0/0 # all\n"},
             "opendkim-trusted-hosts", "fail"),
            ({"opendkim.conf": "InternalHosts\tldap://x/y\n"}, "opendkim-trusted-hosts", "unknown"),
            ({"opendkim.conf": "InternalHosts /etc/none\n"}, "opendkim-trusted-hosts", "unknown"),
            ({"opendkim.conf": "Include /etc/other.conf\n", "other.conf": "InternalHosts 0.0.0.0/0\n"},
             "opendkim-trusted-hosts", "unknown"),
            ({"dovecot/dovecot.conf": "x = y\n"}, "dovecot-plaintext", "ok"),
            ({"dovecot/dovecot.conf": "disable_plaintext_auth = yes\n!include conf.d/*.conf\n",
              "dovecot/conf.d/10-auth.conf": "disable_plaintext_auth = no\n"}, "dovecot-plaintext", "fail"),
            ({"dovecot/dovecot.conf": "!include conf.d/*.conf\ndisable_plaintext_auth = yes\n",
              "dovecot/conf.d/10-auth.conf": "disable_plaintext_auth = no\n"}, "dovecot-plaintext", "ok"),
            ({"dovecot/dovecot.conf": "!include conf.d/*.conf\ndisable_plaintext_auth = no\n",
              "dovecot/conf.d/10-auth.conf": "disable_plaintext_auth = yes\n"}, "dovecot-plaintext", "fail"),
            ({"dovecot/dovecot.conf": "x = y\n",
              "dovecot/conf.d/10-auth.conf": "disable_plaintext_auth = no\n"}, "dovecot-plaintext", "ok"),
            ({"dovecot/dovecot.conf": "disable_plaintext_auth = $here\n"}, "dovecot-plaintext", "unknown"),
            ({"dovecot/dovecot.conf": "disable_plaintext_auth = yes\n!include_try local.conf\n",
              "dovecot/local.conf": "auth_allow_cleartext = yes\n"}, "dovecot-plaintext", "fail"),
            # What cannot be read (to root a link to itself) may say anything; what comes later counts.
            ({"dovecot/dovecot.conf": "!include conf.d/*.conf\n!include_try local.conf\n",
              "dovecot/conf.d/10-auth.conf": None}, "dovecot-plaintext", "unknown"),
            ({"dovecot/dovecot.conf": "!include conf.d/*.conf\n", "dovecot/conf.d": None},
             "dovecot-plaintext", "unknown"),
            ({"dovecot/dovecot.conf": "!include conf.d/*.conf\n!include_try local.conf\n",
              "dovecot/conf.d/10-auth.conf": None, "dovecot/local.conf": "disable_plaintext_auth = yes\n"}, "dovecot-plaintext", "ok"),
            ({"dovecot/dovecot.conf": "!include /etc/elsewhere.conf\n"}, "dovecot-plaintext", "unknown")):
        script = "mount -t tmpfs none /etc && "
        for name, text in files.items():
            script += "mkdir -p /etc/%s && " % os.path.dirname(name)
            script += ("ln -s %s /etc/%s && " % (os.path.basename(name), name) if text is None else
                       "printf '%%s' '%s' >/etc/%s && " % (text, name))
        run = subprocess.run(["unshare", "-m", "sh", "-c", script + "exec \"$0\" \"$@\"", harness.QF, "doctor",
                              "-Q", queue, *none, "--owner=root:0", "--format=json"], capture_output=True)
        if run.returncode > 2:
            tap.skip("%s: %s" % (check, sorted(files)), "no mount namespace here")
            continue
        told = {r["check"]: r for r in map(json.loads, run.stdout.splitlines())}[check]
        tap.ok(told["result"] == wanted, "%s: %s: %s" % (check, sorted(files), wanted), told, run.stderr)

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
