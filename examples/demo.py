"""
The demonstration behind ``make demo``: two real sweeps on real data, more than a thousand fits, and a report.

Runs the command line as a user would, in the folder ``demo`` of the working directory. Running it again
continues where it stopped, or finds everything done.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

SWEEPS = Path(__file__).with_name("demo")


def command(*arguments: str) -> int:
    """Give one command and return its exit code."""
    return subprocess.run([sys.executable, "-m", "manyfit", *arguments], check=False).returncode


def main() -> int:
    """Run both sweeps, report on one, and return the first exit code that is not 0."""
    folder = Path("demo")
    folder.mkdir(exist_ok=True)
    began = time.perf_counter()
    for source in sorted(SWEEPS.glob("*.toml")):
        sweep = folder / source.name
        if not sweep.exists():
            shutil.copy(source, sweep)
        print(f"\n$ manyfit run {sweep}", flush=True)
        code = command("run", str(sweep))
        if code:
            return code
    report = folder / "digits.html"
    print(f"\n$ manyfit report {folder / 'digits.toml'} --to {report}", flush=True)
    code = command("report", str(folder / "digits.toml"), "--to", str(report), "--quiet")
    if code:
        return code
    print(f"\n{time.perf_counter() - began:.0f} s for both sweeps and a report: open {report} in a browser.")
    print("Now change something and run again:")
    print(f"  edit {folder / 'digits.toml'}, then: .venv/bin/manyfit run {folder / 'digits.toml'}")
    print(f"  .venv/bin/manyfit results {folder / 'breast_cancer.toml'} --pipeline svc")
    return 0


if __name__ == "__main__":
    sys.exit(main())
