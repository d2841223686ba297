"""What tenants share of a tier, by the real scheduler: its turns, its limits, and the file that says them."""

import signal

import pytest
from fleet import Fleet
from services import wait_for


@pytest.fixture
def fleet(tmp_path, request):
    fleet = Fleet(tmp_path / "root", request.node.name[:40].replace("_", "-"))
    yield fleet
    fleet.close()


def waiting(producer):
    return producer.ask("tiers")["tiers"][0]["waiting"]


def test_a_tenant_with_much_does_not_keep_the_others_waiting(fleet):
    fleet.scheduler("one", "scheduler.lookahead_percent=0")
    gateway = fleet.producer("gateway")
    heavy = [gateway.submit(tier="small", tenant="heavy") for _ in range(40)]
    light = [gateway.submit(tier="small", tenant=f"light{n}") for n in range(3)]
    wait_for("all to wait", lambda: waiting(gateway) == 43)
    worker = fleet.worker(slots=1, echo=True)
    wait_for("all to run", lambda: len(worker.taken) == 43, 30)
    assert max(worker.taken.index(job) for job in light) < 8
    assert [job for job in worker.taken if job in heavy] == heavy, "its own in their order"


@pytest.mark.parametrize("role, most", [("gateway", 12), ("producer", 8)])
def test_the_weight_that_a_gateway_tells_counts_and_nobody_elses(fleet, role, most):
    fleet.scheduler("one", "scheduler.lookahead_percent=0")
    gateway, teller = fleet.producer("gateway"), fleet.producer(role)
    told = [teller.submit(tier="small", weight=3, **({"tenant": "a"} if role == "gateway" else {})) for _ in range(16)]
    other = [gateway.submit(tier="small", tenant="b") for _ in range(16)]
    wait_for("all to wait", lambda: waiting(gateway) == 32)
    worker = fleet.worker(slots=1, echo=True)
    wait_for("all to run", lambda: len(worker.taken) == 32, 30)
    assert abs(sum(job in told for job in worker.taken[:16]) - most) <= 1
    assert other


def test_limits_are_told_and_read_again(fleet):
    tenants = fleet.cluster.root / "tenants.ini"
    tenants.write_text("[tenant a]\nmax_queued = 2\n[tenant b]\nper_minute = 1\n")
    scheduler = fleet.scheduler()
    fleet.worker(slots=1).vanish()
    gateway = fleet.producer("gateway")

    def submit(tenant):
        return gateway.submit(tier="small", tenant=tenant)

    def refused(tenant):
        done = gateway.wait(submit(tenant))
        assert (done.state, done.headers["og-error"]) == ("busy", "limited")
        return done.json["error"]["message"]

    def read_again(text):
        tenants.write_text(text)
        scheduler.process.send_signal(signal.SIGHUP)

    for _ in range(4):  # two are placed: the slot of the worker that is gone, and a quarter more
        submit("a")
    wait_for("two to wait", lambda: waiting(gateway) == 2)
    assert refused("a").startswith("tenant a has 2 waiting, its limit; try in ")
    submit("b")
    assert refused("b") == "tenant b may submit 1 a minute; try in 60 s"
    read_again("[tenant a]\nweight = 0\n")
    wait_for("the mistake to be told", lambda: "tenants.ini:2: [tenant a] weight" in scheduler.log.read_text())
    assert "take its credentials away" in scheduler.log.read_text()
    assert refused("a").startswith("tenant a has 2 waiting"), "the old values stay"
    read_again("[tenant a]\nmax_queued = 10\n")
    wait_for("the file to be read", lambda: "the tenants were read" in scheduler.log.read_text())
    job = submit("a")
    wait_for("it to wait", lambda: gateway.ask("result", id=job) == {"state": "queued"})


def test_a_scheduler_does_not_start_with_a_mistake_in_its_tenants(fleet):
    (fleet.cluster.root / "tenants.ini").write_text("[tenant a]\nweight = -1\n")
    scheduler = fleet.scheduler(until=None)
    assert scheduler.process.wait(10) == 1
    assert "tenants.ini:2: [tenant a] weight" in scheduler.log.read_text()
    fleet.schedulers.remove(scheduler)


def test_a_new_leader_knows_the_lanes(fleet):
    one = fleet.scheduler("one", "scheduler.lookahead_percent=0")
    gateway = fleet.producer("gateway")
    jobs = [gateway.submit(tier="small", tenant="a") for _ in range(40)]
    wait_for("all to wait", lambda: waiting(gateway) == 40)
    lanes = {int(gateway.ask("job", id=job)["job"]["k"]) for job in jobs}
    assert lanes == {0, 1, 2, 3, 4, 5}, "the more wait before it, the further back"
    one.kill()
    fleet.schedulers.remove(one)
    fleet.scheduler("two", "scheduler.lookahead_percent=0")
    wait_for("it to know them", lambda: waiting(gateway) == 40)
    worker = fleet.worker(slots=1, echo=True)
    wait_for("all to run", lambda: len(worker.taken) >= 40, 30)
    assert sorted(worker.taken) == sorted(jobs)


def test_a_region_that_nobody_is_in(fleet):
    fleet.scheduler()
    fleet.worker(slots=1)
    producer = fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)

    def refused():
        try:
            done = producer.wait(producer.submit(tier="small", region="nowhere"), timeout=1)
        except TimeoutError:
            return False
        return done.state == "no_capacity" and "in region nowhere" in done.json["error"]["message"]

    wait_for("the leader to know who is there", refused)
