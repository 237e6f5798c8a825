"""Changes of a live queue by chance: hold, release, due, rm, edit and undo, of single messages and by filter, two at
once, killed anywhere, beside deliveries. However it goes: each message is in the queue whole, was delivered once, or
lies in a trash because it was removed; and is for whom it was, but for those who were struck."""
import collections
import os
import re

import chance

MESSAGES = 10
CONTROL = """V8
T%(created)d
K%(tried)d
N1
P30000
MDeferred: not now
Fbs
$_localhost [127.0.0.1]
$rESMTP
$shost
${daemon_flags}
S<a%(n)d@src.example>
%(recipients)sH??From: <a@src.example>
H??Subject: %(n)d
.
"""


class Changing(chance.Course):
    def __init__(self, top, seed, faults):
        super().__init__(top, seed, faults)
        self.layout = self.random.choice(["one", "one", "split", "many"])
        self.subs = {"one": [""], "split": ["qf", "df", "xf"], "many": ["q1", "q2"]}[self.layout]
        self.trash = os.path.join(self.top, "trash")
        for sub in [os.path.join("queue", sub) for sub in self.subs] + ["trash"]:
            os.makedirs(os.path.join(self.top, sub), 0o700)
        os.chmod(os.path.join(self.top, "queue"), 0o700)
        self.queue = os.path.join(self.top, "queue", "q*" if self.layout == "many" else "")
        self.bodies, self.recipients = [], []
        self.removed, self.struck = set(), set()  # as far as was tried
        for n in range(MESSAGES):
            self.put(n)

    def put(self, n):
        control, data = self.random.choice(self.places())
        id = "75RAAA%06d" % (100000 + n)
        self.bodies.append(b"this is message %d\n" % n * self.random.choice([1, 5, 3000]))
        self.recipients.append(["%s%d@dst.example" % (who, n) for who in "bcd"[:self.random.randint(1, 3)]])
        self.write(os.path.join(data, "df" + id), self.bodies[n])
        self.write(os.path.join(control, "qf" + id), (CONTROL % {
            "created": self.now - 7200, "tried": self.now - 300, "n": n,
            "recipients": "".join("RPFD:<%s>\n" % rcpt for rcpt in self.recipients[n])}).encode())

    def places(self):
        """(folder of control files, folder of their data files)"""
        base = os.path.join(self.top, "queue")
        if self.layout == "split":
            return [(os.path.join(base, "qf"), os.path.join(base, "df"))]
        return [(os.path.join(base, sub),) * 2 for sub in self.subs]

    def there(self):
        """(folder of its control file, of its data file, name)"""
        return [(control, data, name) for control, data in self.places() for name in sorted(os.listdir(control))
                if name[:2] in ("qf", "hf")]

    # ---------------------------------------------------------------- what is done

    def change(self):
        """A command, begun; half of them choose by a filter."""
        verb = self.random.choice(["hold", "hold", "release", "release", "due", "rm", "edit", "edit", "undo"])
        chosen = self.random.sample(range(MESSAGES), self.random.choice([1, 1, 2, 4]))
        if self.random.random() < .5:
            selection = ["75RAAA%06d" % (100000 + n) for n in chosen]
        else:
            selection = ["--yes", " or ".join("sender=a%d@src.example" % n for n in chosen)]
        options = {"hold": ["--reason=x"]}.get(verb, [])
        if verb == "rm":
            self.removed.update(chosen)
        if verb == "edit":
            who = self.random.choice("bcd")
            struck = {"%s%d@dst.example" % (who, n) for n in chosen}
            self.struck |= struck
            pattern = "rcpt:/^<?%s[0-9]+@/" % who
            options = self.random.choice([["--drop-rcpt=" + pattern],
                                          ["--rcpt=" + pattern, "--set-rcpt=new@dst.example"]])
        if verb in ("rm", "edit") and self.random.random() < .3:
            options = options + ["--trash=" + self.trash]
        return self.start(verb, "-C", "none", "-Q", self.queue, *options, *([] if verb == "undo" else selection),
                          kill=self.random.choice([0, 0, self.random.randint(1, 60)]))

    def serve(self):
        found = [place for place in self.there() if place[2][:2] == "qf"]
        for control, data, name in self.random.sample(found, min(1, len(found))):
            with open(os.path.join(control, name), encoding="latin-1") as f:
                if re.search(r"(?m)^q", f.read()):
                    continue  # to be held, as a runner sees
            held = self.deliver(os.path.join(control, name), os.path.join(data, "df" + name[2:]))
            if held:
                self.delivered.append(held)

    def step(self):
        processes = [self.change() for _ in range(self.random.choice([1, 1, 1, 2]))]
        if self.random.random() < .15:
            self.serve()
        for process in processes:
            self.end(process, statuses=(0, 1, 2, 66, 75, -9))

    # ---------------------------------------------------------------- the end

    def judge(self):
        place, owed, kept = collections.Counter(), {}, collections.Counter()
        for text, body in self.delivered:
            place[body] += 1
            owed[body] = text.decode("latin-1")
        for control, data, name in self.there():
            try:
                with open(os.path.join(data, "df" + name[2:]), "rb") as f:
                    body = f.read()
            except OSError as why:
                self.wrong.append("%s: %s" % (name, why))
                continue
            place[body] += 1
            with open(os.path.join(control, name), encoding="latin-1") as f:
                owed[body] = f.read()
        for folder, _, names in os.walk(self.top):
            for name in names if ".qf" in folder or folder.startswith(self.trash) else ():
                with open(os.path.join(folder, name), "rb") as f:
                    kept[f.read()] += 1
        for control, data in self.places():
            self.wrong += ["left: " + name for folder in {control, data} for name in os.listdir(folder)
                           if name[:2] not in ("qf", "hf", "df") and name != ".qf"]
        for n, body in enumerate(self.bodies):
            everyone = set(self.recipients[n])
            if place[body] > 1 or (not place[body] and not kept[body]):
                self.wrong.append("message %d is there %d times, and %d times in a trash" % (n, place[body], kept[body]))
            elif not place[body] and n not in self.removed and everyone - self.struck:
                self.wrong.append("message %d is not there any more" % n)
            elif place[body]:
                self.wrong += ["message %d is not for %s any more" % (n, rcpt) for rcpt in everyone - self.struck
                               if "<%s>" % rcpt not in owed[body]]


def course(top, seed, faults, steps):
    """What went wrong in it; and what was done."""
    changing = Changing(top, seed, faults)
    for _ in range(steps):
        changing.step()
    # The next change ends what was begun.
    for verb in (["hold", "--reason=x"], ["release"]):
        changing.end(changing.start(*verb, "-C", "none", "-Q", changing.queue, "--yes", "ALL"), statuses=(0, 1, 2))
    changing.judge()
    return changing.close()
