"""The rows of roundtrips.py: what sends a job of 512 bytes to a worker that answers with the same bytes, and reads that answer. One module a
peer; its programs and pins are in tests/bench/peers/<peer>."""

from queues.asynq import Asynq
from queues.bullmq import BullMQ
from queues.celery import Celery
from queues.dramatiq import Dramatiq
from queues.gearman import Gearman
from queues.hops import Hops
from queues.ours import Ours
from queues.perftest import PerfTest
from queues.rq import RQ

ROWS = {row.name: row for row in (Ours, Celery, Dramatiq, RQ, BullMQ, Asynq, Gearman, Hops, PerfTest)}
