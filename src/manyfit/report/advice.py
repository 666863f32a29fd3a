"""What to do about failures."""

import re
from collections.abc import Mapping

from manyfit.model.result import FailureClass
from manyfit.model.shell import quoted

ADVICE: Mapping[FailureClass, str] = {
    FailureClass.USER: "correct the pipeline or the data (an imputer for missing values); then run again",
    FailureClass.DATA: "put the data back as it was planned, or submit the sweep again",
    FailureClass.OOM: "manyfit retry --class oom --memory x2",
    FailureClass.TIMEOUT: "manyfit retry --class timeout --time x2",
    FailureClass.CRASH: "manyfit logs shows the last words; then manyfit retry --class crash",
    FailureClass.PREEMPTED: "manyfit retry --class preempted",
    FailureClass.HOST_LOST: "manyfit doctor on the host, its workers died; then manyfit retry --class host-lost",
    FailureClass.INFRASTRUCTURE: "manyfit doctor on the host; then manyfit retry --class infrastructure",
    FailureClass.ENVIRONMENT: "install what is named; then manyfit retry --class environment",
}
"""What a person can do about failures of each class."""

_COMMAND = re.compile(r"\bmanyfit (?:logs|resume|retry|run|work)\b")


def for_sweep(advice: str, sweep: str) -> str:
    """Return *advice* with the sweep named in each of its commands, as a person calls it; unchanged for ""."""
    return _COMMAND.sub(lambda command: f"{command[0]} {quoted(sweep)}", advice) if sweep else advice
