"""Installed packages announce estimators by an entry point, and sweep files name them."""

import os
import subprocess
import sys

import pytest

from manyfit.fit.estimators import estimator_catalog
from manyfit.model.errors import NotFound, UserError
from manyfit.models.catalog import registered

MODULE = '''
"""Estimators of somebody else."""

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier


class Guess(ClassifierMixin, BaseEstimator):
    """Always the most frequent class."""

    def __init__(self, n=1):
        self.n = n

    def fit(self, X, y):
        self.dummy_ = DummyClassifier().fit(X, y)
        self.classes_ = self.dummy_.classes_
        return self

    def predict(self, X):
        return self.dummy_.predict(X)
'''
SWEEP = """
name   = "theirs"
data   = "sklearn:wine"
splits = { cv = 3 }

[pipelines.guess]
steps = ["StandardScaler", "guess"]
grid  = { n = [1, 2] }
"""


def install(folder, package, points):
    """Lay a package out as an installed wheel is: its module, and metadata with entry points."""
    module = package.replace("-", "_")
    (folder / f"{module}.py").write_text(MODULE)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {module}:Guess" for name in points]
    (info / "entry_points.txt").write_text("\n".join(["[manyfit.models]", *lines, ""]))
    (info / "INSTALLER").write_text("pip\n")
    (info / "RECORD").write_text(f"{module}.py,,\n{info.name}/METADATA,,\n{info.name}/entry_points.txt,,\n")


def manyfit(folder, python_path, *arguments):
    path = os.pathsep.join([str(folder / "site"), python_path])
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}
    command = [sys.executable, "-m", "manyfit", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, check=False, timeout=60
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "theirs.toml").write_text(SWEEP)
    return tmp_path


@pytest.fixture
def site(folder, monkeypatch):
    """A folder of installed packages on the path of this process."""
    monkeypatch.syspath_prepend(folder / "site")
    registered.cache_clear()
    yield folder / "site"
    registered.cache_clear()
    for name in [
        name for name, module in sys.modules.items() if str(folder) in (getattr(module, "__file__", "") or "")
    ]:
        del sys.modules[name]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_sweep_names_what_a_package_announces(folder, python_path):
    """Planner and workers find the class by its name; a clash ends planning with one error."""
    install(folder / "site", "far-away-models", ["guess"])
    done = manyfit(folder, python_path, "run", "theirs.toml", "--quiet")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "done 6 + failed 0" in done.stdout + done.stderr
    install(folder / "site", "other-models", ["guess"])
    done = manyfit(folder, python_path, "plan", "theirs.toml")
    said = done.stderr + done.stdout
    assert done.returncode != 0
    assert said.count('both announce an estimator "guess"') == 1
    assert "Traceback" not in said


def test_an_installed_package_announces_its_estimator(site):
    """The name is known as soon as the package is there, with its kind and parameters; before it is not."""
    with pytest.raises(NotFound, match='no estimator "guess"'):
        estimator_catalog().resolve("guess")
    install(site, "far-away-models", ["guess"])
    registered.cache_clear()
    found = estimator_catalog().resolve("guess")
    assert (found.path, found.kind, dict(found.defaults)) == ("far_away_models:Guess", "classifier", {"n": 1})


def test_two_packages_with_one_name_are_one_clear_error(site):
    """Both packages are named, with the way out."""
    install(site, "far-away-models", ["guess"])
    install(site, "other-models", ["guess"])
    with pytest.raises(UserError) as caught:
        estimator_catalog()
    said = str(caught.value)
    assert "far-away-models" in said
    assert "other-models" in said
    assert 'both announce an estimator "guess"' in said
    assert "write the import path" in said


def test_the_same_announcement_twice_is_no_clash(site):
    """Two names for one class, and one class under two names, are fine."""
    install(site, "far-away-models", ["guess", "hunch"])
    assert registered()["guess"] == registered()["hunch"] == "far_away_models:Guess"


def test_names_of_manyfit_cannot_be_taken(site):
    """A package that announces a name of manyfit's own is an error, also for sweeps that do not use it."""
    install(site, "greedy", ["gbt"])
    with pytest.raises(UserError, match='the packages manyfit and greedy both announce an estimator "gbt"'):
        estimator_catalog()
