"""The broker goes, blocks, falls silent, and takes deliveries back."""

import contextlib
import signal
import time

from faults.workers import restart
from rounds import row
from world import HEARTBEAT_S, World

BUSY = 6  # og's exit status
NOTICED_S = 2 * HEARTBEAT_S + 2


@row(5, "the broker is restarted under load, TERM and KILL", quick=True, soak=True)
def restarted(r):
    numbers = [signal.SIGKILL] if r.quick else [signal.SIGTERM, signal.SIGKILL]
    for number in numbers:
        with r.load(rate=20):
            r.some_jobs(40)
            declare_last(r.world)
            with r.world.during(f"broker ended by {number.name}"):
                r.world.rabbit.end(number, 30)
            r.world.rabbit.start()
            began = time.monotonic()
            r.some_jobs(40, 60)
            r.counts[f"accepts_again_s_after_{number.name}"] = round(time.monotonic() - began, 1)
        r.until("all nodes to be heard", lambda: r.world.heard() == len(r.world.workers), 30)
    r.did(f"the broker ended by {', '.join(n.name for n in numbers)} under load, and started again")


def declare_last(world):
    """A quorum queue of one member that was the last to be declared may be left without a Raft leader by a SIGKILL within a second of it
    (rabbitmq-server issue 10070): a queue that nobody uses."""
    admin = world.cluster.connect(*world.cluster.credentials("admin"))
    admin.channel().queue_declare("last", durable=True, arguments={"x-queue-type": "quorum"})
    admin.close()


@contextlib.contextmanager
def alarm(world, kind):
    if kind == "memory":
        raised, cleared = "vm_memory_monitor:set_vm_memory_high_watermark(0.00001)", "vm_memory_monitor:set_vm_memory_high_watermark(0.4)"
    else:
        raised, cleared = "rabbit_disk_monitor:set_disk_free_limit(1000000000000000)", "rabbit_disk_monitor:set_disk_free_limit(200000000)"
    with world.during(f"broker had a {kind} alarm"):
        world.rabbit.ctl("eval", raised + ".")
    try:
        yield
    finally:
        world.rabbit.ctl("eval", cleared + ".")


@row(7, "memory and disk alarm, for half a minute each", soak=True)
def alarmed(r):
    """Nobody hangs and nobody is taken for lost; og says busy within its time; then all goes on by itself."""
    hold_s = r.pick(6, 30)
    for kind in ("memory", "disk"):
        with r.load(rate=20):
            r.some_jobs(40)
            with alarm(r.world, kind):
                end = time.monotonic() + hold_s
                began = time.monotonic()
                told = r.world.og("prompt", "x", "--connect-timeout", "2s")
                took = round(time.monotonic() - began, 2)
                r.counts[f"busy_s_under_{kind}_alarm"] = took
                r.hold(f"og said {told.returncode} {told.stderr[-200:]!r} after {took} s", told.returncode == BUSY and took < 10)
                while time.monotonic() < end:
                    time.sleep(0.2)
                heard = [w.status() for w in r.world.workers]
                r.hold("a program does not answer under an alarm", all(heard) and all(s.state() for s in r.world.schedulers.values()))
            r.counts[f"goes_on_s_after_{kind}_alarm"] = r.until("jobs to be accepted again", accepts_more(r), 30)
    r.did(f"a memory alarm and a disk alarm under load, of {hold_s} s each")


def accepts_more(r, n=20):
    goal = len(r.ledger.accepted()) + n
    return lambda: len(r.ledger.accepted()) >= goal


@row(8, "a black hole swallows packets without a word, also mid-frame", soak=True)
def black_hole(r):
    """The leader's way, then a worker's: noticed within two heartbeats and a little, replaced, and welcome when the way is back."""
    for mid_frame in (False, True):
        name, proxy = r.world.leader(), r.world.proxy()
        other = next(n for n in r.world.schedulers if n != name)
        r.world.event(f"{name} restarted")
        r.world.schedulers[name].stop()
        r.world.schedulers[other].until("leading, epoch")
        r.world.scheduler(name, f"broker.endpoints=127.0.0.1:{proxy.port}", until="standing by")
        r.world.event(f"{other} restarted")
        r.world.schedulers[other].stop()
        r.world.schedulers[name].until("leading, epoch")
        r.world.scheduler(other, until="standing by")
        with r.load(rate=15):
            r.some_jobs(15)
            swallow(r, proxy, mid_frame, name)
            r.counts[f"leader_replaced_s{'_mid_frame' * mid_frame}"] = r.until(
                "the other to lead", lambda o=other: r.world.schedulers[o].state().startswith("leading, epoch"), 15
            )
            r.some_jobs(15)
            state = r.world.schedulers[name].state()
            r.hold(f"{name} still says '{state}'", not state.startswith("leading"))
            with r.world.during(f"{name} came out of a black hole"):
                proxy.heal()
                proxy.cut()
            r.until(f"{name} to be back", lambda n=name: r.world.schedulers[n].state().startswith("standing by"), 20)
        r.world.event(f"{name} restarted")
        r.world.schedulers[name].stop()
        r.world.scheduler(name, until="standing by")
        worker_in_a_hole(r, mid_frame)
    r.did("the leader's way to the broker, then a worker's, swallowed everything: between frames, and in the middle of one")


def swallow(r, proxy, mid_frame, who):
    with r.world.during(f"{who} fell into a black hole"):
        if mid_frame:
            proxy.budget = r.rng.randrange(1, 60)
        else:
            proxy.swallow = True


def worker_in_a_hole(r, mid_frame):
    worker, proxy = r.world.workers[0], r.world.proxy()
    restart(r, worker, OG_BROKER=f"127.0.0.1:{proxy.port}")
    with r.load(rate=15):
        r.some_jobs(15)
        swallow(r, proxy, mid_frame, worker.key)
        took = r.until("the worker to notice", lambda: not (worker.status() or {"broker": {"connected": True}})["broker"]["connected"], 20)
        r.counts[f"worker_noticed_s{'_mid_frame' * mid_frame}"] = took
        r.hold(f"the worker noticed after {took} s", took is not None and took <= NOTICED_S)
        r.some_jobs(15)
        with r.world.during(f"{worker.key} came out of a black hole"):
            proxy.heal()
            proxy.cut()
        worker.wait_state("serving")
    restart(r, worker, OG_BROKER=None)


@row(9, "idle for longer than two heartbeats, then used", soak=True)
def idle(r):
    idle_s = 5 * HEARTBEAT_S
    time.sleep(idle_s)
    began = time.monotonic()
    with r.load(count=20, rate=200):
        pass
    r.until("all to end", lambda: not r.ledger.open() and len(r.ledger.accepted()) == 20, 10)
    r.counts["first_20_answers_s"] = round(time.monotonic() - began, 2)
    # A job that runs for longer than that without a word: og waits, and its connection lives.
    job = r.world.job(r.rng, headers_ms=5000)
    done = r.world.og("prompt", job.text, "--tier", job.headers["tier"])
    r.hold(f"og said {done.returncode} {done.stderr[-200:]!r}", done.returncode == 0)
    r.did(f"nothing for {idle_s} s, then 20 jobs at once, and one that says nothing for 5 s")


@contextlib.contextmanager
def impatient_broker(rabbit):
    """A consumer has 4 s for an ack. A channel takes its time-out when it opens, so this comes before everybody."""
    set_to = "application:set_env(rabbit, {}, {}), "
    rabbit.ctl("eval", set_to.format("consumer_timeout", 4000) + set_to.format("channel_tick_interval", 1000) + "ok.")
    try:
        with World(rabbit) as w:
            yield w
    finally:
        rabbit.ctl("eval", set_to.format("consumer_timeout", 14400000) + set_to.format("channel_tick_interval", 60000) + "ok.")


@row(12, "consumer_timeout passes", world=impatient_broker)
def consumer_timeout(r):
    """Jobs of 6 to 9 s on every slot, short ones beside them, and more in the lanes, which the leader holds unacked meanwhile."""
    slots = sum(w.slots for w in r.world.workers)
    long = r.load(count=slots, rate=100, tokens=60, pace_ms=150)
    with long:
        r.some_jobs(slots)
    with r.world.during("broker's consumer_timeout passed"):  # again and again: a channel that is closed takes the short ones with it
        with r.load(count=40, rate=20):
            r.until("the short ones to be accepted", accepts_more(r, 40), 30)
        r.until("all to end", r.quiet, 60)
    closed = sum(log.read_text(errors="replace").count("PRECONDITION_FAILED") for log in r.world.logs())
    r.counts["channels_closed"] = closed
    r.hold("no channel was closed: the fault did not happen", closed > 0)
    r.did(f"a broker whose consumers have 4 s for an ack: {slots} jobs of 9 s, and 40 that wait behind them")
