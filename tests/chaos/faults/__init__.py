"""The faults, by what they happen to. Each is one function of a round, in the table of rounds.py under its number in FAULTS."""

from faults import broker, cluster, engines, fuzz, poison, queues, redis, scheduler, submitters, upgrade, workers

__all__ = ["broker", "cluster", "engines", "fuzz", "poison", "queues", "redis", "scheduler", "submitters", "upgrade", "workers"]
