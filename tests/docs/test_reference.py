"""The reference names everything that users can see, and says what the program does."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import typer
from tests.docs.pages import DOCS

from manyfit.api.driver import Look
from manyfit.api.results import Best, Results
from manyfit.api.sweeps import Sweep, SweepPlan
from manyfit.cli.main import app
from manyfit.declare import conditions, outcomes, schema, searches, selections
from manyfit.declare.windows import WindowsTable
from manyfit.fit import metrics
from manyfit.model import control, errors
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.lease import End, EndKind, TaskMark
from manyfit.model.result import FailureClass, TaskResult
from manyfit.model.segment import SegmentHeader
from manyfit.model.terms import Concurrency, Needs, Terms
from manyfit.model.unit import Mode, Unit
from manyfit.model.worker import Beat, WorkerInfo
from manyfit.report.lines import COLUMNS
from manyfit.stores.directory.layout import Layout
from manyfit.stores.ledger.wire import Claim

REFERENCE = DOCS / "reference"


def _page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def _undocumented(names: "list[str] | set[str]", page: str) -> list[str]:
    text = _page(page)
    return sorted(name for name in names if f"`{name}`" not in text)


def test_generated_pages_are_fresh() -> None:
    """The generated pages on disk are those that the program gives now."""
    done = subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_every_command_and_option_is_documented() -> None:
    """The page about the command line has a section for each command, with every option in it."""
    page = _page("cli.md")
    for name, command in typer.main.get_command(app).commands.items():
        section = re.search(rf"^## manyfit {name}\n(.*?)(?=^## |\Z)", page, re.M | re.S)
        assert section is not None, name
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and option != "--help":
                    assert option in section[1], f"{name} {option}"


def test_every_key_of_the_sweep_file_is_documented() -> None:
    """Every key of every table of the schema stands in the page about the sweep file."""
    tables = (
        schema.SweepFile,
        schema.DataTable,
        WindowsTable,
        schema.PipelineTable,
        schema.PrepareTable,
        schema.LimitsTable,
        schema.KeepTable,
        schema.WorkersTable,
        conditions.ConcurrencyTable,
        conditions.NeedsTable,
        conditions.RetentionTable,
        outcomes.ChecksTable,
        outcomes.ExportTable,
    )
    keys = {key for table in tables for key in table.model_fields} | set(selections.KEYS)
    assert _undocumented(keys, "sweep-file.md") == []
    text = _page("sweep-file.md")
    assert [name for name in searches.DISTRIBUTIONS if f"{{ {name} = " not in text] == []


def test_every_metric_is_documented() -> None:
    """Every metric of manyfit's own stands in the page about metrics."""
    names = {*metrics.FROM_MATRIX, *metrics.FROM_SCORES, *metrics.FROM_FLAGS, *metrics.FROM_CATEGORIES}
    names |= {*metrics.FROM_VALUES}
    assert _undocumented(names, "metrics.md") == []


def test_every_error_and_failure_class_is_documented() -> None:
    """Every exception and every class of failures stands in the page about errors."""
    raised = [name for name, value in vars(errors).items() if isinstance(value, type) and name[0].isupper()]
    own = [name for name in raised if issubclass(getattr(errors, name), errors.ManyfitError)]
    assert _undocumented([*own, *(cls.value for cls in FailureClass)], "errors.md") == []


def test_every_public_name_of_python_is_documented() -> None:
    """Every public method of the classes that users hold, and every column of results, stands in the page."""
    methods = {
        f"{cls.__name__}.{name}"
        for cls in (Sweep, SweepPlan, Results)
        for name, value in vars(cls).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, (classmethod, property)))
    }
    names = {*methods, "Best.model", "Best.candidate", *Look.__dataclass_fields__, *COLUMNS}
    assert set(Best.__dataclass_fields__) >= {"score"}
    assert _undocumented(names, "python.md") == []


def test_every_file_of_the_store_is_documented() -> None:
    """Every file and folder of the layout stands in the page about the store."""
    text = _page("store.md")
    layout = Layout(Path("x.sweep"))
    names = {value.name for value in vars(layout).values() if isinstance(value, Path)} - {"x.sweep"}
    assert sorted(name for name in names if name not in text) == []


def test_every_field_of_the_store_is_documented() -> None:
    """Every field that stands in a file of the store is named in the page, with every kind and mark."""
    values = (SegmentHeader, Candidate, Cell, Unit, Claim, End, TaskResult, Beat, WorkerInfo, control.Entry)
    actions = get_args(control.Action)
    conditions_of_claiming = (Terms, Concurrency, Needs)
    fields = {
        field.name for value in (*values, *actions, *conditions_of_claiming) for field in dataclasses.fields(value)
    }
    kinds = {kind.value for kind in (*EndKind, *Mode, *TaskMark)}
    entries = {action.__name__ for action in actions}
    # the segment of a unit is the file that it stands in
    assert _undocumented((fields | kinds | entries) - {"segment"}, "store.md") == []
