"""The scheduler is killed at an exact step: taps on its ways to the broker and to Redis count what passes."""

import time

from rounds import row
from services import wait_for
from tap import amqp_frames, redis_commands

# On which way, which frame, and whether it still goes out.
STEPS = [
    (way, name, before)
    for way, name in (
        ("broker", "deliver"),  # a submit, a result or a head of a lane has come
        ("broker", "publish"),  # it is moved on
        ("broker", "body"),
        ("broker", "confirm"),  # between publish and confirm; between confirm and ack
        ("broker", "ack"),
        ("redis", "command"),  # around each call to Redis
        ("redis", "reply"),
    )
    for before in (True, False)
]


class Tapped:
    """A scheduler's settings and taps: whoever is killed starts with the same ones."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.taps = {"broker": world.tap(amqp_frames), "redis": world.tap(redis_commands, ("127.0.0.1", world.redis.port))}

    def start(self):
        self.world.scheduler(
            self.name,
            f"broker.endpoints=127.0.0.1:{self.taps['broker'].port}",
            f"redis.address=127.0.0.1:{self.taps['redis'].port}",
        )

    def kill(self):
        s = self.world.schedulers[self.name]
        if s.process.poll() is None:
            self.world.kill(s)


@row(3, "the scheduler is killed at every step, with a standby and without", quick=True, soak=True)
def killed_at_every_step(r):
    tapped = {name: Tapped(r.world, name) for name in r.world.schedulers}
    for name, t in tapped.items():
        r.world.event(f"{name} restarted")
        r.world.schedulers[name].stop()
        t.start()
    r.world.until_leader()
    steps = STEPS * r.pick(1, 2)
    r.rng.shuffle(steps)
    takeovers = []
    for i, (way, name, before) in enumerate(steps[: r.pick(4, len(steps))]):
        standby = i % 2 == 0
        takeovers.append(one_kill(r, tapped, way, name, before, standby))
    for name, t in tapped.items():
        s = r.world.schedulers[name]
        if s.process.poll() is None:
            s.stop()
        r.world.scheduler(name)
    r.world.until_leader()
    with_standby = [t for t in takeovers[::2] if t is not None]
    r.counts["kills"] = len(takeovers)
    r.counts["slowest_takeover_s"] = max(with_standby, default=None)
    r.hold(f"a takeover took {max(with_standby, default=0)} s", max(with_standby, default=0) <= 5)
    r.did(f"{len(takeovers)} kills, each just before or after a chosen frame: {', '.join(r.counts.pop('at', []))}")


def one_kill(r, tapped, way, name, before, standby):
    """Leader and standby (or nobody beside it); jobs; the kill; all of them end. How long nobody led."""
    leader = r.world.until_leader()
    t = tapped[leader.name]
    other = next(x for x in tapped if x != leader.name)
    if standby:
        if r.world.schedulers[other].process.poll() is not None:
            tapped[other].start()
        r.world.schedulers[other].until("standing by")
    else:
        tapped[other].kill()
    at = []

    def kill():
        at.append(time.monotonic())
        r.world.kill(leader, f"killed {'before' if before else 'after'} a {name}")

    n = r.rng.randrange(1, 4 if name in ("confirm", "ack") else 12)  # one of those may settle many
    t.taps[way].arm(name, n, before, kill)
    with r.load(count=12, rate=100, submitters=1):
        try:
            wait_for(f"{name} {n}", lambda: at and leader.process.poll() is not None, 10)
        except TimeoutError:  # so many did not pass: then it is killed at rest
            t.kill()
    if not standby:
        t.start()
    r.until("a leader", r.world.leader, 20)
    led = time.monotonic()
    r.counts.setdefault("at", []).append(f"{'before' if before else 'after'} {name} {n}{'' if standby else ' alone'}")
    r.until("the jobs to end", r.quiet, 30)
    r.loads[-1].stop()
    if standby:
        t.start()
    return round(led - at[0], 2) if at else None
