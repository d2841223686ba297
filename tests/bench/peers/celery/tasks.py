import os

from celery import Celery

app = Celery("tasks", broker=os.environ["BENCH_AMQP"], backend=os.environ["BENCH_REDIS"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=False,
    worker_prefetch_multiplier=64,
    worker_enable_remote_control=False,
    result_expires=600,
    broker_heartbeat=0,
    broker_connection_retry_on_startup=True,
)


@app.task(name="echo")
def echo(body):
    return body
