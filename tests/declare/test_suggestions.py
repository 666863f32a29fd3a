"""What messages suggest for a word that is not known."""

import pytest

from manyfit.model.mistake import did_you_mean

METRICS = ("jaccard", "accuracy", "roc_auc_ovr", "roc_auc", "f1", "r2")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("acc", "accuracy"), ("ACC", "accuracy"), ("roc", "roc_auc"), ("acuracy", "accuracy"), ("jacard", "jaccard")],
)
def test_the_beginning_of_a_name_comes_before_what_looks_like_it(word, meant):
    """The shortest name that begins with the word, else the closest one."""
    assert did_you_mean(word, METRICS) == f'; did you mean "{meant}"?'


@pytest.mark.parametrize("word", ["", "j", "zzzz"])
def test_nothing_is_suggested_for_what_could_be_anything(word):
    """One letter begins too many names."""
    assert did_you_mean(word, METRICS) == ""
