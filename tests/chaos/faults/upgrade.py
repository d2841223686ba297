"""Old and new programs side by side."""

import fleet
from rounds import row
from world import TIER


@row(18, "a rolling upgrade with a backlog: old and new minor versions side by side", soak=True)
def upgrade(r):
    """A worker of 1.0, which knows nothing of hand-backs, suspects or attach, serves beside three of today; producers speak 1.0 and 1.9,
    the latter with headers that nobody knows. Then the old one leaves."""
    old = fleet.Worker(r.world.cluster, "Old", TIER, 2, echo=True)
    r.world.clients.append(old)
    r.until("the old one to be heard", lambda: r.world.heard() == len(r.world.workers) + 1, 15)
    loads = [
        r.load(count=60, rate=60, headers={"version": "1.0"}),
        r.load(count=60, rate=60, headers={"version": "1.9", "strange": "x", "og2": 7, "session": "s"}),
    ]
    with loads[0], loads[1]:
        r.until("the backlog", lambda: all(load.finished() for load in loads), 30)
    r.until("all to end", r.quiet, 60)
    r.counts["by_the_old"] = len(set(old.taken))
    r.hold("the old worker did nothing", bool(old.taken))
    r.hold("the new workers did nothing", bool(r.world.runs()))
    r.world.event("the old worker left")
    old.close()
    r.world.clients.remove(old)
    with r.load(count=20, rate=50):
        pass
    r.did("60 jobs of version 1.0 and 60 of 1.9 with unknown headers, served by a 1.0 worker and three of today; then without the old one")
