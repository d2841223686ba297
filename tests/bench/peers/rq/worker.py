"""A worker that runs a job in its own process, without a fork for each: RQ's fastest."""

import os
import sys
from pathlib import Path

import redis
from rq import Queue, SimpleWorker

sys.path.insert(0, str(Path(__file__).parent))
connection = redis.from_url(os.environ["BENCH_REDIS"])
SimpleWorker([Queue(connection=connection)], connection=connection).work(logging_level="WARNING")
