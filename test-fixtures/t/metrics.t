#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf metrics: the figures against qf ls and qf orphans, the two formats, --output, --every, a queue that is not there."""
import json
import os
import re
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

NOW = 1795340000
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.e+]+)$')
tap = Tap()


def parse(text):
    """{(name, labels): value} of Prometheus text, and what is wrong with it."""
    figures, wrong, typed, last = {}, [], set(), None
    for line in text.splitlines():
        words = line.split(" ", 3)
        if line.startswith("# TYPE "):
            if words[2] in typed:
                wrong.append("TYPE twice: " + line)
            typed.add(words[2])
            last = words[2]
        elif not line.startswith("# HELP "):
            match = SAMPLE.match(line)
            base = re.sub("_(bucket|sum|count)$", "", match.group(1)) if match else None
            if not match or last not in (match.group(1), base):
                wrong.append(line)
                continue
            labels = tuple(sorted(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', match.group(2) or "")))
            if (match.group(1), labels) in figures:
                wrong.append("twice: " + line)
            figures[match.group(1), labels] = float(match.group(3))
    return figures, wrong


def get(figures, name, **labels):
    found = [v for (n, l), v in figures.items() if n == name and
             all((k, str(v)) in l for k, v in labels.items())]
    return found[0] if len(found) == 1 else found


def metrics(*options):
    return harness.qf("metrics", "-C", "none", "--now=@%d" % NOW, *options)


def against_ls(directory, scenario):
    queue = harness.unpack(scenario, directory)
    run = metrics("-Q", queue)
    figures, wrong = parse(run.stdout.decode())
    tap.ok(run.returncode in (0, 2) and not wrong, scenario + ": text as Prometheus reads it", run.stderr,
           *wrong)
    rows = [json.loads(line) for line in
            harness.qf("ls", "-C", "none", "--now=@%d" % NOW, "-Q", queue, "--format=json")
            .stdout.splitlines()]
    states = {s: sum(r["state"] == s for r in rows) for s in ("queued", "held", "lost", "incomplete")}
    tap.ok(states == {s: get(figures, "qf_messages", state=s) for s in states},
           scenario + ": messages by state", states)
    wanted = {
        "qf_up": 1,
        "qf_messages_due": sum(r["due"] is not None and r["due"] <= "2026-11-22T09:33:20Z" for r in rows),
        "qf_messages_warned": sum("warned" in r["flags"] for r in rows),
        "qf_oldest_message_age_seconds": max(r["age"] or 0 for r in rows),
        "qf_message_tries_sum": sum(max(r["tries"] or 0, 0) for r in rows),
        "qf_message_age_seconds_count": sum(r["age"] is not None for r in rows),
        "qf_message_tries_count": len(rows),
        "qf_scan_errors": 0,
    }
    got = {name: get(figures, name) for name in wanted}
    tap.ok(got == wanted, scenario + ": figures as qf ls gives them", got, wanted)
    sizes = sum(os.path.getsize(os.path.join(queue, "df" + r["id"])) for r in rows
                if os.path.exists(os.path.join(queue, "df" + r["id"])))
    tap.ok(get(figures, "qf_queue_bytes", part="data") == sizes, scenario + ": bytes of data files")
    buckets = [get(figures, "qf_message_age_seconds_bucket", le=le)
               for le in (300, 900, 3600, 14400, 43200, 86400, 172800, 345600, 432000, 604800, "+Inf")]
    tap.ok(buckets == sorted(buckets) and buckets[-1] == wanted["qf_message_age_seconds_count"] and
           buckets[2] == sum(r["age"] is not None and r["age"] <= 3600 for r in rows), scenario + ": ages add up", buckets)
    orphans = json.loads(harness.qf("orphans", "-C", "none", "--now=@%d" % NOW, "-Q", queue,
                                    "--format=json").stdout.splitlines()[-1])
    told = {v: orphans["verdicts"][v] for v in orphans["verdicts"] if v != "live"}
    tap.ok(told == {v: get(figures, "qf_orphan_files", verdict=v) for v in told},
           scenario + ": orphans as qf orphans counts them", told, run.stdout.decode()[-1500:])
    return queue


def not_for_all(directory):
    """What may not be read is no figure of zero."""
    if os.geteuid() != 0:
        tap.skip("messages that may not be read", "run as root, to become nobody")
        return
    queue = harness.unpack("plain-deferred", directory)
    controls = sorted(n for n in os.listdir(queue) if n.startswith("qf"))
    for name in os.listdir(queue):
        os.chmod(os.path.join(queue, name), 0o644 if name in controls[:3] else 0o600)
    program = os.path.join(directory, "qf-of-nobody")
    shutil.copy(harness.QF, program)
    for folder in (directory, os.path.dirname(queue), queue):
        os.chmod(folder, 0o755)

    def nobody(*options):
        # By names that need nothing of the folders above.
        return subprocess.run(["./qf-of-nobody", "metrics", "-C", "none", "--now=@%d" % NOW, "-Q",
                               os.path.relpath(queue, directory), *options], cwd=directory,
                              user=65534, group=65534, extra_groups=[], capture_output=True)

    run = nobody()
    figures, wrong = parse(run.stdout.decode())
    states = {dict(l)["state"]: v for (n, l), v in figures.items() if n == "qf_messages"}
    tap.ok(run.returncode == 2 and not wrong and states == {"queued": 3, "unreadable": len(controls) - 3},
           "unreadable messages have a state of their own, and no other is zero", states, run.stderr[:300])
    got = {n: get(figures, n) for n in ("qf_message_age_seconds_count", "qf_message_tries_count",
                                        "qf_messages_due", "qf_scan_errors")}
    tap.ok(got == {"qf_message_age_seconds_count": 3, "qf_message_tries_count": 3, "qf_messages_due": 3,
                   "qf_scan_errors": len(controls) - 3}, "ages and tries are of those that were read", got)
    absent = {n for n, _ in figures} & {"qf_messages_busy", "qf_messages_warned", "qf_orphan_files"}
    tap.ok(not absent and not [l for (n, l) in figures if ("domain", "(none)") in l],
           "what is known of none, or not of all, is absent", absent)
    values = json.loads(nobody("--format=emf").stdout)
    tap.ok((values["qf_messages_queued"], values["qf_messages_unreadable"]) == (3, len(controls) - 3) and
           not [n for n in values if n.startswith(("qf_orphan", "qf_messages_busy", "qf_messages_lost"))],
           "embedded metric format: the same", values)
    shutil.rmtree(os.path.dirname(queue))


def confined_rounds(tmp, queue, out):
    """Confined from the first round on, each round opens anew what there is then, and looks up users."""
    cf = os.path.join(tmp, "rounds.cf")
    with open(cf, "w", encoding="ascii") as f:
        f.write("O QueueDirectory=%s\nO TrustedUser=daemon\n" % queue)
    job = subprocess.Popen([harness.QF, "metrics", "-C", cf, "--every=1s", "--no-orphans", "--output=" + out],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first = json.loads(job.stdout.readline())
    confined = harness.confinement(job.pid)
    os.rename(queue, queue + ".old")
    shutil.copytree(queue + ".old", queue)
    os.unlink(os.path.join(queue, min(n for n in os.listdir(queue) if n.startswith("qf"))))
    left = sum(n.startswith("qf") for n in os.listdir(queue))
    seen = None
    for _ in range(10):
        second = json.loads(job.stdout.readline())
        with open(out, encoding="utf-8") as f:
            seen = get(parse(f.read())[0], "qf_message_tries_count")
        if seen == left:
            break
    job.send_signal(signal.SIGTERM)
    errors = job.communicate(timeout=20)[1]
    tap.ok(confined in (None, {("1", "2")}), "--every: confined", confined)
    tap.ok(first["status"] == 0 and second["status"] == 0 and seen == left and not errors,
           "and sees the queue that took the place of the first", first, second, seen, left, errors)


def main():
    tmp = tempfile.mkdtemp()
    not_for_all(tmp)
    queue = against_ls(tmp, "mixed-rcpts-1")
    for scenario in ("quarantine-cmd", "crash-delivery-syscall", "bounces"):
        against_ls(tmp, scenario)

    domains = [l for l in metrics("-Q", queue, "--no-orphans", "--top=2").stdout.decode().splitlines()
               if l.startswith("qf_domain_messages{")]
    tap.ok(len(domains) == 3 and '"(other)"' in domains[-1], "--top bounds the domains", domains)
    text = metrics("-Q", queue, "--no-orphans", "--redact").stdout.decode()
    tap.ok("example" not in text, "--redact: no domains")
    tap.ok("qf_orphan_files{" not in text, "what was not looked for is absent, not zero")

    # A domain that would break the text.
    with open(os.path.join(queue, "qfHOSTILE"), "wb") as f:
        f.write(b"V8\nT%d\nK0\nN0\nP1\nS<a@b.example>\nRPFD:<x@\"}\\ 1\x1b[2J\xff.example>\n.\n" % NOW)
    os.chmod(os.path.join(queue, "qfHOSTILE"), 0o600)
    run = metrics("-Q", queue, "--no-orphans", "--top=100")
    figures, wrong = parse(run.stdout.decode())
    tap.ok(not wrong and b"\x1b" not in run.stdout, "a hostile domain stays inside its label", wrong)
    os.unlink(os.path.join(queue, "qfHOSTILE"))

    lines = [json.loads(l) for l in metrics("-Q", queue, "--format=emf").stdout.splitlines()]
    tap.ok(len(lines) == 1 and lines[0]["queue"] == queue and
           lines[0]["_aws"]["Timestamp"] == NOW * 1000 and
           all(m["Name"] in lines[0] for m in lines[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"]) and
           lines[0]["qf_messages_queued"] == 10, "embedded metric format", lines)

    out = os.path.join(tmp, "qf.prom")
    run = metrics("-Q", queue, "--output=" + out)
    tap.ok(run.returncode == 0 and not run.stdout and os.listdir(tmp).count("qf.prom") == 1 and
           not [n for n in os.listdir(tmp) if n.startswith("qf.prom") and n != "qf.prom"],
           "--output: the file, and no other", run.stderr, os.listdir(tmp))
    with open(out, encoding="utf-8") as f:
        tap.ok(get(parse(f.read())[0], "qf_last_success_timestamp_seconds") == NOW, "is whole")

    run = metrics("-Q", tmp + "/nowhere")
    tap.ok(run.returncode == 66 and not run.stdout, "a queue that is not there: status 66, no figures",
           run.stderr)
    job = subprocess.Popen([harness.QF, "metrics", "-C", "none", "-Q", tmp + "/nowhere", "--every=1s",
                            "--no-orphans", "--output=" + out], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL)
    line = json.loads(job.stdout.readline())
    with open(out, encoding="utf-8") as f:
        figures, wrong = parse(f.read())
    tap.ok(line["schema"] == "qf.round/1" and line["status"] == 66 and not wrong and
           get(figures, "qf_up") == 0 and not get(figures, "qf_messages_due"),
           "--every: qf_up 0 and nothing else of it", line, figures)
    os.rename(queue, tmp + "/nowhere")
    while json.loads(job.stdout.readline())["status"]:
        pass
    with open(out, encoding="utf-8") as f:
        tap.ok(get(parse(f.read())[0], "qf_up") == 1, "and up again once it is there")
    job.send_signal(signal.SIGTERM)
    tap.ok(job.wait(5) == 0, "SIGTERM ends it well")
    confined_rounds(tmp, tmp + "/nowhere", out)
    for options in (["--every=1s"], ["--format=json"], ["what"]):
        run = metrics("-Q", tmp, *options)
        tap.ok(run.returncode == 64 and not run.stdout, "refused: %s" % options, run.stderr)
    shutil.rmtree(tmp)
    tap.done()


main()
