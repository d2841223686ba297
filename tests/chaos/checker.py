"""The one checker: whatever happened, each accepted job has exactly one end that its submitter can read, nothing is left anywhere, and
what was done twice can be explained."""

import json
import time
from dataclasses import dataclass, field

from load import TERMINAL, digest
from services import wait_for

SETTLE_S = 60
DEAD = ("og.dead", "og.dead.intake")


@dataclass
class Verdict:
    accepted: int = 0
    lost: list = field(default_factory=list)
    stuck: list = field(default_factory=list)
    answered_twice: list = field(default_factory=list)
    wrong_end: list = field(default_factory=list)
    run_twice: int = 0
    explained: dict = field(default_factory=dict)  # an event -> how many jobs ran again after it
    late_ends: int = 0  # a `done` that came after the first: the protocol has its reader drop it
    ends: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)


def settle(world, ledger, load, timeout=SETTLE_S):
    """Waits for the end of all that was accepted. What is still open then is asked for once more, on a new reply key."""
    try:
        wait_for("all to be confirmed", load.finished, timeout)
        wait_for("all to end", lambda: not ledger.open(), timeout)
    except TimeoutError:
        pass
    load.stop()


def check(world, ledger, settled_s=20):
    v = Verdict(accepted=len(ledger.accepted()))
    ask_for_the_rest(world, ledger, v)
    ends(ledger, v)
    compare_with_the_record(world, ledger, v)
    runs(world, ledger, v)
    queues(world, v, settled_s)
    v.problems += [f"a sanitizer spoke in {word}" for word in world.sanitizer_words()]
    v.problems += world.gone()
    return v


def ask_for_the_rest(world, ledger, v):
    """What nobody heard the end of may still be read; if not, it is stuck where the scheduler knows it, and else lost."""
    rest = ledger.open(left=True)
    if not rest:
        return
    asker = world.asker()
    for job in rest:
        answer = asker.ask("result", id=job.id)
        if answer.get("state") in TERMINAL and "result" in answer:
            end = answer["result"]
            if not job.left:
                v.problems.append(f"the end of {job.id} ({answer['state']}) was not told in {job.sessions} sessions: it had to be asked for")
            ledger.ended(job, "rpc", answer["state"], end.get("error", {}).get("type", ""), json.dumps(end).encode())
        elif answer.get("state"):
            v.stuck.append(f"{job.id} {job.headers} is {answer['state']} ({job.sessions} sessions, {world.runs().get(job.id, [])})")
        else:
            v.lost.append(f"{job.id} {job.headers} ({job.sessions} sessions, {world.runs().get(job.id, [])}): {answer}")
    asker.close()


def ends(ledger, v):
    for job in ledger.accepted():
        v.late_ends += sum(end.what == "done" for end in job.ends[1:])
        told = {(end.state, end.digest) for i, end in enumerate(job.ends) if i == 0 or end.what != "done"}
        if len(told) > 1:
            v.answered_twice.append(f"{job.id}: {[(e.what, e.state, e.error, e.digest) for e in job.ends]}")
        if job.ends:
            end = job.ends[0]
            v.ends[end.state] = v.ends.get(end.state, 0) + 1
            if end.state not in job.wants:
                v.wrong_end.append(f"{job.id} {end.state} {end.error} {end.body[:160]!r}, not {'/'.join(job.wants)}")


def compare_with_the_record(world, ledger, v):
    """What Redis has of a job, where it has it, is the end that its submitter read: state and text."""
    prefix, jobs = f"og:{world.cluster.name}:", [job for job in ledger.accepted() if job.ends]
    states = world.redis_values([f"HGET {prefix}job:{job.id} state" for job in jobs])
    results = world.redis_values([f"GET {prefix}result:{job.id}" for job in jobs])
    for job, state, result in zip(jobs, states, results):
        read = job.ends[0]
        if state in TERMINAL and (state != read.state or (result and digest(result) != read.digest)):
            v.answered_twice.append(f"{job.id}: read {read.state} {read.digest}, recorded {state} {digest(result)}")


def runs(world, ledger, v):
    """A job that ran again did so after something had happened to it, or because its prompt makes engines fail."""
    found, happened = world.runs(), world.happened()
    for job in ledger.accepted():
        mine = found.get(job.id, [])
        for at, _ in mine[1:]:
            why = why_again(happened, job, at)
            v.explained[why] = v.explained.get(why, 0) + 1
            if why == "?":
                v.problems.append(f"{job.id} ran again, and nothing had happened: {mine}")
        v.run_twice += len(mine) > 1


def why_again(happened, job, at):
    """What had happened to it last before that run began; "?" when nothing had."""
    if (b"fault=" in job.body or b"status=" in job.body) and b"fault=crash" not in job.body:
        return "its engine failed it"
    before = [what for since, until, what in happened if job.submitted <= until and since <= at]
    return before[-1].split(" ", 1)[1] if before else "?"


def queues(world, v, timeout):
    """At the end all are empty; dead letters are as many as there are dead ends."""
    end = time.monotonic() + timeout
    while True:
        rows = world.queues()
        left = {n: r for n, r in rows.items() if n not in DEAD and r[:2] != (0, 0)}
        dead = sum(sum(rows[n][:2]) for n in DEAD if n in rows)
        dead_ends = world.dead_letters + v.ends.get("dead", 0)
        if not left and dead == dead_ends:
            world.dead_letters = dead
            return
        if time.monotonic() > end:
            break
    for name, (ready, unacked, consumers) in left.items():
        owner = "" if consumers or not unacked else ", without an owner"
        v.problems.append(f"{name} has {ready} ready, {unacked} unacked, {consumers} consumers{owner}")
    if dead != dead_ends:
        v.problems.append(f"{dead} dead letters for {dead_ends} dead ends")
        world.dead_letters = dead
