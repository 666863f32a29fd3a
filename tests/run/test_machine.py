"""What a machine has for a worker."""

import os
from pathlib import Path

import pytest

from manyfit.run import machine
from manyfit.run.machine import ControlGroup, gpu_memory, usable_cores, usable_memory

MIB = 2**20


def write(root: Path, **files: str) -> Path:
    """Write files whose path has "__" for "/" and "_dot_" for "."."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def test_limits_of_version_2_hold_for_the_groups_inside(tmp_path: Path) -> None:
    """The smallest on the way up counts; "max" is no limit."""
    root = write(
        tmp_path,
        slice__unit__cpu_dot_max="max 100000",
        slice__unit__memory_dot_max="8000000",
        slice__cpu_dot_max="150000 100000",
        slice__memory_dot_max="5000000",
        cpu_dot_max="400000 100000",
        memory_dot_max="max",
    )
    group = ControlGroup("0::/slice/unit\n", root)
    assert (group.cores(), group.memory_bytes()) == (1.5, 5_000_000)


def test_limits_of_version_1_are_found_by_controller(tmp_path: Path) -> None:
    """Each controller has a path of its own; -1 is no quota."""
    root = write(
        tmp_path,
        cpu__a__cpu_dot_cfs_quota_us="50000",
        cpu__a__cpu_dot_cfs_period_us="100000",
        cpu__cpu_dot_cfs_quota_us="-1",
        cpu__cpu_dot_cfs_period_us="100000",
        memory__b__memory_dot_limit_in_bytes="7000000",
        memory__memory_dot_limit_in_bytes="9223372036854771712",
    )
    group = ControlGroup("4:memory:/b\n1:cpu,cpuacct:/a\n0::/\n", root)
    assert (group.cores(), group.memory_bytes()) == (0.5, 7_000_000)


def test_a_container_that_cannot_see_its_path_has_the_limits_of_its_root(tmp_path: Path) -> None:
    """The root of what is mounted there is the group of the container."""
    root = write(tmp_path, cpu_dot_max="200000 100000", memory_dot_max="6000000")
    group = ControlGroup("0::/../../docker/0123\n", root)
    assert (group.cores(), group.memory_bytes()) == (2.0, 6_000_000)


@pytest.mark.parametrize("membership", ["", "nonsense\n", "0::/nowhere\n"])
def test_without_control_groups_there_are_no_limits(tmp_path: Path, membership: str) -> None:
    """Nor with files that say something else."""
    root = write(tmp_path, cpu_dot_max="", memory_dot_max="a lot")
    group = ControlGroup(membership, root)
    assert (group.cores(), group.memory_bytes()) == (None, None)


def test_this_process_has_cores_and_memory() -> None:
    """No more than the machine has, and at least one core."""
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
    assert 2**20 < usable_memory() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_quota_and_limit_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They make cores and memory fewer than the machine has."""
    group = ControlGroup("0::/\n", write(tmp_path, cpu_dot_max="30000 100000", memory_dot_max="1048576"))
    monkeypatch.setattr(ControlGroup, "of_this_process", lambda: group)
    assert (usable_cores(), usable_memory()) == (1, 2**20)


CARDS = """
0, GPU-aaaa-1, 16384
1, GPU-bbbb-2, 81920
2, GPU-bbcc-3, 40960
"""


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with three GPUs; its nvidia-smi leaves a mark when it is asked."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path}/asked"\ncat <<END{CARDS}END\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return program


def test_gpus_have_memory(cards: Path) -> None:
    """In the order of nvidia-smi."""
    assert gpu_memory() == (16384 * MIB, 81920 * MIB, 40960 * MIB)
    asked = (cards.parent.parent / "asked").read_text()
    assert "memory.total" in asked
    assert "nounits" in asked


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("1", (81920,)),
        ("2, 0", (40960, 16384)),
        ("GPU-aaaa", (16384,)),
        ("GPU-bbcc-3,1", (40960, 81920)),
        ("0,7,1", (16384,)),
        ("-1", ()),
        ("GPU-bb", ()),
        ("none", ()),
    ],
)
def test_cuda_visible_devices_chooses(
    cards: Path, monkeypatch: pytest.MonkeyPatch, visible: str, expected: tuple[int, ...]
) -> None:
    """By number or UUID; the first that names no GPU, or several, ends the list."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_memory() == tuple(size * MIB for size in expected)


@pytest.mark.parametrize("visible", ["", " "])
def test_no_visible_devices_means_none(cards: Path, monkeypatch: pytest.MonkeyPatch, visible: str) -> None:
    """The program is not even asked."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_memory() == ()
    assert not (cards.parent.parent / "asked").exists()


@pytest.mark.parametrize(
    "script", ["echo no driver; exit 9", "echo nothing useful", "exec sleep 60", "printf '0, GPU-\\377, 16384\\n'"]
)
def test_a_driver_in_trouble_means_no_gpus(cards: Path, script: str) -> None:
    """It fails, writes something else, or hangs: the worker starts all the same."""
    cards.write_text(f"#!/bin/sh\n{script}\n")
    assert gpu_memory(limit_seconds=0.3) == ()


def test_without_the_program_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Most machines have none; a program that cannot run is none either."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_memory() == ()
    (tmp_path / machine.GPU_PROGRAM).write_text("not a program")
    (tmp_path / machine.GPU_PROGRAM).chmod(0o755)
    assert gpu_memory() == ()
