"""Faults against the whole chain of real programs, and one checker: `scripts/chaos.sh --help`, docs/RELIABILITY.md."""

import argparse
import random
import signal
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / folder) for folder in ("chaos", "support", "integration")]

import faults  # noqa: E402, F401
import report  # noqa: E402
import soak  # noqa: E402
from rounds import rows  # noqa: E402
from stage import Stage, play  # noqa: E402

STOPS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def arguments():
    o = argparse.ArgumentParser(prog="scripts/chaos.sh", description=__doc__)
    o.add_argument("--quick", action="store_true", help="the sharpest faults, in two minutes")
    o.add_argument("--soak", type=seconds, metavar="TIME", help="faults at random for so long, to one world: 90s, 30m or 2h")
    o.add_argument("--seed", type=int, default=None, help="replays the choices of a run; each run says its own")
    o.add_argument("--faults", type=numbers, metavar="N,N", help="only these")
    o.add_argument("--json", type=Path, metavar="FILE", help="the report, for programs")
    o.add_argument("--list", action="store_true", help="says the faults, and does nothing")
    return o.parse_args()


def seconds(text):
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:])
    if not unit or not text[:-1].isdigit() or not int(text[:-1]):
        raise argparse.ArgumentTypeError(f"'{text}' is no time; as 90s, 30m or 2h")
    return int(text[:-1]) * unit


def numbers(text):
    wanted = []
    for word in text.split(","):
        if not word.isdigit() or int(word) not in rows:
            raise argparse.ArgumentTypeError(f"there is no fault '{word}'; there are {', '.join(map(str, sorted(rows)))}")
        wanted.append(int(word))
    return wanted


def stop(_number, _frame):
    """Ctrl-C and its like unwind once, undisturbed: whatever was started ends with its context."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    o = arguments()
    if o.list:
        for number, row in sorted(rows.items()):
            print(f"{number:3}  {row.name}{'  (quick)' if row.quick else ''}")
        return 0
    for number in STOPS:
        signal.signal(number, stop)
    seed = o.seed if o.seed is not None else random.SystemRandom().randrange(10**6)
    wanted = o.faults or [n for n, row in sorted(rows.items()) if not o.quick or row.quick]
    print(f"chaos: seed {seed}, faults {', '.join(map(str, wanted))}", flush=True)
    try:
        if o.soak:
            result = soak.run(o.soak, seed, o.faults)
        else:
            result = report.Report(seed, "quick" if o.quick else "full")
            with Stage() as stage:
                for n in wanted:
                    line = play(stage, rows[n], seed, o.quick)
                    result.add(line)
                    print(line, flush=True)
                result.problems += stage.end_of_common_world()
    except KeyboardInterrupt:
        print("chaos: interrupted; all that was started has ended", file=sys.stderr)
        return 130
    print(result, flush=True)
    if o.json:
        o.json.write_text(result.json())
    return 0 if result.holds() else 1


if __name__ == "__main__":
    sys.exit(main())
