"""Files that belong to no whole message, by chance, dealt with by qf orphans --fix while it is killed anywhere,
undone, and done twice at once, beside deliveries. However it goes: no body is lost, none is sent twice, and a
whole message stays where it is."""
import collections
import os
import shutil
import time

import chance

MESSAGES = 14


def control(n, rcpt="b", held=False, sender=True, created=0):
    return ("V8\nT%d\nK%d\nN1\nP30000\n%sMDeferred: not now\nFs\n$_localhost [127.0.0.1]\n$rESMTP\n$shost\n"
            "${daemon_flags}\n%s%sH??From: <a@src.example>\nH??Subject: %d\n.\n" % (
                created, created + 200, "qheld\n" if held else "", "S<a%d@src.example>\n" % n if sender else "",
                "RPFD:<%s%d@dst.example>\n" % (rcpt, n) if rcpt else "", n)).encode()


class Debris(chance.Course):
    def __init__(self, top, seed, faults):
        super().__init__(top, seed, faults)
        self.split = self.random.random() < .3
        for sub in ("qf", "df", "xf") if self.split else ("",):
            os.makedirs(os.path.join(self.top, sub), 0o700)
        os.chmod(self.top, 0o700)
        self.bodies, self.kinds = {}, {}
        for n in range(MESSAGES):
            self.make(n)

    # ---------------------------------------------------------------- what lies there

    def path(self, name):
        sub = {"df": "df", "xf": "xf"}.get(name[:2], "qf") if self.split else ""
        return os.path.join(self.top, sub, name)

    def make(self, n):
        id, other = "75RAAA%06d" % (100000 + n), "75RAAA%06d" % (300000 + n)
        usual = control(n, created=self.now - 7200)
        held = control(n, held=True, created=self.now - 7200)
        body = b"this is message %d\n" % n * self.random.choice([1, 5, 3000])
        age = self.random.choice([7200, 200000])
        # Files by their prefix; without "df" the message has no body.
        kinds = {
            "whole": {"qf": usual, "df": body}, "held": {"hf": held, "df": body}, "df-alone": {"df": body},
            "qf-alone": {"qf": usual}, "hf-alone": {"hf": held}, "qf-empty": {"qf": b"", "df": body},
            "qf-cut": {"qf": usual[:self.random.randrange(20, len(usual) - 1)], "df": body},
            "no-sender": {"qf": control(n, sender=False), "df": body},
            "no-rcpt": {"qf": control(n, rcpt="", created=self.now - 7200), "df": body},
            "bogus": {"qf": usual.replace(b"Fs\n", b"Zbogus\n"), "df": body},
            "unsafe": {"qf": usual, "df": body},
            "tf-newer": {"qf": usual, "df": body, "tf": control(n, "c", created=self.now - 7200)},
            "tf-short": {"qf": usual, "df": body, "tf": usual[:60]}, "tf-alone": {"df": body, "tf": usual},
            "tf-short-alone": {"df": body, "tf": usual[:60]}, "tf-aside": {"Tf": usual}, "xf-left": {"xf": b"250 ok\n"},
            "lost": {"Qf": usual, "df": body}, "lost-unread": {"Qf": b"\xff garbage\n" + usual, "df": body},
            "qf-and-hf": {"qf": usual, "hf": held, "df": body}, "placeholder": {"qf": usual, "df": b"\n"},
            "copy": {"qf": usual, "df": body}, "linked": {"qf": usual, "df": body},
            "sibling": {"qf": usual, "df": body}, "link": {},
        }
        self.kinds[n] = kind = self.random.choice(["whole"] * 4 + list(kinds))
        for prefix, content in kinds[kind].items():
            self.write(self.path(prefix + id), content, age - {"tf": 10, "hf": 5}.get(prefix, 0),
                       0o666 if kind == "unsafe" and prefix == "qf" else 0o600)
        if kinds[kind].get("df") == body:
            self.bodies[n] = body
        if kind == "copy":
            shutil.copy2(self.path("qf" + id), self.path("qf" + id) + ".bak")
        elif kind in ("linked", "sibling"):
            prefix = "qf" if kind == "linked" else "df"
            os.link(self.path(prefix + id), self.path(prefix + other))
        elif kind == "link":
            os.symlink("/etc/passwd", self.path("qf" + id))

    # ---------------------------------------------------------------- what is done

    def serve(self, most):
        """Not where a tf is in the way."""
        found = [n for n, kind in self.kinds.items() if kind in ("whole", "tf-newer", "df-alone")]
        for n in self.random.sample(found, min(most, len(found))):
            id = "75RAAA%06d" % (100000 + n)
            held = not os.path.exists(self.path("tf" + id)) and self.deliver(self.path("qf" + id), self.path("df" + id))
            if held:
                self.delivered.append(held[1])

    def fix(self, fixes, kill=0):
        return self.start("orphans", "-C", "none", "-Q", self.top, "--deep", "--grace=0", "--fix=" + fixes, "--yes",
                          *self.random.choice([[], ["--release"]]), kill=kill)

    def step(self):
        fixes = self.random.choice(["all", "all", "clean", "recover", "rescue", "guard", "recover,clean"])
        process = self.fix(fixes, kill=self.random.choice([0, 0, self.random.randint(1, 200)]))
        if self.random.random() < .6:
            time.sleep(self.random.random() * 1.5)
            self.serve(2)
        if self.random.random() < .2:
            self.end(self.fix("all"))
        self.end(process)
        if self.random.random() < .3:
            self.serve(3)
        if self.random.random() < .2:
            self.end(self.start("undo", "-C", "none", "-Q", self.top), statuses=(0, 1, 2, 66, 75))

    # ---------------------------------------------------------------- the end

    def judge(self):
        there, sent = collections.Counter(self.delivered), collections.Counter(self.delivered)
        seen = set()
        for folder, _, names in os.walk(self.top):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    continue
                with open(path, "rb") as f:
                    content = f.read()
                # Lost and found, and the trash, keep it as it was, or in a message to read.
                there.update(body for body in self.bodies.values() if body in content.replace(b"\r\n", b"\n"))
                inode = os.stat(path).st_ino
                if "/.qf" not in folder and name[:2] == "df" and inode not in seen and any(
                        os.path.exists(self.path(prefix + name[2:])) for prefix in ("qf", "hf")):
                    seen.add(inode)
                    sent[content] += 1
        for n, body in self.bodies.items():
            what = "message %d (%s)" % (n, self.kinds[n])
            if not there[body]:
                self.wrong.append(what + " is nowhere")
            if sent[body] > 1:
                self.wrong.append("%s is there %d times" % (what, sent[body]))
            if self.kinds[n] in ("whole", "held", "unsafe") and sent[body] != 1:
                self.wrong.append(what + " is not in the queue")


def course(top, seed, faults, steps):
    """What went wrong in it; and what was done."""
    debris = Debris(top, seed, faults)
    for _ in range(steps):
        debris.step()
    debris.end(debris.fix("all"))
    debris.judge()
    return debris.close()
