"""The rules, by name."""

from collections.abc import Collection, Iterator, Mapping

from manyfit.contracts.store import Store
from manyfit.model.errors import UserError
from manyfit.model.mistake import did_you_mean
from manyfit.report.quality import presence, scores, training
from manyfit.report.quality.material import Material, material
from manyfit.report.quality.remark import QualityRule, Remark, Severity

_ALL = (
    QualityRule(
        name="missing-tasks",
        severity=Severity.ERROR,
        meaning="tasks of the plan without a result: they wait, run, were cancelled or were never done",
        do="`manyfit run SWEEP` runs what is left; `manyfit explain SWEEP --pending` says why tasks wait",
        look=presence.missing_tasks,
    ),
    QualityRule(
        name="missing-folds",
        severity=Severity.ERROR,
        meaning="candidates with scores on some folds and seeds and not on others, whose means do not compare",
        do="run or retry what is missing before comparing candidates: `manyfit failures SWEEP`",
        look=presence.missing_folds,
    ),
    QualityRule(
        name="failed-tasks",
        severity=Severity.ERROR,
        meaning="tasks that failed for good",
        do="`manyfit failures SWEEP` says why; then `manyfit retry SWEEP`",
        look=presence.failed_tasks,
    ),
    QualityRule(
        name="missing-scores",
        severity=Severity.ERROR,
        meaning="fits that succeeded and have no score to rank by, or one that is no number",
        do="look at one with `manyfit explain SWEEP KEY`; rank by a metric that is defined on every fold",
        look=presence.missing_scores,
        after_run=True,
    ),
    QualityRule(
        name="undefined-scores",
        severity=Severity.NOTE,
        meaning="fits without a score of another metric: it is not defined there, as ROC AUC on one class is not",
        do="leave the metric out where a model has no probabilities; else use folds in which every class occurs"
        ' (`kind = "stratified"`)',
        look=presence.undefined_scores,
    ),
    QualityRule(
        name="doubtful-results",
        severity=Severity.ERROR,
        meaning="results of a fusion rule that an audit switched off",
        do="`manyfit retry SWEEP --rule NAME`, with the name of the fusion rule, fits them again",
        look=presence.doubtful_results,
    ),
    QualityRule(
        name="changed-rows",
        severity=Severity.ERROR,
        meaning="fits on one cell and one feature set with different numbers of rows",
        do="the data changed while the sweep ran: keep a copy that does not change, and run the sweep again",
        look=presence.changed_rows,
    ),
    QualityRule(
        name="mixed-versions",
        severity=Severity.WARNING,
        meaning="results that were made with different versions of Python, manyfit or a library",
        do="use the same environment on every host and fit again what the others made, or say so with the results",
        look=presence.mixed_versions,
    ),
    QualityRule(
        name="uneven-folds",
        severity=Severity.WARNING,
        meaning="folds that hold out more than twice as many rows as others, so that the mean over folds is not"
        " the mean over rows",
        do="use fewer folds, or folds of another kind; with whole groups it may be unavoidable",
        look=presence.uneven_folds,
    ),
    QualityRule(
        name="constant-parameter",
        severity=Severity.WARNING,
        meaning="searched parameters without any effect: all scores are equal for all of their values",
        do="leave the parameter out of the grid, or look for a typing error in its name or scale",
        look=scores.constant_parameter,
    ),
    QualityRule(
        name="constant-scores",
        severity=Severity.WARNING,
        meaning="pipelines with three candidates or more that all have the same scores",
        do="look at a confusion matrix with `manyfit explain SWEEP KEY`: such models often predict one class only",
        look=scores.constant_scores,
    ),
    QualityRule(
        name="perfect-scores",
        severity=Severity.WARNING,
        meaning="candidates without any mistake on 100 held-out rows or more",
        do="look for the target among the features, for copies of rows, and for groups on both sides of a split",
        look=scores.perfect_scores,
    ),
    QualityRule(
        name="chance-scores",
        severity=Severity.WARNING,
        meaning="pipelines whose best candidate is no better than guessing the most frequent class, or the mean",
        do="check target, features and split; see whether another pipeline learns anything from the same data",
        look=scores.chance_scores,
    ),
    QualityRule(
        name="diverged-fits",
        severity=Severity.ERROR,
        meaning="fits that ran away: a series with a value that is no number, a loss that ended above where it"
        " began, or an R2 below -10",
        do="scale the features, or search smaller learning rates",
        look=training.diverged_fits,
        after_run=True,
    ),
    QualityRule(
        name="flat-series",
        severity=Severity.WARNING,
        meaning="losses that never changed during training",
        do="search larger learning rates; check that the features vary",
        look=training.flat_series,
        after_run=True,
    ),
    QualityRule(
        name="truncated-series",
        severity=Severity.WARNING,
        meaning="series less than half as long as those of the same candidate on other folds or seeds",
        do="with early stopping this can be right; else look at the warnings of these fits",
        look=training.truncated_series,
    ),
    QualityRule(
        name="missing-series",
        severity=Severity.WARNING,
        meaning="fits without a series in a pipeline that has them: scored again from kept predictions, or fitted"
        " before `keep.series` was set",
        do="`manyfit retry SWEEP` fits tasks again; or do without the series",
        look=training.missing_series,
    ),
    QualityRule(
        name="not-converged",
        severity=Severity.WARNING,
        meaning="pipelines more than a tenth of whose fits did not converge",
        do="scale the features, or allow more iterations (`max_iter`)",
        look=training.not_converged,
    ),
    QualityRule(
        name="warned-fits",
        severity=Severity.NOTE,
        meaning="pipelines more than half of whose fits warned about anything else",
        do="`manyfit warnings SWEEP` shows what they said",
        look=training.warned_fits,
    ),
)

RULES: Mapping[str, QualityRule] = {rule.name: rule for rule in _ALL}


def chosen(names: Collection[str]) -> list[QualityRule]:
    """Return the rules with these *names*, all when there are none. Raises `UserError` for an unknown one."""
    for name in names:
        if name not in RULES:
            raise UserError(f'no rule "{name}"{did_you_mean(name, RULES)}; rules: {", ".join(RULES)}')
    return [rule for rule in _ALL if not names or rule.name in names]


def remarks(store: Store, rules: Collection[QualityRule] = _ALL) -> list[Remark]:
    """Return what *rules* find in *store*, errors first. Raises `NotFound` while nothing was submitted."""
    at = material(store)
    found = [remark for rule in rules for remark in _asked(rule, at)]
    order = [*Severity]
    return sorted(found, key=lambda remark: order.index(remark.severity))


def _asked(rule: QualityRule, at: Material) -> Iterator[Remark]:
    for found in rule.look(at):
        yield Remark(rule=rule, found=found)


AFTER_RUN = tuple(rule for rule in _ALL if rule.after_run)
"""The rules that are asked at the end of every run."""

MOST_AFTER_RUN = 20_000
"""Results beyond which a run ends without being checked: reading all their details takes seconds."""


def after_run(store: Store) -> list[Remark]:
    """Return what is worth a word at the end of a run."""
    counts = store.snapshot().counts
    return remarks(store, AFTER_RUN) if 0 < counts.done <= MOST_AFTER_RUN else []
