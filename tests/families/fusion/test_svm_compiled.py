"""The compiled solver of support vector classifiers, bit for bit beside scikit-learn's SVC."""

import math
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC, NuSVC, _libsvm
from tests.families.fusion.side_by_side import CLOSE, assert_fused_as_alone, batch_of, grid

from manyfit.data import cache_root
from manyfit.families.fusion import svm_loading
from manyfit.families.fusion.kernels import kernel_of
from manyfit.families.fusion.paths import Paths
from manyfit.families.fusion.svm import KernelsRule, Solver, fitted, training_of
from manyfit.families.fusion.svm_loading import Compiled, finds_what_libsvm_finds
from manyfit.testing.fusion import FusionSuite, Sample

pytest.importorskip("numba")
if not svm_loading.is_possible():
    pytest.skip("numbers are rounded otherwise on this machine", allow_module_level=True)

import numba

from manyfit.families.fusion import kept_code, svm_compiled
from manyfit.families.fusion.svm_compiled import solve_pairs

FOUND = (
    "support_",
    "n_support_",
    "dual_coef_",
    "intercept_",
    "n_iter_",
    "fit_status_",
    "_dual_coef_",
    "_intercept_",
)
AT_ONCE = KernelsRule(compiled=Compiled(seconds=math.inf))
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class TestSvmKernelCompiled(FusionSuite):
    """The rule of `test_svm`, with the compiled solver from the first fit on."""

    rule = AT_ONCE
    samples = (
        Sample(
            path="sklearn.svm:SVC",
            grid={"C": [0.1, 30.0], "kernel": ["linear", "rbf", "sigmoid"], "shrinking": [True, False]},
            params={"max_iter": 1000},
        ),
        *(
            Sample(path=f"sklearn.svm:{name}", grid={axis: [0.2, 0.3]}, params={"max_iter": 1000})
            for name, axis in (("NuSVC", "nu"), ("SVR", "C"), ("NuSVR", "nu"))
        ),
    )
    refused = (("sklearn.svm:SVC", {"kernel": "precomputed"}), ("sklearn.svm:SVC", {"probability": True}))


def _solve(estimators, X, y):
    """Solve fits with one kernel; return what `fit` would have left, and what the solver tells of each fit."""
    training = training_of(batch_of(estimators, X, y))
    kernel = kernel_of(estimators[0].get_params(), training.X)
    path = Paths(
        training.pairs, training.kernels.matrix(kernel, np.float32), training.kernels.diagonal(kernel), solve_pairs
    )
    for estimator in estimators:
        made = training.checked(estimator)
        solution = path.solve(made)
        yield (
            fitted(made, training, solution),
            next(found for found in path.last.values() if found.solution is solution),
        )


def _assert_libsvms(estimators, X, y):
    """Everything that is found is libsvm's, to the last bit; return what the solver tells of each fit."""
    told = []
    for estimator, (found, more) in zip(estimators, _solve(estimators, X, y), strict=True):
        told.append(more)
        try:
            alone = clone(estimator).fit(X, y)
        except ValueError as refused:
            assert "not finite" in str(refused)  # noqa: PT017 - the other case is compared below
            assert not np.isfinite(found.intercept_).all()
            continue
        for name in FOUND:
            mine, theirs = np.asarray(getattr(found, name)), np.asarray(getattr(alone, name))
            np.testing.assert_array_equal(mine, theirs, err_msg=f"{name} of {estimator}")
            assert mine.dtype == theirs.dtype, name
    return told


# -- made data ---------------------------------------------------------------------------------------------

ROWS = {
    "normal": lambda rng, n, d: rng.normal(size=(n, d)),
    "whole": lambda rng, n, d: rng.integers(-2, 3, (n, d)),
    "repeated": lambda rng, n, d: rng.normal(size=(n, d))[rng.integers(0, max(1, n // 4), n)],
    "constant": lambda rng, n, d: np.column_stack([np.full(n, 3.0), rng.normal(size=(n, d))]),
    "bits": lambda rng, n, d: rng.integers(0, 2, (n, d)),
    "unscaled": lambda rng, n, d: rng.normal(size=(n, d)) * 10.0 ** rng.integers(-3, 4, d),
}


@st.composite
def fits(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_classes = draw(st.integers(2, 5))
    n = draw(st.integers(2 * n_classes, 60))
    X = ROWS[draw(st.sampled_from(sorted(ROWS)))](rng, n, draw(st.integers(1, 5)))
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    if draw(st.booleans()):
        y = np.where(X[:, 0] > np.median(X[:, 0]), y, 0)
        y[:n_classes] = np.arange(n_classes)
    estimator = SVC(
        kernel=draw(st.sampled_from(["linear", "rbf", "poly", "sigmoid"])),
        gamma=10.0 ** draw(st.integers(-4, 2)),
        degree=draw(st.integers(1, 4)),
        coef0=draw(st.sampled_from([0.0, 1.0, -0.5])),
        tol=draw(st.sampled_from([1e-6, 1e-3, 0.1, 3.0])),
        shrinking=draw(st.booleans()),
        class_weight=draw(st.sampled_from([None, "balanced", {0: 0.0}, {0: 10.0, 1: 0.1}])),
        max_iter=draw(st.sampled_from([3000, 3000, 0, 1, 17, 61])),
    )
    cs = sorted(10.0 ** draw(st.integers(-4, 7)) for _ in range(3))
    return grid(estimator, C=cs), np.asarray(X, dtype=float), y


@given(fits())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_made_fits_are_libsvms(fit):
    """Ties, repeated rows, any kernel and any limits, one C after the other."""
    _assert_libsvms(*fit)


@pytest.mark.long
@given(fits())
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
def test_many_made_fits_are_libsvms(fit):
    """The same, at length."""
    _assert_libsvms(*fit)


# -- shrinking ---------------------------------------------------------------------------------------------


def _overlapping(n=300, k=2, seed=0):
    X, y = make_classification(
        n, 8, n_informative=6, n_redundant=0, n_classes=k, class_sep=0.5, flip_y=0.1, random_state=seed
    )
    return X, y


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly", "sigmoid"])
@pytest.mark.parametrize("shrinking", [True, False])
def test_rows_are_left_aside_and_taken_back_as_libsvm_does(kernel, k, shrinking):
    """Long runs shrink several times; the gaps of rows left aside are computed anew at the end."""
    X, y = _overlapping(k=k)
    gamma = 0.02 if kernel == "sigmoid" else 0.3
    estimator = SVC(kernel=kernel, gamma=gamma, tol=1e-4, shrinking=shrinking, max_iter=200_000)
    told = _assert_libsvms(grid(estimator, C=[0.1, 3.0, 100.0]), X, y)
    times = max(found.n_shrunk.max() for found in told)
    assert times >= 1 if shrinking else times == 0


def test_whole_numbers_shrink_as_libsvm_does():
    """With ties the order in which rows were left aside decides which row is taken."""
    rng = np.random.default_rng(1)
    X = rng.integers(0, 4, (240, 5)).astype(float)
    y = (X[:, 0] + X[:, 1] + rng.integers(-2, 3, 240) > 3).astype(int)
    for kernel, gamma in (("linear", 1.0), ("rbf", 0.25), ("poly", 0.5)):
        estimator = SVC(kernel=kernel, gamma=gamma, tol=1e-5, max_iter=300_000)
        told = _assert_libsvms(grid(estimator, C=[0.5, 8.0, 64.0]), X, y)
        assert told[-1].n_shrunk[0] > 3


def test_a_limit_in_the_middle_of_shrinking():
    """A run that is stopped keeps the order and the gaps that it has."""
    X, y = _overlapping()
    limits = [300, 301, 302, 450, 600, 601, 602, 1100]
    for max_iter in limits:
        (found,) = _assert_libsvms([SVC(kernel="linear", C=10.0, max_iter=max_iter)], X, y)
        assert found.solution.status == 1


@pytest.mark.slow
def test_more_than_a_hundred_thousand_iterations():
    """A linear kernel at large C: rows are left aside hundreds of times."""
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    (found,) = _assert_libsvms([SVC(kernel="linear", C=1e4, tol=1e-6, max_iter=400_000)], X[:, :12], y)
    assert found.n_iter[0] > 100_000
    assert found.n_shrunk[0] > 100


@pytest.mark.parametrize("weight", [None, "balanced", {3: 0.01, 5: 40.0}])
def test_digits_are_libsvms(weight):
    """Real data with ties, ten classes."""
    X, y = load_digits(return_X_y=True)
    estimator = SVC(class_weight=weight)
    _assert_libsvms(grid(estimator, C=[0.01, 1.0, 100.0, 1000.0]), X[:700], y[:700])
    _assert_libsvms([SVC(kernel="linear", C=0.1, class_weight=weight)], X[:700], y[:700])


def test_more_than_a_thousand_rows_of_a_pair():
    """Rows are left aside after a thousand iterations, not after as many as there are rows."""
    X, y = _overlapping(1300)
    (found,) = _assert_libsvms([SVC(kernel="linear", C=1.0, tol=1e-5)], X, y)
    assert found.n_shrunk[0] >= 2


def test_kernels_of_nothing_and_a_tolerance_below_rounding():
    """Rows that the kernel cannot tell apart have a curvature of libsvm's choice."""
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    estimator = SVC(kernel="poly", degree=1, gamma=1e-160, coef0=0.0, C=1e-5, tol=1e-200, max_iter=500)
    _assert_libsvms([estimator], X, y)


# -- larger C ----------------------------------------------------------------------------------------------


def test_a_solution_is_used_for_larger_c_only_where_no_bound_was_met():
    """What is taken over is what solving again would give, and what has met a bound is solved again."""
    X, y = _overlapping(120, 3)
    X[y == 2] += 9.0
    estimators = grid(SVC(gamma=0.5), C=[0.1, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 1e4, 1e5])
    told = _assert_libsvms(estimators, X, y)
    assert told[0].touched.all()
    assert told[-1] is told[-2]
    assert any(found.touched.any() and not found.touched.all() for found in told)


def test_a_bound_that_was_met_on_the_way_is_remembered():
    """A weight that is free in the end may have been at its bound before: the next C is solved anew."""
    rng = np.random.default_rng(111)
    X, y = rng.normal(size=(12, 2)), np.repeat([0, 1], 6)
    X[:, 0] += 1.2 - 2.4 * y
    low, _ = _assert_libsvms(grid(SVC(kernel="poly", degree=2, coef0=0.5, gamma=1.0), C=[0.2, 0.25]), X, y)
    assert np.abs(low.weights).max() < 0.2
    assert low.touched.all()


@pytest.mark.parametrize("axis", ["tol", "max_iter", "shrinking", "class_weight"])
def test_solutions_are_used_only_for_fits_that_agree_in_all_but_c(axis):
    """Another tolerance, another limit or other weights are another run."""
    X, y = _overlapping(120)
    values = {
        "tol": [1e-1, 1e-5],
        "max_iter": [20, -1],
        "shrinking": [True, False],
        "class_weight": [{0: 5.0}, {0: 5.0, 1: 2.0}],
    }
    estimators = sorted(grid(SVC(gamma=0.7), C=[1e3, 1e4], **{axis: values[axis]}), key=lambda each: each.C)
    told = _assert_libsvms(estimators, X, y)
    assert told[0] is told[2]
    assert told[0] is not told[1]


def test_decision_values_are_computed_once_for_fits_with_one_solution():
    """Answers are those of each fit alone, in its own shape."""
    X, y = _overlapping(120, 3)
    estimators = grid(SVC(gamma=0.7), C=[1e4, 1e5], decision_function_shape=["ovo", "ovr"], break_ties=[False])
    assert len(assert_fused_as_alone(AT_ONCE, batch_of(estimators, X, y, test=X[:9] + 0.1), within=CLOSE)) == 4
    sums = {id(source.functions["predict"].__self__.sums) for _, source in AT_ONCE.run(batch_of(estimators, X, y))}
    assert len(sums) == 1


# -- when it is used ---------------------------------------------------------------------------------------


def _solver(compiled, estimator, X, y):
    training = training_of(batch_of([estimator], X, y))
    return Solver(training, kernel_of(estimator.get_params(), training.X), compiled), training.checked(estimator)


def test_libsvm_is_used_until_loading_pays(monkeypatch):
    """Small searches never load a compiler; long ones do after as much time as that takes."""
    monkeypatch.setattr(svm_loading, "SECONDS_TO_LOAD", 1e-4)
    X, y = _overlapping(120)
    compiled = Compiled()
    estimator = SVC(gamma=0.5)
    solver, made = _solver(compiled, estimator, X, y)
    first = solver.solve(made)
    assert solver._paths is None
    assert compiled.seconds == pytest.approx(6e-9 * 120 * first.n_iter[0])
    compiled.seconds = 1.0
    monkeypatch.setattr(svm_compiled, "is_kept", lambda: True)
    second = solver.solve(made)
    assert solver._paths is not None
    np.testing.assert_array_equal(first.dual, second.dual)


def test_compiling_must_pay_where_nothing_is_kept(monkeypatch):
    """
    A solver that has to be compiled first costs much more than one that is kept on disk.

    It is compiled at the beginning of a batch, never on the time of a single fit.
    """
    monkeypatch.setattr(svm_compiled, "is_kept", lambda: False)
    assert Compiled(seconds=1.0).solver(compiles=True) is None
    assert Compiled(seconds=13.0).solver() is None
    assert Compiled(seconds=13.0).solver(compiles=True) is solve_pairs


def test_a_batch_begins_with_compiling(monkeypatch):
    """The first fit finds the solver compiled; machines that it does not solve do not ask for it."""
    monkeypatch.setattr(svm_compiled, "is_kept", lambda: False)
    X, y = _overlapping(60)
    for estimator, loaded in ((SVC(), True), (NuSVC(nu=0.3), False)):
        rule = KernelsRule(compiled=Compiled(seconds=13.0))
        next(rule.run(batch_of([estimator], X, y)))
        assert (rule.compiled._solver is not None) == loaded


def test_what_is_kept_is_known():
    """After a first call the solver is on disk, or there is no folder."""
    _assert_libsvms([SVC()], *_overlapping(40))
    assert svm_compiled.is_kept() == (svm_compiled.FOLDER is not None)


# -- where it is kept --------------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Return a source file, to be kept in a folder of the test's own."""
    monkeypatch.setenv("MANYFIT_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "source.py"
    path.write_text("one")
    return path


def test_the_folder_is_beside_converted_data(source, tmp_path, monkeypatch):
    """One rule says where both are."""
    assert kept_code.kept_root() == cache_root() / "compiled" == tmp_path / "cache" / "compiled"
    assert kept_code.made_folder(source).parent == kept_code.kept_root()
    monkeypatch.delenv("MANYFIT_CACHE")
    assert kept_code.kept_root() == cache_root() / "compiled"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("numba.__version__", "0.0"),
        ("llvmlite.__version__", "0.0"),
        ("sys.version", "0.0"),
        ("config.CPU_NAME", "generic"),
        ("config.CPU_FEATURES", "-avx2"),
        ("_user", lambda: -1),
    ],
)
def test_a_folder_never_holds_two_meanings(source, name, value, monkeypatch):
    """Another release, processor or user has another folder, and so has another source text."""
    before = kept_code._key(source)
    assert before == kept_code._key(source)
    monkeypatch.setattr(f"manyfit.families.fusion.kept_code.{name}", value)
    assert kept_code._key(source) != before
    monkeypatch.undo()
    source.write_text("two")
    assert kept_code._key(source) != before


def test_a_second_installation_keeps_its_own_code(source, tmp_path):
    """numba does not take the code of an equal file elsewhere, or of one that was written again."""
    before = kept_code._key(source)
    other = tmp_path / "other" / source.name
    other.parent.mkdir()
    other.write_bytes(source.read_bytes())
    assert kept_code._key(other) != before
    os.utime(source, ns=(1, 1))
    assert kept_code._key(source) != before


def test_code_is_kept_in_the_folder_and_nowhere_else(source):
    """numba is told of the folder only while a function is decorated."""
    folder, before = kept_code.made_folder(source), numba.config.CACHE_DIR
    with kept_code.kept_in(folder):
        twice = numba.njit(cache=True)(_doubled)
    assert before == numba.config.CACHE_DIR
    assert not kept_code.is_kept(folder, "_doubled")
    assert twice(2) == 4
    assert kept_code.is_kept(folder, "_doubled")
    next(folder.glob("*/*.nbc")).unlink()
    assert not kept_code.is_kept(folder, "_doubled"), "an index alone is no code"


def _doubled(x):
    return 2 * x


def test_nothing_is_kept_where_others_may_write(source):
    """Code is loaded as pickles are: another user's folder, or one that others may change, is not used."""
    folder = kept_code.made_folder(source)
    assert folder.stat().st_mode & 0o077 == 0
    folder.chmod(0o770)
    assert kept_code.made_folder(source) is None


def test_nothing_is_kept_where_no_folder_can_be_made(source, tmp_path):
    """A file in the way, as a full or read-only disk, is no error."""
    (tmp_path / "cache").write_text("no folder")
    assert kept_code.made_folder(source) is None
    assert not kept_code.is_kept(None, "solve_pairs")


# -- what goes wrong ---------------------------------------------------------------------------------------


def _broken(*arguments):
    raise OSError(122, "Disk quota exceeded")


def test_a_solver_that_fails_costs_no_fit(monkeypatch, source):
    """Compiling, and writing what was compiled, happens in the first call: libsvm goes on, once and for all."""
    monkeypatch.setattr(svm_compiled, "FOLDER", kept_code.made_folder(source))
    (svm_compiled.FOLDER / "some").mkdir()
    X, y = _overlapping(100)
    batch = batch_of(grid(SVC(), C=[0.5, 5.0]), X, y)
    rule = KernelsRule(compiled=Compiled(seconds=math.inf, _solver=_broken, _module=svm_compiled))
    assert len(assert_fused_as_alone(rule, batch, within=CLOSE)) == 2
    assert rule.compiled.solver(compiles=True) is None
    assert list(svm_compiled.FOLDER.iterdir()) == [], "what is kept may be at fault"
    assert svm_compiled.FOLDER.exists()


def test_a_solver_that_fails_when_it_is_tried_is_left(monkeypatch, source):
    """The trial at loading fails in the same ways."""
    monkeypatch.setattr(svm_compiled, "FOLDER", kept_code.made_folder(source))
    monkeypatch.setattr(svm_compiled, "solve_pairs", _broken)
    compiled = Compiled(seconds=math.inf)
    assert compiled.solver(compiles=True) is None
    assert compiled._failed


def test_too_little_memory_is_for_the_engine_to_know(monkeypatch, source):
    """It makes the fits alone, in another process if need be: the solver is not given up for it."""

    def large(*arguments):
        raise MemoryError

    X, y = _overlapping(60)
    compiled = Compiled(seconds=math.inf, _solver=large, _module=svm_compiled)
    with pytest.raises(MemoryError):
        list(KernelsRule(compiled=compiled).run(batch_of([SVC()], X, y)))
    assert compiled.solver() is large


def test_too_little_memory_for_a_compiler_leaves_libsvm(monkeypatch, source):
    """libsvm needs less; what is kept is not at fault."""

    def large(*arguments):
        raise MemoryError

    monkeypatch.setattr(svm_compiled, "FOLDER", kept_code.made_folder(source))
    monkeypatch.setattr(svm_compiled, "solve_pairs", large)
    (svm_compiled.FOLDER / "some").mkdir()
    compiled = Compiled(seconds=math.inf)
    assert compiled.solver(compiles=True) is None
    assert compiled._failed
    assert (svm_compiled.FOLDER / "some").exists()


def test_compiling_that_was_cut_short_must_pay_again(monkeypatch):
    """A limit of time that is shorter than compiling takes is not met by every batch."""
    calls = []

    class Late(BaseException):
        """As a limit of time is told."""

    def slow(*arguments):
        calls.append(1)
        raise Late

    monkeypatch.setattr(svm_compiled, "is_kept", lambda: False)
    monkeypatch.setattr(svm_compiled, "solve_pairs", slow)
    compiled = Compiled(seconds=13.0)
    with pytest.raises(Late):
        compiled.solver(compiles=True)
    assert compiled.solver(compiles=True) is None
    assert len(calls) == 1
    assert not compiled._failed


@pytest.mark.parametrize("name", ["weights", "intercepts", "n_iter"])
def test_a_solver_that_rounds_otherwise_is_not_used(name, monkeypatch, source):
    """A libsvm that was built otherwise, or code of another processor, is found out before the first fit."""

    def other(*arguments):
        solve_pairs(*arguments)
        given = dict(zip(("weights", "intercepts", "n_iter"), arguments[8:11], strict=True))[name]
        given[...] = given + 1 if name == "n_iter" else np.nextafter(given, given + np.sign(given))

    assert finds_what_libsvm_finds(solve_pairs)
    assert not finds_what_libsvm_finds(other)
    monkeypatch.setattr(svm_compiled, "FOLDER", kept_code.made_folder(source))
    monkeypatch.setattr(svm_compiled, "solve_pairs", other)
    assert Compiled(seconds=math.inf).solver(compiles=True) is None


def test_the_trial_meets_bounds_and_leaves_rows_aside():
    """A problem that is solved in a few steps would find nothing out."""
    seen = []

    def watched(*arguments):
        solve_pairs(*arguments)
        seen.append(arguments[8:])

    assert finds_what_libsvm_finds(watched)
    weights, _, n_iter, touched, n_shrunk = seen[0]
    assert touched.all()
    assert n_shrunk.max() >= 1
    assert n_iter.min() > 100
    assert (np.abs(weights[weights != 0]) < 3.0).sum() > 20


def test_the_trial_says_nothing(capfd):
    """libsvm talks unless it is told not to, and remembers what it was told last."""
    _libsvm.set_verbosity_wrap(1)
    assert finds_what_libsvm_finds(solve_pairs)
    sys.stdout.flush()
    assert capfd.readouterr().out == ""


@pytest.mark.slow
def test_a_compiler_that_is_switched_off_is_no_error():
    """With NUMBA_DISABLE_JIT the solver cannot run: libsvm does everything."""
    code = (
        "import math\n"
        "import numpy as np\n"
        "from sklearn.svm import SVC\n"
        "from manyfit.contracts.fusion import Batch\n"
        "from manyfit.families.fusion.svm import KernelsRule\n"
        "from manyfit.families.fusion.svm_loading import Compiled\n"
        "X, y = np.eye(6), np.arange(6) % 2\n"
        "batch = Batch(path='sklearn.svm:SVC', estimators=[SVC(), SVC(C=2.0)], X=X, y=y, sets={'train': X})\n"
        "rule = KernelsRule(compiled=Compiled(seconds=math.inf))\n"
        "assert len(list(rule.run(batch))) == 2\n"
        "assert rule.compiled._failed\n"
    )
    given = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=given)


# -- where it cannot be used -------------------------------------------------------------------------------


@pytest.mark.parametrize("lack", ["numba", "x86_64", "a release that suits"])
def test_without_it_libsvm_goes_on(lack, monkeypatch):
    """Where numba is absent, breaks, or numbers are rounded otherwise, results are the same."""

    def broken(name):
        raise TypeError("unknown option")

    change = {
        "numba": ("find_spec", lambda name: None),
        "x86_64": ("platform.machine", lambda: "arm64"),
        "a release that suits": ("import_module", broken),
    }[lack]
    target = change[0] if "." in change[0] else f"manyfit.families.fusion.svm_loading.{change[0]}"
    monkeypatch.setattr(target, change[1])
    compiled = Compiled(seconds=math.inf)
    X, y = _overlapping(100)
    rule = KernelsRule(compiled=compiled)
    assert len(assert_fused_as_alone(rule, batch_of(grid(SVC(), C=[0.5, 5.0]), X, y), within=CLOSE)) == 2
    assert compiled.solver() is None


@pytest.mark.parametrize(("C", "scale"), [(1e140, 1.0), (1e-38, 1e18)])
def test_numbers_that_may_overflow_are_left_to_libsvm(C, scale):
    """The compiled solver is told that no number is missing."""
    X, y = _overlapping(60)
    X *= scale
    estimator = SVC(kernel="linear", C=C, max_iter=50)
    solver, made = _solver(Compiled(seconds=math.inf), estimator, X, y)
    np.testing.assert_array_equal(solver.solve(made).dual, -clone(estimator).fit(X, y).dual_coef_)
    assert solver._matrix is not None
    assert solver._paths is None, "its kernel would stay beside libsvm's"


def test_other_machines_are_libsvms():
    """Only the classifier with C is compiled; a fit that shall tell what it does is told by libsvm."""
    X, y = _overlapping(60)
    for estimator in (NuSVC(nu=0.3), SVC(verbose=True)):
        solver, made = _solver(Compiled(seconds=math.inf), estimator, X, y)
        solver.solve(made)
        assert solver._paths is None


def test_a_limit_of_iterations_warns():
    """A fit that stops early says so."""
    X, y = _overlapping(60)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        list(AT_ONCE.run(batch_of([SVC(max_iter=2)], X, y)))
    assert [one.category for one in heard] == [ConvergenceWarning]


@pytest.mark.slow
def test_asking_does_not_import_numba():
    """Planning, and a small search, do not load a compiler."""
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from sklearn.svm import SVC\n"
        "from manyfit.contracts.estimators import FitSize\n"
        "from manyfit.contracts.fusion import Batch\n"
        "from manyfit.families.fusion.svm import RULES\n"
        "size = FitSize(n_rows=10, n_columns=2, n_classes=2)\n"
        "params = {'kernel': 'rbf', 'gamma': 'scale', 'probability': 'deprecated'}\n"
        "assert RULES[0].refuses('sklearn.svm:SVC', params, size) is None\n"
        "RULES[0].cost_seconds('sklearn.svm:SVC', [params], [1.0], size)\n"
        "X, y = np.eye(6), np.arange(6) % 2\n"
        "batch = Batch(path='sklearn.svm:SVC', estimators=[SVC()], X=X, y=y, sets={'train': X})\n"
        "assert len(list(RULES[0].run(batch))) == 1\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
