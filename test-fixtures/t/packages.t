#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""make deb, make rpm: built, installed into an empty root, run from there; completion for zsh and fish;
the configuration file with every common option."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.environ.get("QF_FIXTURES", os.path.dirname(HERE))
TOP = os.path.dirname(FIXTURES)
sys.path.insert(0, os.path.join(FIXTURES, "lab"))
import harness
from tap import Tap

tap = Tap()
BUILD = os.environ.get("QF_BUILD", os.path.dirname(harness.QF))
WANTED = ["usr/bin/qf", "etc/qf.conf", "usr/include/libqf/qf.h", "usr/share/man/man1/qf.1",
          "usr/share/man/man5/qf.conf.5", "usr/share/man/man3/libqf.3",
          "usr/share/bash-completion/completions/qf", "usr/share/zsh/vendor-completions/_qf",
          "usr/share/fish/vendor_completions.d/qf.fish", "usr/share/doc/qfkit/runbooks.md",
          "usr/share/doc/qfkit/monitoring/metrics-rules.yml"]


def call(*args, **options):
    return subprocess.run(args, capture_output=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
                          **options)


def package(kind, tool, install):
    if not shutil.which(tool):
        tap.skip("make " + kind, "no " + tool)
        return
    tmp = tempfile.mkdtemp()
    os.chmod(tmp, 0o755)
    root = tmp + "/root"
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    # What was built is packed: nothing is compiled here, other tests run from it.
    run = call(os.path.join(TOP, "scripts", "stage"), BUILD, tmp + "/stage", kind, env=env)
    if tap.ok(run.returncode == 0, "staged for " + kind, run.stdout.decode(), run.stderr.decode()):
        run = call(os.path.join(TOP, "scripts", "package"), kind, tmp, tmp + "/stage", env=env)
        made = run.stdout.decode().split()
        if tap.ok(run.returncode == 0 and len(made) == 1 and os.path.exists(made[0]), kind + " is built",
                  run.stdout.decode(), run.stderr.decode()):
            run = install(root, made[0])
            missing = [p for p in WANTED if not os.path.exists(os.path.join(root, p))]
            tap.ok(run.returncode == 0 and not missing, kind + " is installed into an empty root", missing,
                   run.stdout.decode(), run.stderr.decode())
            run = call(root + "/usr/bin/qf", "--version")
            tap.ok(run.returncode == 0 and run.stdout == harness.qf("--version").stdout, "and runs from there", run)
            mode = os.stat(root + "/etc/qf.conf").st_mode & 0o7777
            tap.ok(mode == 0o644, "its configuration file is not for others to write", oct(mode))
    shutil.rmtree(tmp)


def install_deb(root, made):
    for name in ("info", "updates"):
        os.makedirs(root + "/var/lib/dpkg/" + name)
    open(root + "/var/lib/dpkg/status", "w").close()
    run = call("dpkg", "--root=" + root, "--force-depends", "--force-not-root", "--install", made)
    if run.returncode:
        return run
    return call("dpkg", "--root=" + root, "--verify", "qfkit")


def install_rpm(root, made):
    os.makedirs(root)
    run = call("rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--nodeps", "-i", made)
    if run.returncode:
        return run
    return call("rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--nodeps", "-V", "qfkit")


def completion():
    folder = TOP + "/scripts/completion"
    if shutil.which("fish"):
        def offered(line):
            run = call("fish", "-N", "-c", "source %s/qf.fish; complete -C '%s'" % (folder, line))
            return [l.split("\t")[0] for l in run.stdout.decode().splitlines()], run.stderr
        tap.ok(set(offered("qf sh")[0]) == {"show", "shape"}, "fish: commands", offered("qf sh"))
        tap.ok("--format=json" in offered("qf ls --format=js")[0] or "json" in offered("qf ls --format js")[0],
               "fish: values", offered("qf ls --format js"), offered("qf ls --format=js"))
        tap.ok("--no-sandbox" in offered("qf ls --no")[0], "fish: options", offered("qf ls --no"))
    else:
        tap.skip("completion for fish", "no fish")
    if shutil.which("zsh"):
        run = call("zsh", "-fc", "autoload -U compinit; compinit -D -u; fpath=(%s $fpath); "
                   "source %s/_qf 2>/dev/null; whence -w _qf" % (folder, folder))
        tap.ok(b"_qf: function" in run.stdout, "zsh: it loads", run.stdout, run.stderr)
        run = call("zsh", "-n", folder + "/_qf")
        tap.ok(run.returncode == 0 and not run.stderr, "zsh: it is well formed", run.stderr)
    else:
        tap.skip("completion for zsh", "no zsh")


def configuration():
    path = TOP + "/scripts/examples/qf.conf"
    with open(path, encoding="utf-8") as f:
        text = f.read()
    run = harness.qf("ls", "--help", env={"QF_CONF": path})
    tap.ok(run.returncode == 0, "qf.conf is read", run.stderr.decode())
    # With every line in force it is still understood, by each command.
    tmp = tempfile.mkdtemp()
    with open(tmp + "/all.conf", "w", encoding="utf-8") as f:
        f.write("".join(l[1:] if l.startswith("#") and " = " in l else l for l in text.splitlines(True)))
    for command in ("ls", "hold", "orphans", "doctor"):
        run = harness.qf(command, "--help", env={"QF_CONF": tmp + "/all.conf"})
        tap.ok(run.returncode == 0, "and with every line in force, by qf " + command, run.stderr.decode())
    shutil.rmtree(tmp)


def main():
    package("deb", "dpkg-deb", install_deb)
    package("rpm", "rpmbuild", install_rpm)
    completion()
    configuration()
    tap.done()


main()
