"""For whom a gateway asks, who waits for a job and who left it, and lists a page at a time (docs/PROTOCOL.md, RPC)."""

import uuid

from services import wait_for


def running(fleet, asks, job):
    wait_for("it to run", lambda: asks.ask("result", id=job) == {"state": "running"})


def test_a_gateway_asks_for_one_tenant(fleet):
    fleet.scheduler()
    worker, gateway, producer = fleet.worker(), fleet.producer("gateway"), fleet.producer()
    job = gateway.submit(tier="small", tenant="blue")
    running(fleet, gateway, job)
    for verb in ("job", "result", "wait", "attach", "cancel", "leave"):
        assert gateway.ask(verb, **{"id": job, "as": "red"})["error"]["type"] == "not_found", verb
    assert gateway.ask("result", **{"id": job, "as": "blue"}) == {"state": "running"}
    assert gateway.ask("jobs", **{"as": "red"}) == {"jobs": []}
    assert gateway.ask("jobs", **{"as": "red", "tenant": "blue"}) == {"jobs": []}
    assert [j["id"] for j in gateway.ask("jobs", **{"as": "blue"})["jobs"]] == [job]
    assert producer.ask("jobs", **{"as": "blue"})["error"]["type"] == "not_allowed"
    for wrong in ({"as": 7}, {"as": ""}, {"as": "x" * 200}, {"by": ""}, {"as": "blue", "by": "root"}):
        assert gateway.ask("jobs", **wrong)["error"]["type"] == "invalid_request", wrong
    worker.finish(job)
    wait_for("its end", lambda: gateway.ask("result", **{"id": job, "as": "blue"})["state"] == "done")
    assert gateway.ask("result", **{"id": job, "as": "red"})["error"]["type"] == "not_found"


def test_a_gateway_orders_for_an_administrator_alone(fleet):
    scheduler = fleet.scheduler()
    gateway, producer = fleet.producer("gateway"), fleet.producer()
    assert gateway.ask("pause", tier="small")["error"]["type"] == "not_allowed"
    assert producer.ask("pause", tier="small", by="root")["error"]["type"] == "not_allowed"
    assert gateway.ask("pause", tier="small", by="key 12") == {"tier": "Small-1B", "paused": True}
    assert gateway.ask("resume", tier="small", by="key 12")["paused"] is False
    assert 'verb=pause by="key 12"' in scheduler.log.read_text()


def test_who_leaves_last_cancels(fleet):
    fleet.scheduler()
    worker, first, second = fleet.worker(), fleet.producer("gateway"), fleet.producer("gateway")
    job = first.submit(tier="small", stream=1)
    running(fleet, first, job)
    assert second.ask("attach", id=job)["state"] == "running"
    assert first.ask("leave", id=job) == {"state": "running"}
    assert worker.cancels == []
    assert second.ask("leave", id=job) == {"state": "cancelling"}
    wait_for("the worker to be told", lambda: worker.cancels == [job])
    worker.finish(job, "cancelled", error="cancelled")
    assert second.ask("leave", id=str(uuid.uuid4()))["error"]["type"] == "not_found"
    wait_for("its record", lambda: first.ask("leave", id=job) == {"state": "cancelled"})


def test_one_that_comes_back_is_waited_for_again(fleet):
    fleet.scheduler()
    worker, first, second = fleet.worker(), fleet.producer("gateway"), fleet.producer("gateway")
    job = first.submit(tier="small", stream=1)
    running(fleet, first, job)
    second.ask("attach", id=job)
    first.ask("leave", id=job)
    first.ask("attach", id=job)
    assert second.ask("leave", id=job) == {"state": "running"}
    # A submitter whose queue has gone waits no more, and a detached job is nobody's to leave.
    detached = first.submit(tier="small", detach=1)
    running(fleet, second, detached)
    assert first.ask("leave", id=detached) == second.ask("leave", id=detached) == {"state": "running"}
    assert worker.cancels == []
    assert first.ask("leave", id=job) == {"state": "cancelling"}


def test_a_list_goes_on_where_the_page_before_ended(fleet):
    fleet.scheduler("one", "scheduler.lookahead_percent=0")
    worker, producer = fleet.worker(slots=1), fleet.producer()
    jobs = [producer.submit(tier="small") for _ in range(7)]
    worker.finish(worker.taken[0] if worker.taken else jobs[0])
    wait_for("their records", lambda: all(fleet.record(j) for j in jobs), 10)

    def pages(**filters):
        seen, before = [], {}
        while page := producer.ask("jobs", limit=2, **before, **filters)["jobs"]:
            seen += [j["id"] for j in page]
            before = {"before": {"accepted_ms": page[-1]["accepted_ms"], "id": page[-1]["id"]}}
        return seen

    assert sorted(pages()) == sorted(jobs)
    live = pages(state="queued")
    assert len(live) == len(set(live)) == 5 and set(live) < set(jobs)
    for wrong in ({}, 7, {"id": jobs[0]}, {"accepted_ms": 1}):
        assert producer.ask("jobs", before=wrong)["error"]["type"] == "invalid_request"
