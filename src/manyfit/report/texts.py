"""Numbers, durations, sizes and keys as people read them: rounding and units happen here and nowhere else."""

import math
from collections.abc import Iterator
from datetime import datetime

from manyfit.model.sweep import PRIORITIES
from manyfit.model.terms import Needs, Terms


def show_key(key: str) -> str:
    """Return enough of a key to name a task or candidate on the command line."""
    return key[:8]


def fold_text(fold: int, held_out: str | None = None) -> str:
    """Return a fold as people name it: its number, and the group that it holds out where that is one group."""
    return f"{fold} ({held_out} held out)" if held_out else str(fold)


def show_count(count: int) -> str:
    """Return a whole number with separators: ``1,240``."""
    return f"{count:,}"


def plural(n: int, word: str) -> str:
    """Return a count with its word: ``1 task``, ``1,240 tasks``."""
    return f"{show_count(n)} {word if n == 1 else word + 's'}"


def show_number(value: float) -> str:
    """Return a score with four significant digits: ``0.9420``, ``-1.235e+05``."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    return f"{value:.{max(0, 3 - size)}f}" if -4 <= size < 5 else f"{value:.3e}"


def show_duration(seconds: float) -> str:
    """Return a duration in at most two units: ``3 ms``, ``0.4 s``, ``28 s``, ``2 m 10 s``, ``1 h 05 m``."""
    if seconds < 0.0995:
        return f"{max(0.0, seconds) * 1e3:.0f} ms" if seconds >= 0.00095 else f"{max(0.0, seconds) * 1e3:.1g} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, part, smaller in ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part:02d} {smaller}"
    return f"{whole} s"


def show_bytes(size: float) -> str:
    """Return a size in binary units: ``210 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TiB"


def show_priority(priority: int) -> str:
    """Return a priority by its name, where it has one."""
    names = {number: name for name, number in PRIORITIES.items()}
    return names.get(priority, str(priority))


def terms_text(terms: Terms) -> str:
    """Return the conditions of claiming in words; "" when there are none."""
    return "; ".join(_conditions(terms))


def _conditions(terms: Terms) -> Iterator[str]:
    limits = terms.concurrency
    if terms.priority is not None:
        yield f"priority {show_priority(terms.priority)}"
    if terms.tenant:
        yield f"tenant {terms.tenant}"
    for what, most in (("", limits.sweep), (f"of tenant {terms.tenant} ", limits.tenant)):
        if most is not None:
            yield f"at most {most} running {what}at once"
    for pipeline, most in limits.pipelines.items():
        yield f"at most {most} of {pipeline}"
    for pipeline, needs in terms.needs.items():
        if wanted := " and ".join(_needs(needs)):
            yield f"{pipeline or 'every task'} needs {wanted}"


def _needs(needs: Needs) -> Iterator[str]:
    if needs.cores:
        yield f"{needs.cores} cores"
    if needs.memory_bytes:
        yield f"{show_bytes(needs.memory_bytes)} of memory"
    if needs.gpus or needs.gpu_memory_bytes:
        size = f" of {show_bytes(needs.gpu_memory_bytes)}" if needs.gpu_memory_bytes else ""
        yield f"{max(1, needs.gpus)} GPU{size}"
    if needs.hosts:
        yield f"a host like {' or '.join(needs.hosts)}"
    if needs.labels:
        yield f"the label {' and '.join(needs.labels)}"


def show_factor(factor: float) -> str:
    """Return a factor: ``x1.2``, ``x0.04``, ``x12``."""
    return f"x{factor:.2g}" if factor < 1 else f"x{factor:.1f}" if factor < 9.95 else f"x{factor:,.0f}"


def show_instant(at: datetime) -> str:
    """Return an instant of a frame, which is UTC, to the second."""
    return at.strftime("%Y-%m-%d %H:%M:%SZ")
