import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from load import run_in_order  # noqa: E402
from tasks import echo  # noqa: E402

run_in_order(echo.send, lambda message: message.get_result(block=True, timeout=60000))
