from queues.python import PythonPeer


class Celery(PythonPeer):
    name, package = "Celery", "celery"
    kept = "job in a classic durable queue, not confirmed; result in Redis' memory"
    setup = (
        "RabbitMQ, Redis as the result backend (without a log), prefork pool of 2, `acks_late`, prefetch multiplier 64, no gossip, mingle, "
        "heartbeat or remote control; hiredis; answers by the backend's own events"
    )

    def start(self):
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
        self.spawn(self.root / "bin/celery", "-A", "tasks", "worker", "--concurrency", 2, *quiet)
