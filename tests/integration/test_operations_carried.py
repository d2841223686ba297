"""What a request asks of its engine travels with it: through a lane, another attempt, og.dead and back."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from services import wait_for

from fleet import Fleet

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def fleet(tmp_path):
    f = Fleet(tmp_path, "carried", "[scheduler]\nmax_attempts = 2\n")
    yield f
    f.close()


def carried(headers):
    return headers.get("og-operation"), headers.get("og-traceparent"), headers.get("og-tracestate"), headers["og-attempt"]


def test_the_operation_and_the_trace_of_a_job_stay_with_it(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    operator = fleet.producer("operator")
    operator.ask("pause", tier="small")
    job = producer.submit(tier="small", operation="embed", traceparent=TRACE, tracestate="a=b", progress=1)
    assert producer.wait(job, "placed").state == "queued"
    operator.ask("resume", tier="small")
    for attempt in (1, 2):
        assert carried(worker.headers(job)) == ("embed", TRACE, "a=b", attempt)
        worker.hand_back(job, "engine_cut")
    assert producer.wait(job).state == "dead"
    wait_for("the dead letter", lambda: fleet.depth("og.dead") == 1, 10)
    assert operator.ask("dead_requeue", id=job)["requeued"] == 1
    assert carried(worker.headers(job)) == ("embed", TRACE, "a=b", 21)
    worker.finish(job)


def test_many_texts_to_embed_are_not_judged_as_one_prompt(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(context=100), fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    long = b'{"input":["' + b"x" * 4000 + b'"]}'
    assert producer.wait(producer.submit(long, tier="small")).json["error"]["type"] == "too_large"
    job = producer.submit(long, tier="small", operation="embed")
    worker.holds(job)
    worker.finish(job)


def test_one_body_under_two_operations_is_two_requests(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    job = producer.submit(tier="small", explicit_id=1)
    worker.finish(job)
    producer.wait(job)
    again = fleet.producer()
    again.submit(job=job, tier="small", explicit_id=1, operation="count_tokens")
    assert again.wait(job, "result").json["error"]["message"] == "this request id is in use for another request"
