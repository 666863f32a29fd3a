"""What a sweep file says of kept models."""

import pytest

from manyfit.declare import from_json, from_mapping, to_json
from manyfit.model.sweep import ModelFormat, Models


def read(**keep):
    declaration = {
        "name": "t",
        "data": "sklearn:iris",
        "pipelines": {"nb": {"steps": ["GaussianNB"]}},
        "keep": keep,
    }
    return from_mapping(declaration)


def sweep(**keep):
    spec, mistakes = read(**keep)
    assert mistakes == []
    return spec


@pytest.mark.parametrize(("value", "per_pipeline"), [("best:2", False), ("best:2 per pipeline", True)])
def test_the_best_count_per_split_or_per_pipeline_and_split(value, per_pipeline):
    """Two words more keep the best of each pipeline; stored sweeps say so, too."""
    spec = sweep(models=value)
    assert (spec.keep.models, spec.keep.n_best, spec.keep.per_pipeline) == (Models.BEST, 2, per_pipeline)
    assert from_json(to_json(spec)) == spec


def test_models_are_no_pickles_unless_asked_for():
    """Formats that run no code are the default."""
    assert sweep().keep.format is ModelFormat.SKOPS
    assert sweep(format="joblib").keep.format is ModelFormat.JOBLIB


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"models": "best:2 per split"}, "best:3 per pipeline"),
        ({"models": "best:0"}, "best:3"),
        ({"models": ""}, "best:3"),
        ({"models": "all per pipeline"}, "best:3"),
        ({"format": "pickle"}, '"skops" or "joblib" is wanted'),
    ],
    ids=str,
)
def test_other_words_are_mistakes(keep, message):
    """The message says what would be right."""
    _, [mistake] = read(**keep)
    assert message in str(mistake)


def test_plans_of_earlier_versions_mean_what_they_meant():
    """A stored sweep that says nothing of formats keeps skops, the best of each split."""
    stored = to_json(sweep(models="best:1"))
    for name in ("format", "per_pipeline"):
        del stored["keep"][name]
    assert from_json(stored) == sweep(models="best:1")
