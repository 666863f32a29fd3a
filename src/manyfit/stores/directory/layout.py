"""Where the files of a sweep folder are."""

from pathlib import Path

from manyfit.model.keys import SegmentId, UnitId, WorkerId


class Layout:
    """The paths below one sweep folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.marker = root / "manyfit.json"
        self.declaration = root / "sweep.toml"
        self.plan = root / "plan"
        self.units = root / "units"
        self.log = root / "log"
        self.heartbeat = root / "heartbeat"
        self.workers = root / "workers"
        self.control = root / "control"
        self.base = root / "base"
        self.artifacts = root / "artifacts"

    def folders(self) -> tuple[Path, ...]:
        """Return the folders that exist in every store."""
        return (
            self.plan,
            self.units,
            self.log,
            self.heartbeat,
            self.workers,
            self.control,
            self.base,
            self.artifacts,
        )

    def segment(self, segment: SegmentId) -> Path:
        return self.plan / f"{segment}.jsonl"

    def claim(self, segment: SegmentId, unit: UnitId, epoch: int) -> Path:
        return self.units / segment / f"{unit}.c{epoch}"

    def end(self, segment: SegmentId, unit: UnitId, epoch: int) -> Path:
        return self.units / segment / f"{unit}.e{epoch}"

    def entry(self, position: int) -> Path:
        return self.control / f"{position}.json"

    def worker(self, worker: WorkerId) -> Path:
        return self.workers / f"{worker}.json"

    def beat(self, worker: WorkerId) -> Path:
        return self.heartbeat / f"{worker}.json"

    def log_file(self, file_id: str) -> Path:
        return self.log / f"{file_id}.log"
