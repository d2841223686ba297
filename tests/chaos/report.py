"""What was done and what came of it, for people and as JSON."""

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

SHOWN = 6


@dataclass
class Line:
    number: int
    name: str
    verdict: str = "fails"
    seconds: float = 0
    did: list = field(default_factory=list)
    counts: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)
    checked: object = None
    logs: str = ""

    def take(self, r, checked):
        self.did, self.counts, self.checked = r.steps, r.counts, checked
        v = checked
        named = (("lost", v.lost), ("stuck", v.stuck), ("answered twice", v.answered_twice), ("a wrong end", v.wrong_end))
        self.problems = [*r.problems, *v.problems]
        self.problems += [f"{what}: {one}" for what, jobs in named for one in jobs]
        self.verdict = "fails" if self.problems else "holds"

    def skip(self, why):
        self.verdict, self.did = "skipped", [why]

    def break_off(self, r, what, trace):
        self.did, self.counts = (r.steps, r.counts) if r else ([], {})
        self.problems = [*(r.problems if r else []), f"it broke off: {what}", trace]

    def keep_logs(self, world):
        """Of a row that fails, where they can be read afterwards."""
        if not world:
            return
        self.logs = tempfile.mkdtemp(prefix=f"chaos-{self.number}-")
        for log in [*world.logs(), *world.folder.glob("runs-*.jsonl")]:
            shutil.copy(log, self.logs)
        Path(self.logs, "problems").write_text("\n".join(self.problems) + "\n")

    def as_json(self):
        v = self.checked
        checked = {}
        if v:
            checked = {"accepted": v.accepted, "ends": v.ends, "run_twice": v.run_twice, "run_again_after": v.explained}
            checked |= {"lost": len(v.lost), "answered_twice": len(v.answered_twice), "stuck": len(v.stuck)}
            checked |= {"wrong_end": len(v.wrong_end), "late_ends_dropped": v.late_ends}
        return {
            "name": self.name, "verdict": self.verdict, "seconds": self.seconds, "did": "; ".join(self.did),
            "counts": {**checked, **self.counts}, "problems": self.problems,
        }  # fmt: skip

    def __str__(self):
        j = self.as_json()
        said = ", ".join(f"{k} {v}" for k, v in j["counts"].items() if v not in ({}, []))
        lines = [f"{self.verdict:7} {self.number:2} {self.name} ({self.seconds} s)", f"           {j['did']}", f"           {said}"]
        lines += [f"         ! {p}" for p in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"         ! and {len(self.problems) - SHOWN} more")
        if self.logs:
            lines.append(f"           its logs: {self.logs}")
        return "\n".join(line for line in lines if line.strip())


class Report:
    def __init__(self, seed, mode):
        self.seed, self.mode, self.lines, self.problems, self.extra = seed, mode, [], [], {}

    def add(self, line):
        self.lines.append(line)

    def sum(self, name):
        return sum(line.as_json()["counts"].get(name, 0) for line in self.lines)

    def holds(self):
        return bool(self.lines) and not self.problems and all(line.verdict != "fails" for line in self.lines)

    def totals(self):
        return {name: self.sum(name) for name in ("accepted", "lost", "answered_twice", "run_twice", "stuck", "wrong_end")}

    def explained(self):
        all_ = {}
        for line in self.lines:
            for why, n in (line.checked.explained if line.checked else {}).items():
                all_[why] = all_.get(why, 0) + n
        return all_

    def json(self):
        faults = {}
        for line in self.lines:  # in a soak a fault comes again and again: the worst counts
            was = faults.get(str(line.number))
            if not was or line.verdict == "fails":
                faults[str(line.number)] = line.as_json()
        whole = {"seed": self.seed, "mode": self.mode, "holds": self.holds(), "faults": faults, **self.totals()}
        whole |= {"run_again_after": self.explained(), "problems": self.problems, **self.extra}
        return json.dumps(whole, indent=1)

    def __str__(self):
        verdicts = [line.verdict for line in self.lines]
        lines = [f"! {p}" for p in self.problems]
        lines.append(", ".join(f"{k} {v}" for k, v in self.totals().items()))
        if self.explained():
            lines.append("run again after: " + ", ".join(f"{k} {v}" for k, v in sorted(self.explained().items())))
        lines.append(
            f"chaos: seed {self.seed}: {verdicts.count('holds')} hold, {verdicts.count('fails')} fail, "
            f"{verdicts.count('skipped')} skipped" + ("" if self.holds() else " — NOT WELL")
        )
        return "\n".join(lines)
