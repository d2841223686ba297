import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from load import run_with_callbacks  # noqa: E402
from tasks import echo  # noqa: E402


def send(body, on_answer):
    echo.apply_async((body,)).then(lambda result: on_answer(result.result))


run_with_callbacks(send, lambda seconds: echo.backend.result_consumer.drain_events(timeout=seconds))
