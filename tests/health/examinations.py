"""Examinations of a folder, and what they found by name."""

from collections.abc import Mapping
from pathlib import Path

from manyfit.health.finding import Area, Finding
from manyfit.health.inquiry import Inquiry, Subject
from manyfit.health.watch import examine

GROUND = ".manyfit-doctor-test"


def files(folder: Path, *, disk: str = "Disk", limit_factor: float = 1.0) -> Inquiry:
    """Return the inquiry into the file system of *folder*, through one of the lying disks."""
    module = "manyfit.health.disk" if disk == "Disk" else "tests.health.lying"
    return Inquiry(
        subject=Subject.FILES,
        folder=str(folder),
        ground=GROUND,
        disk=f"{module}:{disk}",
        limit_factor=limit_factor,
    )


def examined(inquiry: Inquiry) -> Mapping[str, Finding]:
    """Return the findings of one inquiry by their names."""
    findings = examine([inquiry])
    assert len({finding.name for finding in findings}) == len(findings)
    return {finding.name: finding for finding in findings}


def areas(found: Mapping[str, Finding]) -> set[Area]:
    return {finding.area for finding in found.values()}
