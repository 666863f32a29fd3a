"""
Trees and forests of scikit-learn: the answers of smaller ones are found inside the largest.

Three facts, each exact. A forest draws the seeds of its trees one after the other, so a smaller forest is
a prefix of a larger. A tree with `max_leaf_nodes` grows best first and numbers its nodes as it grows, so
the tree with k leaves is what the first 2k - 1 nodes of a larger one span. Pruning (`ccp_alpha`) starts
from the unpruned tree. A tree without `max_leaf_nodes` grows depth first and draws in another order: it is
another group. Every other parameter changes what is drawn.
"""

import copy
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, CannotFuse, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.demands import require_one_target, several_jobs_refusal
from manyfit.families.fusion.prefixes import Fitted, fitted, prefix_seconds, prepared, seed_refusal
from manyfit.families.fusion.sources import ComputedSource, predicted_by_largest
from manyfit.families.fusion.tokens import token

HELD_BYTES = 256 * 2**20
"""Sums of the trees' answers that are held at once; more variants than fit are computed in several passes."""

TREE_SECONDS = 1.5e-4
"""Asking one tree of a variant, for a few rows (one thread)."""
ROW_SECONDS = 6e-8
"""The same for each row."""

Variant = tuple[int | None, float]
"""max_leaf_nodes and ccp_alpha."""
Wanted = Mapping[Variant, Mapping[int, Sequence[int]]]
"""The positions of the estimators with each variant and number of trees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrownRule:
    """
    Smaller trees and forests are answered for by what is found of them inside the largest.

    Exact because a forest draws the seeds of its trees one after the other, so a smaller forest is the first
    trees of a larger; a tree with `max_leaf_nodes` grows best first, so fewer leaves are the first ones of
    more; and pruning (`ccp_alpha`) starts from the whole tree. Trees with and without `max_leaf_nodes` are
    grown apart. Fits with several jobs, `warm_start`, `oob_score`, a criterion that is an object, a
    random_state that is no whole number, or several targets are fitted alone.
    """

    name: str
    covers: frozenset[str]
    axes: tuple[str, ...]
    shares: str
    guarantee: Guarantee = Guarantee.EXACT
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        if params.get("warm_start"):
            return "warm_start continues an earlier fit"
        if params.get("oob_score"):
            return "oob_score scores each forest on the rows that its own trees left out"
        for name in ("criterion", "splitter"):
            if not isinstance(params.get(name, ""), str):
                return f"{name} is an object, which may remember earlier fits"
        why = "trees are added up in the order in which threads finish them"
        return several_jobs_refusal(params, why) or seed_refusal(params)

    def group(self, path: str, params: Params) -> Hashable:
        return (params.get("max_leaf_nodes") is None, token(path, params, self.axes))

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        longest: dict[Variant, int] = {}
        for params in members:
            variant = (params.get("max_leaf_nodes"), params.get("ccp_alpha", 0.0))
            longest[variant] = max(longest.get(variant, 1), params.get("n_estimators", 1))
        trees = sum(longest.values()) - max(longest.values())
        return prefix_seconds(alone, size) + trees * (TREE_SECONDS + ROW_SECONDS * size.n_rows)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        require_one_target(batch)
        wanted = _wanted(batch.estimators)
        largest = _largest(batch, wanted, self.axes)
        check = () if hasattr(largest.estimator, "estimators_") else (True,)
        rows = prepared(lambda X: largest.estimator._validate_X_predict(X, *check), batch.sets)
        for part in _parts(wanted, rows, largest.estimator):
            yield from _answers(largest, part, rows)


def _wanted(estimators: Sequence[Any]) -> dict[Variant, dict[int, list[int]]]:
    found: dict[Variant, dict[int, list[int]]] = {}
    for position, estimator in enumerate(estimators):
        variant = (estimator.max_leaf_nodes, float(estimator.ccp_alpha))
        n_trees = int(getattr(estimator, "n_estimators", 1))
        found.setdefault(variant, {}).setdefault(n_trees, []).append(position)
    return found


def _largest(batch: Batch, wanted: Wanted, axes: Sequence[str]) -> Fitted:
    n_leaves = [leaves for leaves, _ in wanted if leaves is not None]
    if n_leaves and len(n_leaves) != len(wanted):
        raise CannotFuse("trees with and without max_leaf_nodes grow in different orders")
    changes: dict[str, Any] = {"max_leaf_nodes": max(n_leaves, default=None), "ccp_alpha": 0.0}
    if "n_estimators" in axes:
        changes["n_estimators"] = max(max(lengths) for lengths in wanted.values())
    return fitted(batch.estimators[0], changes, batch.X, batch.y)


def _parts(wanted: Wanted, rows: Mapping[str, Any], estimator: Any) -> Iterator[Wanted]:
    """Divide the variants so that the sums of one part fit `HELD_BYTES`; the most leaves come first."""
    one = 8 * sum(X.shape[0] for X in rows.values()) * int(getattr(estimator, "n_classes_", 1))
    n_at_once = max(1, HELD_BYTES // max(one, 1))
    ordered = sorted(wanted, key=lambda variant: (-(variant[0] or 0), variant[1]))
    for start in range(0, len(ordered), n_at_once):
        yield {variant: wanted[variant] for variant in ordered[start : start + n_at_once]}


def _answers(largest: Fitted, wanted: Wanted, rows: Mapping[str, Any]) -> Iterator[tuple[int, Source]]:
    """Add up the trees one by one and yield each forest when its last tree has been added."""
    trees = getattr(largest.estimator, "estimators_", None)
    sums: dict[Variant, dict[str, Any]] = {variant: {} for variant in wanted}
    for n_trees, tree in enumerate(trees or [largest.estimator], 1):
        ending = {variant: lengths for variant, lengths in wanted.items() if n_trees <= max(lengths)}
        for variant, values in _of_tree(tree, list(ending), rows):
            _add(sums[variant], values, from_zero=trees is not None)
        for variant, lengths in ending.items():
            for position in lengths.get(n_trees, ()):
                largest.warn_again()
                yield position, _source(largest.estimator, sums[variant], n_trees)


def _add(sums: dict[str, Any], values: Mapping[str, Any], *, from_zero: bool) -> None:
    for name, found in values.items():
        if name in sums:
            sums[name] += found
        else:
            sums[name] = found + 0.0 if from_zero else found.copy()  # a forest adds to zeros: -0.0 becomes 0.0


def _of_tree(
    tree: Any, variants: Sequence[Variant], rows: Mapping[str, Any]
) -> Iterator[tuple[Variant, Mapping[str, Any]]]:
    """Yield what one tree answers in each variant, for all sets; *variants* begin with the most leaves."""
    leaves = {name: tree.tree_.apply(X) for name, X in rows.items() if any(alpha == 0.0 for _, alpha in variants)}
    standing = np.arange(tree.tree_.node_count)
    parents = _parents(tree.tree_)
    previous: tuple[int | None, int, Mapping[str, Any]] | None = None
    for n_leaves, alpha in variants:
        if alpha == 0.0:
            standing = _climbed(standing, parents, n_leaves)
            values = tree.tree_.value[:, 0, :].take(standing, axis=0)
            yield (n_leaves, alpha), {name: _shaped(values.take(at, axis=0), tree) for name, at in leaves.items()}
            continue
        pruned = _pruned(tree, n_leaves, alpha)
        if previous is None or previous[:2] != (n_leaves, pruned.node_count):
            # a larger alpha prunes on from where a smaller one stopped: as many nodes are the same nodes
            answers = {name: _shaped(pruned.predict(X), tree) for name, X in rows.items()}
            previous = (n_leaves, pruned.node_count, answers)
        yield (n_leaves, alpha), previous[2]


def _shaped(values: Any, tree: Any) -> Any:
    return values[:, : tree.n_classes_] if hasattr(tree, "n_classes_") else values[:, 0]


def _parents(tree: Any) -> Any:
    parents = np.zeros(tree.node_count, dtype=np.intp)
    inner = np.flatnonzero(tree.children_left >= 0)
    parents[tree.children_left[inner]] = inner
    parents[tree.children_right[inner]] = inner
    return parents


def _climbed(standing: Any, parents: Any, n_leaves: int | None) -> Any:
    """Return the node that stands for each node once only the first *n_leaves* leaves have grown."""
    if n_leaves is None:
        return standing
    grown = 2 * n_leaves - 1
    beyond = np.flatnonzero(standing >= grown)
    standing = standing.copy()
    while beyond.size:
        standing[beyond] = parents[standing[beyond]]
        beyond = beyond[standing[beyond] >= grown]
    return standing


def _pruned(tree: Any, n_leaves: int | None, alpha: float) -> Any:
    """Return the pruned copy of the part of a tree with *n_leaves* leaves, as scikit-learn prunes it."""
    held = copy.copy(tree)
    held.tree_ = tree.tree_ if n_leaves is None else _cut(tree.tree_, n_leaves)
    held.ccp_alpha = alpha
    held._prune_tree()
    return held.tree_


def _cut(tree: Any, n_leaves: int) -> Any:
    """Return the tree as it was when it had *n_leaves* leaves."""
    grown = 2 * n_leaves - 1
    if tree.node_count <= grown:
        return tree
    cls, arguments, state = tree.__reduce__()
    nodes = state["nodes"][:grown].copy()
    cut = nodes["left_child"] >= grown
    for name in ("left_child", "right_child"):
        nodes[name][cut] = -1
    for name in ("feature", "threshold"):
        nodes[name][cut] = -2
    made = cls(*arguments)
    made.__setstate__({**state, "node_count": grown, "nodes": nodes, "values": state["values"][:grown].copy()})
    return made


def _source(estimator: Any, sums: Mapping[str, Any], n_trees: int) -> Source:
    """Return the answers of the first *n_trees* trees; *sums* are theirs until the next tree is added."""

    def mean(name: str) -> Any:
        return sums[name] / n_trees if hasattr(estimator, "estimators_") else sums[name]

    if not hasattr(estimator, "classes_"):
        return ComputedSource({"predict": mean})
    classes = estimator.classes_
    return ComputedSource(
        {"predict": lambda name: predicted_by_largest(classes, mean(name)), "predict_proba": mean}, classes
    )


_FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")
_TREES = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")

RULES: tuple[Predicting, ...] = (
    GrownRule(
        name="forests",
        covers=frozenset(f"sklearn.ensemble:{name}" for name in _FORESTS),
        axes=("n_estimators", "max_leaf_nodes", "ccp_alpha"),
        shares="the largest unpruned forest",
    ),
    GrownRule(
        name="trees",
        covers=frozenset(f"sklearn.tree:{name}" for name in _TREES),
        axes=("max_leaf_nodes", "ccp_alpha"),
        shares="the largest unpruned tree",
    ),
)
