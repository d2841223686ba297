"""Submitters that vanish: their jobs are cancelled after a grace, unless somebody else wants them (docs/SCHEDULER.md)."""

import time

from services import wait_for

GRACE = "scheduler.orphan_grace=2s"


def vanish(producer):
    """As a killed process."""
    producer.stopping = True
    producer.join()
    producer.connection.close()


def test_waiting_and_running_jobs_are_cancelled(fleet):
    scheduler = fleet.scheduler("one", "scheduler.lookahead_percent=0", GRACE)
    worker, gone, stays, asks = fleet.worker(slots=1), fleet.producer(), fleet.producer(), fleet.producer()
    wait_for("the worker", lambda: asks.ask("tiers")["tiers"][0]["workers"] == 1)
    running = gone.submit(tier="small")
    worker.holds(running)
    waiting, detached = gone.submit(tier="small"), gone.submit(tier="small", detach=1)
    others = stays.submit(tier="small")
    wait_for("all to wait", lambda: asks.ask("status")["scheduler"]["waiting"] == 3)
    began = time.monotonic()
    vanish(gone)
    wait_for("a cancel to the worker", lambda: worker.cancels == [running], 20)
    assert time.monotonic() - began > 2, "it has its grace"
    wait_for("its record", lambda: fleet.record(waiting).get("state") == "cancelled")
    assert asks.ask("result", id=waiting)["result"]["error"] == {"type": "cancelled", "message": "its submitter is gone"}
    worker.finish(running, "cancelled", error="cancelled")
    wait_for("its record", lambda: fleet.record(running).get("state") == "cancelled")
    history = asks.ask("job", id=running)["job"]["history"]
    assert ("cancelling", "its submitter is gone") in [(e["what"], e.get("words")) for e in history]
    for job in (detached, others):
        worker.finish(job)
    assert stays.wait(others).state == "done"
    wait_for("the detached one", lambda: asks.ask("result", id=detached)["state"] == "done")
    assert worker.taken == [running, detached, others]
    assert scheduler.status()["process"]["orphans"] == 2
    # Who is there is asked, and needs not answer.
    assert any(m.what == "ping" and m.type == "ping" for m in stays.messages)


def test_those_whom_somebody_else_wants_live(fleet):
    fleet.scheduler("one", "scheduler.lookahead_percent=0", GRACE)
    worker, gone, asks = fleet.worker(slots=1), fleet.producer(), fleet.producer()
    wait_for("the worker", lambda: asks.ask("tiers")["tiers"][0]["workers"] == 1)
    busy = asks.submit(tier="small")
    worker.holds(busy)
    attached, waited, again, dropped = (gone.submit(tier="small") for _ in range(4))
    wait_for("all to wait", lambda: asks.ask("status")["scheduler"]["waiting"] == 4)
    vanish(gone)
    heirs = [fleet.producer() for _ in range(3)]
    heirs[0].ask("attach", id=attached)
    question = heirs[1].ask("wait", wait=False, id=waited)
    heirs[2].submit(job=again, tier="small")
    wait_for("the one that nobody wants", lambda: fleet.record(dropped).get("state") == "cancelled", 20)
    time.sleep(1.1)  # all of them were looked at by then
    for job in (busy, attached, waited, again):
        worker.finish(job)
    assert heirs[0].wait(attached).state == "done" and heirs[2].wait(again).state == "done"
    assert heirs[1].wait(question, "rpc").json["state"] == "done"
    # An heir that goes too leaves an orphan.
    last = heirs[0].submit(tier="small")
    worker.holds(last)
    heirs[1].ask("attach", id=last)
    vanish(heirs[0])
    vanish(heirs[1])
    wait_for("a cancel to the worker", lambda: worker.cancels == [last], 20)
