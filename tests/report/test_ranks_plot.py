"""The critical-difference diagram: every name is on the page and none covers another."""

from pathlib import Path

import numpy as np
import pytest

from manyfit.model.errors import UserError
from manyfit.report.plots.canvas import save, styled
from manyfit.report.plots.ranks import draw_ranks
from manyfit.report.ranking import Ranking
from manyfit.report.statistics import alike, critical_difference, friedman

NAMES = tuple(f"pipeline number {n} with a rather long name and features=all" for n in range(13))


def ranking_of(names: tuple[str, ...], n_sets: int = 12, seed: int = 0) -> Ranking:
    scores = np.random.default_rng(seed).normal(size=(n_sets, len(names))) - np.arange(len(names)) * 0.3
    order = np.argsort(friedman(scores).ranks)
    found = friedman(scores[:, order])
    difference = critical_difference(len(names), n_sets)
    return Ranking(
        metric="balanced_accuracy",
        names=names,
        data_sets=tuple(map(str, range(n_sets))),
        scores=tuple(map(tuple, scores)),
        friedman=found,
        critical_difference=difference,
        groups=tuple(alike(found.ranks, difference)),
        alpha=0.05,
        p_wilcoxon=None,
        left_out=(),
    )


@pytest.mark.parametrize("names", [NAMES, ("a", "b"), ("svc", "knn", "tree")])
def test_no_text_covers_another_or_leaves_the_page(names: tuple[str, ...]) -> None:
    """The boxes of all texts are apart from each other and inside of the figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with styled():
        figure = draw_ranks(ranking_of(names))
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    assert len(boxes) > len(names)
    page = figure.bbox
    for at, box in enumerate(boxes):
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
        assert box.y1 <= page.y1
        assert not any(box.overlaps(other) for other in boxes[at + 1 :])


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_the_same_ranking_is_the_same_file(tmp_path: Path, ending: str) -> None:
    """A plot has no date and no random names in it."""
    files = [save(lambda: draw_ranks(ranking_of(("a", "b", "c"))), tmp_path / f"{n}.{ending}") for n in (1, 2)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_other_endings_are_refused(tmp_path: Path) -> None:
    """An ending that no plot has is refused with those that there are."""
    with pytest.raises(UserError, match=r"\.png"):
        save(lambda: draw_ranks(ranking_of(("a", "b"))), tmp_path / "ranks.doc")
