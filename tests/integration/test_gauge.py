"""og-gauge as a user meets it: the program, its files, its exit statuses, and the kernel's own limits."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
GAUGE = Path(os.environ.get("OG_BUILD", REPO / "build/asan")) / "og-gauge"

TIER = "[tier {}]\ncpu_cores = {}\nram_gib = 0.1\ndisk_gib = 0\n"


@pytest.fixture
def gauge(tmp_path):
    """Runs og-gauge with a root of its own and no nvidia-smi but the test's; `fake(script)` makes one."""

    class Gauge:
        root = tmp_path / "root"
        programs = tmp_path / "programs"

        def __call__(self, *args, **options):
            env = {k: v for k, v in os.environ.items() if not k.startswith(("OG_", "POC_", "NODE_"))}
            env.update(OPENGATEWAY_POC_ROOT=str(self.root), PATH=f"{self.programs}:/usr/bin:/bin", HOME=str(tmp_path))
            env.update(options.pop("env", {}))
            options.setdefault("stdout", subprocess.PIPE)
            return subprocess.run(
                [GAUGE, *map(str, args)], env=env, stderr=subprocess.PIPE, text=True, timeout=60, check=False, **options
            )

        def profile(self, *args, **options):
            done = self("--json", *args, **options)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        def stored(self):
            return json.loads((self.root / "resources.json").read_text())

        def fake(self, script):
            self.programs.mkdir(exist_ok=True)
            (self.programs / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
            (self.programs / "nvidia-smi").chmod(0o755)

    return Gauge()


def test_it_writes_what_it_shows(gauge):
    shown = gauge.profile()
    assert shown == gauge.stored()
    assert shown["version"] == 1
    assert shown["cpu_cores"] > 0
    assert 0 < shown["ram_available_bytes"] <= shown["ram_total_bytes"]
    assert 0 < shown["disk_free_bytes"] <= shown["disk_total_bytes"]
    assert os.listdir(gauge.root) == ["resources.json"]


def test_print_writes_nothing(gauge):
    assert gauge("--print").returncode == 0
    assert not gauge.root.exists()


def test_the_table_is_plain_text(gauge):
    done = gauge(env={"LC_ALL": "C"})
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.isascii()
    titles = [line[:12].rstrip() for line in done.stdout.splitlines()]
    assert [t for t in titles if t not in ("Temperature", "Warning")] == ["Host", "CPU", "RAM", "GPU", "Disk", "Eligible"]


def test_the_root_is_the_option_then_the_environment_then_the_home(gauge, tmp_path):
    assert gauge("--root", tmp_path / "option").returncode == 0
    assert (tmp_path / "option/resources.json").exists()
    assert not gauge.root.exists()
    assert gauge(env={"OPENGATEWAY_POC_ROOT": ""}).returncode == 0
    assert (tmp_path / ".opengateway-poc/resources.json").exists()


def test_wrong_usage(gauge):
    for args in (["--nonsense"], ["argument"], ["--root"]):
        done = gauge(*args)
        assert done.returncode == 2, args
        assert "og-gauge --help tells the options" in done.stderr
        assert done.stdout == ""
    assert gauge("--help").returncode == 0


def test_eligible_says_why_not(gauge, tmp_path):
    catalogue = tmp_path / "tiers.ini"
    catalogue.write_text(TIER.format("Small", 0.1) + TIER.format("Huge", 60000) + "vram_gib = 8\n")
    done = gauge("--eligible", "--catalogue", catalogue)
    small, huge = done.stdout.splitlines()[1:]
    assert done.returncode == 0
    assert small.endswith("  yes")
    assert "no: needs 60000 cores, has " in huge and huge.endswith("; needs 8 GiB VRAM, has 0")
    tiers = json.loads(gauge("--eligible", "--json", "--catalogue", catalogue).stdout)["tiers"]
    assert [(t["id"], t["eligible"]) for t in tiers] == [("Small", True), ("Huge", False)]


def test_eligible_for_nothing_has_its_own_status(gauge, tmp_path):
    catalogue = tmp_path / "tiers.ini"
    catalogue.write_text(TIER.format("Huge", 60000))
    assert gauge("--eligible", "--catalogue", catalogue).returncode == 4
    assert gauge("--catalogue", catalogue).returncode == 0


def test_the_catalogue_of_the_root_counts(gauge):
    gauge.root.mkdir()
    assert "SmolLM2-135M" in gauge("--eligible").stdout
    (gauge.root / "catalogue.ini").write_text(TIER.format("Mine", 0.1))
    assert gauge("--eligible").stdout.splitlines()[1].startswith("Mine ")


def test_the_sample_is_the_built_in_catalogue(gauge):
    def needs():
        tiers = json.loads(gauge("--eligible", "--json", "--print").stdout)["tiers"]
        return [{k: v for k, v in t.items() if k not in ("eligible", "why")} for t in tiers]

    built_in = needs()
    gauge.root.mkdir()
    (gauge.root / "catalogue.ini").write_text(gauge("--sample").stdout)
    assert needs() == built_in
    assert os.listdir(gauge.root) == ["catalogue.ini"]


def test_a_mistake_in_the_catalogue_is_told_with_line_and_key(gauge, tmp_path):
    catalogue = tmp_path / "tiers.ini"
    catalogue.write_text(TIER.format("A", 1) + "\n" + TIER.format("B", "many"))
    done = gauge("--catalogue", catalogue)
    assert done.returncode == 3
    assert done.stderr.startswith(f"og-gauge: {catalogue}:7: cpu_cores: ")
    assert not gauge.root.exists()
    done = gauge("--catalogue", tmp_path / "absent.ini")
    assert done.returncode == 3
    assert "absent.ini: No such file" in done.stderr


def test_a_mistake_in_the_configuration_is_told(gauge):
    gauge.root.mkdir()
    (gauge.root / "config.ini").write_text("[nod]\nname = x\n")
    done = gauge()
    assert done.returncode == 1
    assert "config.ini:2" in done.stderr


def test_gpus_are_those_of_nvidia_smi(gauge):
    assert gauge.profile()["gpus"] == []
    gauge.fake("echo 'NVIDIA A, 24564, 24000, 550.54'; echo 'NVIDIA B, 8192, 8000, 550.54'")
    profile = gauge.profile()
    assert profile["warnings"] == []
    assert profile["gpus"] == [
        {"name": "NVIDIA A", "driver": "550.54", "vram_total_bytes": 24564 << 20, "vram_free_bytes": 24000 << 20},
        {"name": "NVIDIA B", "driver": "550.54", "vram_total_bytes": 8192 << 20, "vram_free_bytes": 8000 << 20},
    ]


@pytest.mark.parametrize(
    "script, warning",
    [
        ("echo 'driver/library version mismatch' >&2; exit 18", "failed with status 18: driver/library version mismatch"),
        ("echo No devices were found", "something else than a GPU: 'No devices were found'"),
        ("exec sleep 600", "nvidia-smi hangs: killed, 5.0 s allowed"),
    ],
)
def test_a_broken_nvidia_smi_is_a_warning(gauge, script, warning):
    gauge.fake(script)
    began = time.monotonic()
    done = gauge()
    assert done.returncode == 0
    assert time.monotonic() - began < 20
    assert gauge.stored()["gpus"] == []
    assert [warning in w for w in gauge.stored()["warnings"]] == [True]
    assert warning in done.stdout


def test_an_nvidia_smi_without_memory_figures(gauge):
    gauge.fake("echo 'NVIDIA GB10, [N/A], [N/A], 580.1'")
    profile = gauge.profile()
    assert profile["gpus"][0]["vram_total_bytes"] == 0
    assert "tells no VRAM" in profile["warnings"][0]


def test_bench_is_measured_and_kept(gauge):
    bench = gauge.profile("--bench")["bench"]
    assert bench["threads"] >= 1
    assert all(bench[k] > 0 for k in bench if k.endswith(("gb_per_s", "gflops")))
    assert gauge.profile()["bench"] == bench
    assert "Bench        reads " in gauge("--print").stdout


def test_a_spoilt_profile_is_replaced(gauge):
    gauge.root.mkdir()
    for spoilt in ("", '{"version": 1, "gauged_at"', '{"version": 2}', "[]", "\xff"):
        (gauge.root / "resources.json").write_text(spoilt)
        assert gauge().returncode == 0
        assert gauge.stored()["version"] == 1


def test_a_full_disk_leaves_the_old_profile(gauge):
    gauge.root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", gauge.root]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        assert gauge().returncode == 0
        old = (gauge.root / "resources.json").read_bytes()
        with pytest.raises(OSError), open(gauge.root / "filling", "wb", buffering=0) as filling:
            while filling.write(bytes(4096)):
                pass
        done = gauge()
        assert done.returncode == 1
        assert "the new profile is not saved, what was there stays: " in done.stderr
        assert "No space left on device" in done.stderr
        assert (gauge.root / "resources.json").read_bytes() == old
        assert sorted(os.listdir(gauge.root)) == ["filling", "resources.json"]
    finally:
        subprocess.run(["umount", gauge.root], check=True)


def test_a_report_that_cannot_be_written_is_an_error(gauge):
    with open("/dev/full", "w") as full:
        done = gauge(stdout=full)
    assert done.returncode == 1
    assert "cannot write the report: No space left on device" in done.stderr


def test_the_affinity_mask_counts(gauge):
    one = {min(os.sched_getaffinity(0))}
    assert gauge.profile(preexec_fn=lambda: os.sched_setaffinity(0, one))["cpu_cores"] == 1


@pytest.fixture
def cgroup():
    """Makes a group with half a core and 512 MiB; gives what a child does to enter it."""
    top = Path("/sys/fs/cgroup")
    name = f"og-gauge-{os.getpid()}"
    if (top / "cgroup.controllers").exists():
        limits = {top: {"cpu.max": "50000 100000", "memory.max": str(512 << 20)}}
    else:
        limits = {
            top / "cpu": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"},
            top / "memory": {"memory.limit_in_bytes": str(512 << 20)},
        }
    groups = []
    try:
        for parent, files in limits.items():
            group = parent / name
            group.mkdir()
            groups.append(group)
            for file, value in files.items():
                (group / file).write_text(value)
    except OSError as error:
        for group in groups:
            group.rmdir()
        pytest.skip(f"no cgroup can be made here: {error}")

    def enter():
        for group in groups:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    yield enter
    for group in groups:
        group.rmdir()


def test_the_kernels_own_cgroup_limits_count(gauge, cgroup):
    profile = gauge.profile(preexec_fn=cgroup)
    assert profile["cpu_cores"] == 0.5
    assert profile["ram_total_bytes"] == 512 << 20
    assert 0 < profile["ram_available_bytes"] <= 512 << 20
