"""Three bare hops with librabbitmq: what the broker allows a job that goes as ours go."""

from bed import BUILD
from machine import said_by
from queues.row import Peer


class Hops(Peer):
    name, limit = "three bare hops", True
    kept = "three quorum queues, each hop confirmed"
    setup = (
        "`bench_hops`: request → work → done, three threads with a connection each, persistent, publisher confirms, acks settled together; no scheduler, "
        "no records"
    )

    def __init__(self, bed):
        super().__init__(bed)
        self.version = "librabbitmq " + said_by("pkg-config", "--modversion", "librabbitmq")

    def client(self):
        return [BUILD / "tests/bench/bench_hops"]
