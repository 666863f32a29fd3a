"""What results and models were made with: Python, platform, libraries, the commit of a folder."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyfit._version import __version__
from manyfit.run.libraries import versions

_GIT_SECONDS = 10.0
_DIRTY = "-dirty"


def environment(folder: Path | None = None) -> Mapping[str, Any]:
    """
    Return Python, platform, manyfit and the versions of libraries, as JSON values.

    With a *folder* inside of a git work tree also `commit`, and `changed`: whether tracked files differ
    from it. Nothing in it changes from day to day or tells one host from another of its kind.
    """
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "manyfit": __version__,
        "libraries": versions(),
    }
    return found | (_commit(folder) if folder is not None else {})


def version_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """
    Return what differs between two environments, as lines such as "numpy 2.1.0 then, 2.2.0 now".

    What one of them does not tell of Python, platform and manyfit is no difference; a library is absent then.
    """
    both = [name for name in ("python", "platform", "manyfit") if name in then and name in now]
    named = [{name: one[name] for name in both} | dict(one.get("libraries") or {}) for one in (then, now)]
    names = [name for name in {**named[0], **named[1]} if named[0].get(name) != named[1].get(name)]
    return [
        f"{name} {named[0].get(name) or 'absent'} then, {named[1].get(name) or 'absent'} now" for name in names
    ]


def _commit(folder: Path) -> dict[str, Any]:
    """Return the commit of the work tree around *folder*; nothing where there is none, or no git."""
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder)]
    command += ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(
            command,
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_GIT_SECONDS,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    text = answer.stdout.strip()
    return {"commit": text.removesuffix(_DIRTY), "changed": text.endswith(_DIRTY)} if text else {}
