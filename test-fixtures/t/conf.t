#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""Which queue is looked at, and where options come from: -Q, $QF_QUEUE, sendmail.cf, $QF_CONF."""
import json
import os
import shutil
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from acceptance import MadeQueue, NOW, fails, run, tap, temporary


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


def ids(*args, env=None, **options):
    done = run("ls", "--format=ids", *args, env=env, **options)
    return done.lines() if done.status == 0 else [str(done)]


def test_queues(tmp, a, b, c):
    """Every -Q; else $QF_QUEUE; else what the configuration names; else the default."""
    none = ("-C", "none")
    tap.ok(ids(*none, "-Q", a) == ["a"], "-Q DIRECTORY")
    tap.ok(ids(*none, "-Q" + a) == ["a"] and ids(*none, "--queue=" + a) == ["a"] and
           ids(*none, "--queue", a) == ["a"], "-QDIRECTORY, --queue=DIRECTORY, --queue DIRECTORY")
    tap.ok(ids(*none, "-Q", a, "-Q", b) == ["a", "b"] and
           ids(*none, "-Q", b, "-Q", a) == ["b", "a"],
           "-Q repeated: in the order given")
    tap.ok(ids(*none, "-Q", a + "/") == ["a"], "a slash at the end")
    tap.ok(sorted(ids(*none, "-Q", tmp + "/q/*")) == ["a", "b", "c"], "-Q 'DIRECTORY/*'")
    tap.ok(sorted(ids(*none, "-Q", tmp + "/q/ab*")) == ["a", "b"], "-Q 'DIRECTORY/ab*'")
    tap.ok(sorted(ids(*none, "-Q", tmp + "/q/ab*", "-Q", c)) == ["a", "b", "c"],
           "a pattern and a directory")
    tap.ok(ids(*none, "-Q", "ab1", cwd=tmp + "/q") == ["a"], "a relative path")
    tap.ok(ids(*none, "-Q", ".", cwd=a) == ["a"], "the directory one is in")
    tap.ok(ids(*none, env={"QF_QUEUE": a}) == ["a"], "$QF_QUEUE")
    tap.ok(ids(*none, env={"QF_QUEUE": b + ":" + a}) == ["b", "a"], "$QF_QUEUE: two, with a colon")
    tap.ok(ids(*none, env={"QF_QUEUE": ":" + b + "::" + a + ":"}) == ["b", "a"],
           "$QF_QUEUE: colons too many")
    tap.ok(sorted(ids(*none, env={"QF_QUEUE": tmp + "/q/ab*:" + c})) == ["a", "b", "c"],
           "$QF_QUEUE: a pattern")
    tap.ok(ids(*none, "-Q", b, env={"QF_QUEUE": a}) == ["b"], "-Q outweighs $QF_QUEUE")
    cf = write(tmp + "/queue.cf", "O QueueDirectory=%s\n" % c)
    tap.ok(ids("-C", cf) == ["c"], "the queue of -C FILE")
    tap.ok(ids("--config=" + cf) == ["c"], "the queue of --config=FILE")
    tap.ok(ids("-C", cf, env={"QF_QUEUE": a}) == ["a"], "$QF_QUEUE outweighs the configuration")
    tap.ok(ids("-C", cf, "-Q", b) == ["b"], "-Q outweighs the configuration")
    tap.ok(ids("-C", cf, env={"QF_QUEUE": ""}) == ["c"], "an empty $QF_QUEUE is none")
    groups = write(tmp + "/groups.cf", "O QueueDirectory=%s/q/ab*\nQslow, P=%s, I=15m\n" %
                   (tmp, c))
    tap.ok(sorted(ids("-C", groups)) == ["a", "b", "c"], "queue groups of the configuration")
    done = run("ls", *none, "-v", "-Q", a)
    tap.ok(b"onfined: " in done.err and b"no-sandbox" not in done.err,
           "-v tells how far the process is confined", done)
    done = run("ls", *none, "-v", "-Q", a, "--no-sandbox", "--format=ids")
    tap.ok(b"not confined: --no-sandbox" in done.err and done.lines() == ["a"], "--no-sandbox", done)
    own, to, db = (tmp + "/own" + name for name in ("", "-to", ".db"))
    shutil.copytree(a, own)
    os.mkdir(to, 0o700)
    for argv in (("shape",), ("show", "a"), ("orphans",), ("journal",), ("rm", "-n", "a"), ("metrics",),
                 ("salvage", "plan", "--from=" + own), ("salvage", "run", "--from=" + own, "--to=" + to),
                 ("salvage", "verify", "--from=" + own, "--to=" + to),
                 ("salvage", "export", "--from=" + to, "--to=" + own + ".tar"),
                 ("salvage", "import", own + ".tar", "--to=" + own),
                 ("audit", "index", "--db=" + db), ("audit", "search", "--db=" + db)):
        done = run(*argv, *none, "-v", env={"QF_QUEUE": own})
        tap.ok(b" confined: " in done.err or b"built with sanitizers" in done.err or
               b"the kernel has no" in done.err, "confined: qf " + " ".join(argv[:2]), done)
    done = run("ls", *none, "-v")
    tap.ok(b"/var/spool/mqueue" in done.err, "nothing said at all: /var/spool/mqueue", done)
    done = run("show", "-C", cf, "c")
    tap.ok(done.status == 0 and b"Message" in done.out, "show goes by the same rules", done)
    tap.ok(run("show", *none, "b", env={"QF_QUEUE": a + ":" + b}).status == 0, "show: $QF_QUEUE")


def test_configuration(tmp, a):
    """With -Q the time-outs and options of the configuration count, its directories do not."""
    cf = write(tmp + "/times.cf",
               "O QueueDirectory=/nonexistent\nO MinQueueAge=25m\nO Timeout.queuereturn=3d\n"
               "O Timeout.queuewarn=6h\nO Timeout.queuewarn.urgent=1h\n")

    def row(*args):
        done = run("ls", "-Q", a, "--now=@%d" % NOW, "--format=json", *args)
        return json.loads(done.out) if done.status == 0 else {"failed": str(done)}

    def at(when):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))

    # The message: created an hour ago, tried once ten minutes ago.
    got = row("-C", cf)
    tap.ok(got.get("due") == at(NOW - 600 + 1500) and
           got.get("bounce_at") == at(NOW - 3600 + 3 * 86400) and
           got.get("warn_at") == at(NOW - 3600 + 6 * 3600),
           "the time-outs of -C count with -Q", got)
    got = row("-C", "none")
    tap.ok(got.get("due") == at(NOW - 600) and got.get("bounce_at") == at(NOW - 3600 + 5 * 86400)
           and got.get("warn_at", 0) is None, "-C none: sendmail's own defaults", got)
    got = row("-C", cf, "--min-queue-age=1h", "--queue-return=1d12h", "--queue-warn=30m")
    tap.ok(got.get("due") == at(NOW - 600 + 3600) and
           got.get("bounce_at") == at(NOW - 3600 + 129600) and
           got.get("warn_at") == at(NOW - 3600 + 1800), "options override the configuration", got)
    got = row("-C", cf, "--queue-return=never", "--queue-warn=never", "--min-queue-age=0")
    tap.ok(got.get("due") == at(NOW - 600) and got.get("bounce_at", 0) is None and
           got.get("warn_at", 0) is None, "never, and 0", got)
    err = run("ls", "-v", "-Q", a, "-C", cf, "--queue-return=2d").err.decode()
    for pattern in (r"configuration: %s\n" % cf, r"MinQueueAge=25m \(line 2 of the configuration\)",
                    r"Timeout.queuereturn.normal=2d \(--queue-return\)",
                    r"Timeout.queuereturn.dsn=2d \(--queue-return\)",
                    r"Timeout.queuewarn.normal=6h \(line 4 of the configuration\)",
                    r"Timeout.queuewarn.urgent=1h \(line 5 of the configuration\)",
                    r"MaxQueueAge=0s \(sendmail's default\)", r"queue: %s\n" % a):
        tap.ok(re.search(pattern, err), "-v says what was used and where from: " + pattern, err)
    err = run("show", "-v", "-Q", a, "-C", cf, "a").err.decode()
    tap.ok("MinQueueAge=25m (line 2" in err, "show -v too", err)


def test_defaults(tmp, a, b):
    """/etc/qf.conf, or the file that $QF_CONF names."""
    def conf(text):
        return {"QF_CONF": write(tmp + "/qf.conf", text)}

    none = ("-C", "none")
    tap.ok(ids(*none, env=conf("[all]\nqueue = %s\n" % a)) == ["a"], "[all] queue")
    tap.ok(ids(env=conf("[all]\nqueue = %s\nconfig = none\n" % a)) == ["a"], "several options")
    tap.ok(ids(*none, env=conf("[ls]\nqueue=%s\n" % a)) == ["a"], "[ls] queue")
    tap.ok(ids(*none, "-Q", b, env=conf("[show]\nqueue=%s\n[all]\nqueue=/nonexistent\n" % a)) ==
           ["b"], "-Q replaces the queues of the file")
    tap.ok(ids(*none, env=conf("[all]\nqueue = %s\nqueue = %s\n" % (a, b))) == ["a", "b"],
           "queue twice: two queues")
    tap.ok(ids(*none, env=dict(conf("[all]\nqueue = /nonexistent\n"), QF_QUEUE=b)) == ["b"],
           "$QF_QUEUE outweighs the file")
    text = "# comment\n; comment\n\n  [all]  \n \t queue =  %s  \t\n[ls]\r\nlimit = 1\r\n" % a
    tap.ok(ids(*none, env=conf(text)) == ["a"], "comments, blanks, CR LF")
    done = run("ls", *none, "-Q", a, env=conf("[ls]\nformat = json\n"))
    tap.ok(done.out.startswith(b"{"), "[ls] format", done)
    done = run("ls", *none, "-Q", a, "--format=ids", env=conf("[ls]\nformat = json\n"))
    tap.ok(done.lines() == ["a"], "the command line outweighs the file", done)
    done = run("show", *none, "-Q", a, "a", env=conf("[ls]\nformat = csv\nlimit = 1\n"))
    tap.ok(done.status == 0 and done.out.startswith(b"Message"),
           "a section of another command does not count", done)
    done = run("show", *none, "-Q", a, "a", env=conf("[all]\nsort = -age\nredact = yes\n"))
    tap.ok(done.status == 0 and b"@redacted" in done.out,
           "[all]: what the command has not is left to those that have it", done)
    done = run("ls", *none, "-Q", a, env=conf("[all]\nredact = no\nmax-ops = 1000\njobs=2\n"))
    tap.ok(done.status == 0 and b"ann@src" in done.out, "yes and no", done)
    done = run("ls", *none, "-Q", a, env=conf("[all]\nnow = @%d\n[ls]\nformat = json\n" %
                                              (NOW + 5)))
    tap.ok(b'"age":3605,' in done.out, "[all] now", done)
    done = run("ls", *none, "-Q", a, "-Q", b, env=conf("[ls]\nsort = -id\nformat = ids\n"))
    tap.ok(done.lines() == ["b", "a"], "[ls] sort", done)
    done = run("ls", *none, "-Q", a, env=conf("[ls]\nsort = -age\nlimit = 1\ncolumns = id\n"))
    plain = run("ls", *none, "-Q", a, "--format=mailq",
                env=conf("[ls]\nsort = -age\nlimit = 1\ncolumns = id\n"))
    tap.ok(done.lines() == ["ID", "a"] and b"Total requests: 1" in plain.out,
           "what a format has no use for does not stop it", done, plain)
    tap.ok(run("--version", env=conf("nonsense")).status == 0, "qf --version reads no such file")

    for text, line, pattern in (
            ("[all]\nnonsense\n", 2, "not an option = value"),
            ("queue = x\n", 1, r"needs a \[command\] or \[all\]"),
            ("[all]\nbogus = 1\n", 2, "bogus: no such option"),
            ("[ls]\npart = qf\n", 2, "part: no such option"),
            ("[bogus]\n", 1, "no such command: bogus"),
            ("[all\n", 1, r"a section is"), ("[all] x\n", 1, r"a section is"),
            ("\n\n[ls]\nlimit = many\n", 4, "limit: --limit takes a number"),
            ("[ls]\nformat = xml\n", 2, "format: not a value"),
            ("[all]\nredact = perhaps\n", 2, "redact: takes yes or no"),
            ("[all]\nqueue-return = soon\n", 2, "queue-return: .*time span"),
            ("[all]\n = x\n", 2, "no such option")):
        fails(run("ls", *none, "-Q", a, env=conf(text)), 78, r"qf.conf:%d: .*%s" % (line, pattern),
              "an error in the file: %r" % text)
    fails(run("ls", *none, "-Q", a, env={"QF_CONF": tmp + "/none.conf"}), 78,
          "none.conf: .*No such file", "$QF_CONF names a file that is not there")
    fails(run("ls", *none, "-Q", a, env={"QF_CONF": tmp}), 78, "cannot read|directory",
          "$QF_CONF names a directory")
    done = run("ls", *none, "-Q", a, "--format=ids", env={"QF_CONF": ""})
    tap.ok(done.lines() == ["a"] or os.path.exists("/etc/qf.conf"), "an empty $QF_CONF is none",
           done)
    done = run("ls", *none, "-Q", a, "--format=ids",
               env=conf("[all]\n# " + "x" * 100000 + "\nqueue = " + "/y" * 1000 + "\n"))
    tap.ok(done.lines() == ["a"], "long lines", done)
    with open(tmp + "/binary.conf", "wb") as f:
        f.write(bytes(range(256)) * 10)
    fails(run("ls", *none, "-Q", a, env={"QF_CONF": tmp + "/binary.conf"}), 78,
          r"binary.conf:\d+: ", "a binary file")


def main():
    with temporary() as tmp:
        paths = {}
        for id, name in (("a", "ab1"), ("b", "ab2"), ("c", "z")):
            q = MadeQueue(tmp + "/q/" + name)
            q.add(id, tries=1, last_try=NOW - 600)
            paths[id] = q.path
        test_queues(tmp, **paths)
        test_configuration(tmp, paths["a"])
        test_defaults(tmp, paths["a"], paths["b"])
    tap.done()


main()
