"""scripts/check-layers.sh: what it lets through and what it does not; and that the installer builds anew what has changed."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "check-layers.sh"


def check(root, files):
    for folder in ("common/base", "common/model", "common/io", "common/service", "worker", "scheduler"):
        (root / folder).mkdir(parents=True)
    for name, text in files.items():
        (root / name).write_text(text)
    done = subprocess.run([SCRIPT, root], capture_output=True, text=True, timeout=30)
    return done.returncode, sorted(done.stdout.splitlines())


def test_this_tree_is_clean():
    done = subprocess.run([SCRIPT], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_points_down_is_let_through(tmp_path):
    assert check(
        tmp_path,
        {
            "common/base/a.c": '#include "base/a.h"\n#include <stdio.h>\n',
            "common/service/s.c": '#include "base/a.h"\n#include "io/i.h"\n#include "s.h"\n',
            "worker/w.c": '#include "service/s.h"\n#include "engine/e.h"\n#include "worker/w.h"\n',
        },
    ) == (0, [])


def test_what_points_up_or_across_is_told_with_its_line(tmp_path):
    assert check(
        tmp_path,
        {
            "common/base/a.c": '#include "model/m.h"\n',
            "common/model/m.h": '\n#  include "service/s.h"\n',
            "common/service/s.c": '#include "worker/w.h"\n',
            "worker/w.c": '#include "scheduler/s.h"\n#include "../scheduler/s.h"\n',
        },
    ) == (
        1,
        [
            'common/base/a.c:1: "model/m.h" points up from base to model',
            'common/model/m.h:2: "service/s.h" points up from model to service',
            'common/service/s.c:1: "worker/w.h" is no layer below service',
            'worker/w.c:1: "scheduler/s.h" is of another program',
            'worker/w.c:2: "../scheduler/s.h" leaves its folder by ..',
        ],
    )


def test_the_installer_looks_at_every_folder_that_it_builds():
    """An upgrade that changes one of them alone is built too."""
    key = re.search(r"find CMakeLists.txt (.*?) -type f", (ROOT / "scripts/install.sh").read_text())[1].split()
    built = {path.relative_to(ROOT).parts[0] for path in ROOT.glob("[a-z]*/**/*.c")} - {"build", "tests"}
    assert built and built <= set(key)
