"""The tables of a sweep file about what comes out: [checks], [export] and keep.series."""

from pathlib import Path
from typing import Any

import pytest

from manyfit.declare import from_json, to_json
from manyfit.model.errors import SweepMistakes
from manyfit.model.sweep import ChecksSpec, ExportSpec, SweepSpec


def declared(**tables: Any) -> SweepSpec:
    from manyfit import connect

    whole = {"name": "s", "data": "sklearn:iris", "pipelines": {"nb": {"steps": ["GaussianNB"]}}, **tables}
    return connect.declare_sweep(whole, Path.cwd()).spec


def test_nothing_of_it_is_on_by_default() -> None:
    """No series, nothing is held, the usual columns."""
    spec = declared()
    assert (spec.keep.series, spec.checks, spec.export) == (False, ChecksSpec(), ExportSpec())


@pytest.mark.parametrize(
    ("columns", "read"),
    [
        (["key", "fold:integer"], (("key", ""), ("fold", "integer"))),
        ({"key": "text", "cv_accuracy": "float"}, (("key", "text"), ("cv_accuracy", "float"))),
        (["param_a:b"], (("param_a:b", ""),)),
    ],
)
def test_columns_are_a_list_or_a_table(columns: Any, read: Any) -> None:
    """With types or without; and a sweep in a store says the same."""
    spec = declared(export={"columns": columns}, checks={"hold": True}, keep={"series": True})
    assert spec.export.columns == read
    assert from_json(to_json(spec)) == spec
    assert (spec.checks.hold, spec.keep.series) == (True, True)


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ({"export": {"columns": {"key": "txt"}}}, "txt"),
        ({"export": {"columns": []}}, "a list of columns"),
        ({"export": {"columns": ["key", "key:text"]}}, "more than once"),
        ({"export": {"columns": [3]}}, "text is wanted"),
        ({"export": {"columns": "key"}}, "a list of columns"),
        ({"checks": {"hold": "yes"}}, "true or false"),
        ({"checks": {"hald": True}}, "hold"),
        ({"keep": {"series": 1}}, "true or false"),
    ],
)
def test_mistakes_say_what_is_wanted(tables: Any, why: str) -> None:
    """Where, what was received, and what would be right."""
    with pytest.raises(SweepMistakes, match=why):
        declared(**tables)
