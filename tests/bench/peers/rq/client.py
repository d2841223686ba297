import os
import sys
from pathlib import Path

import redis
from rq import Queue

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from load import run_in_order  # noqa: E402

queue = Queue(connection=redis.from_url(os.environ["BENCH_REDIS"]))
run_in_order(
    lambda body: queue.enqueue("tasks.echo", body, result_ttl=60),
    lambda job: job.latest_result(timeout=60).return_value,
)
