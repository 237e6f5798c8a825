"""What tests of the qf program share: running it, the packed queues, and what a queue looks like.

See scripts/run-tests for the environment that tests find.
"""
import hashlib
import os
import subprocess
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.environ.get("QF_FIXTURES", os.path.dirname(HERE))
CORPUS = os.environ.get("QF_CORPUS", "")
if not os.path.isdir(CORPUS):
    CORPUS = os.path.join(FIXTURES, "queues")
QF = os.environ.get("QF", os.path.join(os.path.dirname(FIXTURES), "build/qf"))


def qf(*args, env=None, **options):
    """Run qf; subprocess.CompletedProcess with bytes. TZ is UTC where env does not say."""
    return subprocess.run([QF, *args], capture_output=True, timeout=120,
                          **({} if "input" in options else {"stdin": subprocess.DEVNULL}),
                          env={**os.environ, "TZ": "UTC", **(env or {})}, **options)


def confinement(pid):
    """{(NoNewPrivs, Seccomp)} of the threads of a running qf, as /proc tells; None where it could not
    confine itself, or this says nothing, because everything here is confined."""
    def of(status):
        lines = dict(line.split(":\t", 1) for line in status.read().splitlines() if ":\t" in line)
        return lines["NoNewPrivs"], lines["Seccomp"]
    with open("/proc/self/status") as own:
        if of(own)[1] != "0":
            return None
    said = qf("ls", "-v", "-C", "none", "-Q", "/").stderr
    if b"built with sanitizers" in said or b"the kernel has no" in said:
        return None
    seen = set()
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, thread)) as status:
            seen.add(of(status))
    return seen


def mailq(queue, config, verbose=False, which=(), env=None):
    """Standard output of qf ls in mailq's form. which: a filter."""
    form = "mailq-verbose" if verbose else "mailq"
    return qf("ls", "-C", config, "-Q", queue, "--format=" + form, *which, env=env).stdout


def scenarios():
    """Names of the packed queues."""
    return sorted(name for name in os.listdir(CORPUS)
                  if os.path.exists(os.path.join(CORPUS, name, "queue.tar.gz")))


def unpack(scenario, directory):
    """Unpack a packed queue and return the path of its top directory."""
    target = os.path.join(directory, scenario)
    os.makedirs(target)
    with tarfile.open(os.path.join(CORPUS, scenario, "queue.tar.gz")) as archive:
        top = archive.getnames()[0].split("/")[0]
    # tar itself: it sets owners, links and times below the second.
    subprocess.run(["tar", "-C", target, "--numeric-owner", "-xpzf",
                    os.path.join(CORPUS, scenario, "queue.tar.gz")], check=True)
    return os.path.join(target, top)


def patterns(scenario, top):
    """The queue of an unpacked scenario as QueueDirectory would say it, and further queue groups:
    lines of sendmail.cf."""
    if scenario.startswith("queue-groups"):
        return top + "/def*", "Qgold, P=%s/gold*\nQbulk, P=%s/bulk\n" % (top, top)
    if scenario == "multi-dir-symlinks":
        return top + "/links/q*", ""
    if scenario in ("multi-dir", "multi-dir-subdirs", "crash-subdirs"):
        return top + "/q*", ""
    if scenario == "subdirs":
        return top + "/", ""
    return top, ""


def snapshot(top, times=True):
    """Everything below a directory, and the directory itself, by name: what a stat says (access
    times left out), where a link leads, and the bytes."""
    found = {}
    for directory, _, names in os.walk(top):
        for path in [directory] + [os.path.join(directory, name) for name in names]:
            st = os.lstat(path)
            says = [st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_ino, st.st_size]
            if times:
                says += [st.st_mtime_ns, st.st_ctime_ns]
            if os.path.islink(path):
                says.append(os.readlink(path))
            elif os.path.isfile(path):
                with open(path, "rb") as f:
                    says.append(hashlib.sha256(f.read()).hexdigest())
            found[os.path.relpath(path, top)] = tuple(says)
    return found


def differences(before, after):
    """What changed between two snapshots, as text; empty where nothing did."""
    return "\n".join("%s: %s -> %s" % (name, before.get(name), after.get(name))
                     for name in sorted(before.keys() | after.keys())
                     if before.get(name) != after.get(name))
