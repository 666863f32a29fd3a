"""What the machine grants is read from the system and judged."""

from pathlib import Path

import pytest
from tests.health.examinations import examined

from manyfit.health import machine
from manyfit.health.cgroups import Group, own_group
from manyfit.health.finding import Seen, Status
from manyfit.health.inquiry import Inquiry, Subject

GIB = 1 << 30


def root_with(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


UNIFIED = "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
SPLIT = (
    "31 20 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
    "32 31 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)


def test_limits_of_a_group_are_those_of_all_groups_above(tmp_path: Path) -> None:
    """The tightest limit on the way up counts, for processors and for memory."""
    root = root_with(
        tmp_path,
        {
            "proc/self/mountinfo": UNIFIED,
            "proc/self/cgroup": "0::/user/mine\n",
            "sys/fs/cgroup/user/memory.max": str(4 * GIB),
            "sys/fs/cgroup/user/cpu.max": "max 100000",
            "sys/fs/cgroup/user/mine/memory.max": "max",
            "sys/fs/cgroup/user/mine/cpu.max": "150000 100000",
            "sys/fs/cgroup/user/mine/cgroup.controllers": "cpu memory pids",
            "sys/fs/cgroup/user/mine/cgroup.procs": "",
        },
    )
    assert own_group(root) == Group(version=2, cpus=1.5, memory_bytes=4 * GIB, delegated=True)


def test_a_group_without_the_memory_controller_is_not_delegated(tmp_path: Path) -> None:
    """Writing to the folder is not enough."""
    files = {
        "proc/self/mountinfo": UNIFIED,
        "proc/self/cgroup": "0::/mine\n",
        "sys/fs/cgroup/mine/cgroup.controllers": "cpu pids",
        "sys/fs/cgroup/mine/cgroup.procs": "",
    }
    assert own_group(root_with(tmp_path, files)).delegated is False


def test_groups_of_the_first_version(tmp_path: Path) -> None:
    """Controllers with folders of their own, beside an empty unified tree; a huge number is no limit."""
    root = root_with(
        tmp_path,
        {
            "proc/self/mountinfo": SPLIT,
            "proc/self/cgroup": "4:memory:/box\n2:cpu,cpuacct:/box\n0::/\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": str(2 * GIB),
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "50000",
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/unified/cgroup.controllers": "",
        },
    )
    assert own_group(root) == Group(version=1, cpus=0.5, memory_bytes=2 * GIB)


def test_no_groups(tmp_path: Path) -> None:
    """A system without control groups limits nothing."""
    assert own_group(tmp_path) == Group()


@pytest.mark.parametrize(
    ("seen", "status", "said"),
    [
        (machine.cores(8, 8, None), "ok", "8, all usable"),
        (machine.cores(8, 2, None), "ok", "2 of 8 usable"),
        (machine.cores(8, 8, 2.0), "warning", "quota of 2"),
        (machine.cores(8, 8, 0.5), "warning", "quota of 0.5"),
        (machine.load(1.0, 2), "ok", "1.0 in the last minute"),
        (machine.load(9.0, 2), "warning", "9.0 in the last minute"),
        (machine.memory(8 * GIB, 4 * GIB, None), "ok", "4.0 GiB free of 8.0 GiB"),
        (machine.memory(8 * GIB, GIB // 2, None), "warning", "512 MiB free"),
        (machine.memory(8 * GIB, 4 * GIB, GIB // 2), "warning", "may use 512 MiB (cgroup)"),
        (machine.memory(8 * GIB, 4 * GIB, 64 * GIB), "ok", "4.0 GiB free"),
        (machine.swap(0, 0), "ok", "none"),
        (machine.swap(GIB, GIB // 4), "ok", "256 MiB used"),
        (machine.swap(GIB, GIB * 3 // 4), "warning", "768 MiB used"),
        (machine.delegation(Group(version=2, delegated=True)), "ok", "the kernel can keep them"),
        (machine.delegation(Group(version=2)), "ok", "not delegated"),
        (machine.delegation(Group(version=1)), "ok", "cgroup v1"),
        (machine.shared_memory(None), "ok", "no /dev/shm"),
        (machine.shared_memory(64 << 20), "warning", "64 MiB in /dev/shm"),
        (machine.shared_memory(GIB), "ok", "1.0 GiB in /dev/shm"),
        (machine.gpus(["H1, 80 GiB"], ""), "ok", "H1"),
        (machine.gpus(None, "nvidia-smi failed"), "warning", "nvidia-smi failed"),
        (machine.room_for_temporary_files(Path("/t"), GIB // 2), "warning", "512 MiB free"),
        (machine.room_for_temporary_files(Path("/t"), 2 * GIB), "ok", "2.0 GiB free"),
    ],
)
def test_facts_are_judged(seen: Seen, status: str, said: str) -> None:
    """Each fact has a text with its number, and whatever is not well has something to do."""
    assert (seen.status.value, said in seen.text, bool(seen.do)) == (status, True, status != "ok"), seen


ROOMY = {"open files": 4096, "processes": -1, "address space": -1, "file size": -1}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"open files": 256}, "ulimit -n"),
        ({"processes": 100}, "ulimit -u"),
        ({"address space": 8 * GIB}, "ulimit -v"),
        ({"file size": 1 << 20}, "ulimit -f"),
    ],
)
def test_limits_of_processes_are_judged(changed: dict[str, int], said: str) -> None:
    """A limit that is too low is named with the command that raises it; no limit is none."""
    seen = machine.process_limits({**ROOMY, **changed})
    assert seen.status is (Status.WARNING if said else Status.OK)
    assert said in seen.do


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, ""),
        ({"OMP_NUM_THREADS": "1"}, ""),
        ({"OMP_PROC_BIND": "false"}, ""),
        ({"OMP_PROC_BIND": "close"}, "unset OMP_PROC_BIND"),
        ({"GOMP_CPU_AFFINITY": "0-3"}, "unset GOMP_CPU_AFFINITY"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "unset OMP_WAIT_POLICY"),
        ({"MKL_NUM_THREADS": "64"}, "unset MKL_NUM_THREADS"),
    ],
)
def test_thread_variables_are_judged(environment: dict[str, str], said: str) -> None:
    """Variables that pin threads, keep them busy or ask for more than there is are to be unset."""
    seen = machine.thread_settings(environment, 4)
    assert seen.status is (Status.WARNING if said else Status.OK)
    assert seen.do == said


def test_a_folder_that_takes_no_files_is_a_problem(tmp_path: Path) -> None:
    """Without temporary files, libraries fail in odd places."""
    seen = machine.temporary_files(tmp_path / "missing")
    assert seen.status is Status.PROBLEM
    assert "(ENOENT)" in seen.text


def test_gpus_are_asked_of_the_program_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nvidia-smi lists is shown; its failure and its silence are warnings; none is no warning."""
    monkeypatch.setenv("PATH", str(tmp_path))
    look = next(check.look for check in machine.checks() if check.name == "gpu")
    assert "no nvidia-smi" in look().text
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'Big GPU, 81920 MiB'\n")
    program.chmod(0o755)
    assert look().facts["gpus"] == ["Big GPU, 81920 MiB"]
    program.write_text("#!/bin/sh\necho 'no driver' >&2\nexit 9\n")
    assert (look().status, look().text) == (Status.WARNING, "nvidia-smi failed: no driver")
    monkeypatch.setattr(machine, "GPU_SECONDS", 0.2)
    program.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    assert "no answer within 0.2 s" in look().text


def test_this_machine_can_be_examined() -> None:
    """Every check of the machine comes to a finding here."""
    found = examined(Inquiry(subject=Subject.MACHINE))
    assert set(found) == {check.name for check in machine.checks()}
    assert found["cores"].seen.facts["usable_cores"] >= 1
    assert not [finding for finding in found.values() if "could not be looked at" in finding.seen.text]
