"""Versions are held against what manyfit declares, and against what is known of SQLite and OpenMP."""

import pytest
from tests.health.examinations import examined

from manyfit.health import versions
from manyfit.health.finding import Status
from manyfit.health.inquiry import Inquiry, Subject
from manyfit.health.ranges import Requirement, numbers, requirement_of, within


@pytest.mark.parametrize(
    ("version", "range_", "inside"),
    [
        ("2.0", ">=2.0", True),
        ("2.0.0", ">=2.0", True),
        ("1.26.4", ">=2.0", False),
        ("2.10", ">=2.9", True),
        ("3.0", ">=2.0,<3", False),
        ("2.9.9", ">=2.0, <3", True),
        ("1.5.1", "!=1.5.1", False),
        ("1.5.2", "!=1.5.1", True),
        ("1.5.2", "!=1.5.*", False),
        ("1.5.2", "==1.5.*", True),
        ("1.6", "==1.5.*", False),
        ("1.4.5", "~=1.4.2", True),
        ("1.5", "~=1.4.2", False),
        ("1.4.1", "~=1.4.2", False),
        ("2.1rc1", ">2.0", True),
        ("2.0+cpu", "==2.0", True),
        ("2.0", "", True),
        ("2.0", "@ somewhere", True),
    ],
)
def test_ranges(version: str, range_: str, inside: bool) -> None:
    """A version is inside when it satisfies every clause; clauses of another form are not held against it."""
    assert within(version, range_) is inside


@pytest.mark.parametrize(
    ("text", "requirement"),
    [
        ("numpy>=2.0", Requirement(name="numpy", specifiers=">=2.0")),
        ("Scikit_Learn (>=1.8)", Requirement(name="scikit-learn", specifiers=">=1.8")),
        ("pandas>=2.2; extra == 'pandas'", Requirement(name="pandas", specifiers=">=2.2", extra="pandas")),
        ("psycopg[binary,pool]>=3.2,<4", Requirement(name="psycopg", specifiers=">=3.2,<4")),
        ('tomli; python_version < "3.11"', Requirement(name="tomli", specifiers="", conditional=True)),
    ],
)
def test_requirements_are_read_as_packages_declare_them(text: str, requirement: Requirement) -> None:
    """Name, range and extra are told apart."""
    assert requirement_of(text) == requirement


def test_numbers_of_versions() -> None:
    """Only the numbers at the beginning count."""
    assert numbers("3.51.3") == (3, 51, 3)
    assert numbers("2.0rc1") == (2, 0)
    assert numbers("unknown") == ()


@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        ("3.6.23", False),
        ("3.7.0", True),
        ("3.40.1", True),
        ("3.44.5", True),
        ("3.44.6", False),
        ("3.45.0", True),
        ("3.50.4", True),
        ("3.50.7", False),
        ("3.51.0", True),
        ("3.51.2", True),
        ("3.51.3", False),
        ("3.53.0", False),
    ],
)
def test_the_wal_reset_bug_is_in_these_versions(version: str, has_it: bool) -> None:
    """From 3.7.0 to 3.51.2, without the repaired releases of two older branches."""
    assert versions.has_wal_reset_bug(version) is has_it
    seen = versions.sqlite(version)
    assert seen.status is (Status.WARNING if has_it else Status.OK)
    assert ("3.51.3 or later" in seen.do) is has_it


KNOWN = [requirement_of(text) for text in ("numpy>=2.0", "xgboost>=2.1; extra == 'boost'")]


@pytest.mark.parametrize(
    ("installed", "status", "said"),
    [
        ("2.4", "ok", "2.4 (>=2.0)"),
        ("1.26", "problem", "1.26; manyfit needs >=2.0"),
        (None, "problem", "not installed"),
    ],
)
def test_a_library_that_is_needed(installed: str | None, status: str, said: str) -> None:
    """Missing or outside of its range is a problem, with the command that installs it."""
    seen = versions.needed("numpy", KNOWN, lambda name: installed)
    assert (seen.status.value, said in seen.text) == (status, True), seen
    assert seen.do == ("" if status == "ok" else "pip install 'numpy>=2.0'")


@pytest.mark.parametrize(
    ("name", "installed", "status", "said"),
    [
        ("xgboost", None, "ok", "pip install 'manyfit[boost]'"),
        ("torch", None, "ok", "pip install torch"),
        ("torch", "2.9", "ok", "2.9"),
        ("xgboost", "2.1.4", "ok", "2.1.4"),
        ("xgboost", "1.7", "warning", "1.7; manyfit supports >=2.1"),
    ],
)
def test_a_library_that_is_optional(name: str, installed: str | None, status: str, said: str) -> None:
    """Missing is no warning but how to get it; outside of its range is one."""
    seen = versions.optional(name, KNOWN, lambda name: installed)
    assert (seen.status.value, said in seen.text) == (status, True), seen


def test_other_libraries_share_a_line() -> None:
    """All well is one list; only what is wrong is named otherwise."""
    well = versions.needed("numpy", KNOWN, lambda name: "2.4")
    wrong = versions.needed("numpy", KNOWN, lambda name: "1.0")
    assert versions.others({"a": well, "b": well}).text == "a 2.4, b 2.4"
    seen = versions.others({"a": well, "b": wrong})
    assert (seen.status, seen.text) == (Status.PROBLEM, "b: 1.0; manyfit needs >=2.0")


def test_pythons_outside_of_the_range() -> None:
    """An old Python is a problem."""
    assert versions.python("3.10.1", ">=3.11").status is Status.PROBLEM
    assert versions.python("3.12.0", ">=3.11").status is Status.OK


@pytest.mark.parametrize(
    ("files", "status", "said"),
    [
        ([], "ok", "none loaded"),
        (["/lib/libgomp.so.1", "/lib/libm.so.6"], "ok", "libgomp (GNU)"),
        (["/a/libgomp-1.so", "/b/libgomp.so.1"], "ok", "2 x libgomp"),
        (["/a/libgomp.so.1", "/b/libomp.so"], "warning", "libgomp (GNU) and libomp (LLVM)"),
        (["/a/libiomp5.so", "/b/libgomp-a34b.so.1"], "warning", "in one process"),
        (["/a/libompl.so"], "ok", "none loaded"),
    ],
)
def test_two_kinds_of_openmp_do_not_go_together(files: list[str], status: str, said: str) -> None:
    """Copies of one kind are harmless; two kinds in one process can hang."""
    seen = versions.openmp(files)
    assert (seen.status.value, said in seen.text) == (status, True), seen


def test_the_versions_here_are_supported() -> None:
    """The environment of the tests has what manyfit declares; every library is looked at."""
    found = examined(Inquiry(subject=Subject.VERSIONS))
    assert [finding for finding in found.values() if finding.status is Status.PROBLEM] == []
    assert {"python", "numpy", "scipy", "scikit-learn", "polars", "torch", "sqlite", "openmp"} <= set(found)
    assert "gomp" in found["openmp"].seen.text or "omp" in found["openmp"].seen.text
