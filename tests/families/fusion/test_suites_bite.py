"""Every registered rule has a suite, and every suite notices when its rule does wrong."""

import importlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manyfit.contracts.fusion import Block, one_by_one
from manyfit.families.fusion.catalog import MODULES, rules_in
from manyfit.testing.fusion import FusionSuite

RULES = {rule.name: rule for module in MODULES for rule in rules_in(module)}


def suites() -> dict[str, type[FusionSuite]]:
    """The suite of each rule, by its name."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path != Path(__file__):
            importlib.import_module(f"tests.families.fusion.{path.stem}")
    found: dict[str, type[FusionSuite]] = {}
    todo = [*FusionSuite.__subclasses__()]
    while todo:
        cls = todo.pop()
        todo += cls.__subclasses__()
        if hasattr(cls, "rule"):
            found[cls.rule.name] = cls
    return found


def test_every_rule_has_a_suite():
    """Registered means tested, and what is tested is registered."""
    assert set(suites()) == set(RULES)


def test_modules_list_the_classes_of_their_rules():
    """The table that spares imports says what the rules say."""
    for module, paths in MODULES.items():
        assert set(paths) == {path for rule in rules_in(module) for path in rule.covers}, module


def test_names_are_unique():
    """A name in a result or a sweep file means one rule."""
    names = [rule.name for module in MODULES for rule in rules_in(module)]
    assert len(names) == len(set(names))
    assert not any("+" in name for name in names)


@dataclass
class Mutant:
    """A rule that does what another does, but for what it yields."""

    rule: Any
    how: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rule, name)

    def run(self, batch: Any) -> Any:
        if self.how == "does nothing":
            return
        if self.how == "its blocks are a little off":
            yield from (_off(item) if isinstance(item, Block) else item for item in self.rule.run(batch))
            return
        for at, *answer in one_by_one(self.rule.run(batch)):
            if self.how == "forgets one" and at == 0:
                continue
            yield at, *self._spoilt(answer)

    def _spoilt(self, answer: list[Any]) -> list[Any]:
        if self.how != "is a little off":
            return answer
        if len(answer) == 1:
            return [Spoilt(answer[0])]
        train, sets = answer
        return [train * 1.001, {name: rows * 1.001 + 0.001 for name, rows in sets.items()}]


@dataclass
class Spoilt:
    """Answers that are not quite those of the source."""

    source: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def answer(self, name: str, method: str) -> Any:
        values = np.asarray(self.source.answer(name, method))
        if values.dtype.kind == "f":
            return (values * 1.3 + 0.3).astype(values.dtype)
        return np.roll(values, 1)


def _off(block: Block) -> Block:
    """Return a block whose answers are those of its fits, but in another order."""
    answers = {method: _turned(answer) for method, answer in block.answers.items()}
    return replace(block, answers=answers)


def _turned(answer: Any) -> Any:
    return lambda name: np.roll(answer(name), 1, axis=0)


@pytest.mark.parametrize("name", ["gaussian-bayes", "counting-bayes"])
def test_a_wrong_block_is_noticed(name):
    """Answers of a block that are not those of its fits do not pass the suite."""
    suite = suites()[name]()
    suite.rule = Mutant(RULES[name], "its blocks are a little off")
    with pytest.raises(AssertionError):
        suite.test_the_whole_grid_is_shared()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["does nothing", "forgets one", "is a little off"])
@pytest.mark.parametrize("name", sorted(RULES))
def test_a_wrong_rule_is_noticed(name, how):
    """A rule that shares nothing, leaves a candidate out or answers wrongly does not pass its suite."""
    suite = suites()[name]()
    suite.rule = Mutant(RULES[name], how)
    with pytest.raises(AssertionError):
        suite.test_the_whole_grid_is_shared()
