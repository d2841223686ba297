"""How peers are installed: under build/peers, at their first measurement, every version pinned in tests/bench/peers. What cannot be had says
so by Skipped."""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
PEERS = REPO / "build/peers"
PINS = HERE / "peers"
INSTALL_TIMEOUT_S = 600


class Skipped(Exception):
    """Why a row cannot be measured on this machine."""


class Installing:
    allowed = True  # a quick run (CI's) takes what is there, and installs nothing


def installed(name, pins, install):
    """A folder under build/peers, made anew where the files `pins` are not those it was made from."""
    folder, stamp = PEERS / name, "".join(file.read_text() for file in pins)
    if (folder / ".stamp").exists() and (folder / ".stamp").read_text() == stamp:
        return folder
    if not Installing.allowed:
        raise Skipped("not installed; a run without --quick does that")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"installing {name} into {folder.relative_to(REPO)}", file=sys.stderr, flush=True)
    install(folder)
    (folder / ".stamp").write_text(stamp)
    return folder


def install_step(args, cwd=None, env=None):
    if not shutil.which(args[0]):
        raise Skipped(f"there is no {args[0]} here to install it with")
    try:
        done = subprocess.run(
            args,
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=INSTALL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as late:
        raise Skipped(f"`{' '.join(map(str, args[:3]))}` took more than {INSTALL_TIMEOUT_S} s") from late
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
        raise Skipped(f"`{' '.join(map(str, args[:3]))}` failed: {words[-1][:200]}")
