"""Which rule may compute a step together with others; a step that is fitted on many tables is asked for once."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manyfit.contracts.estimators import Families, FitSize
from manyfit.contracts.fusion import Fuse, Rule, Rules
from manyfit.fit.parameters import Parameters
from manyfit.fit.releases import releases_for
from manyfit.plan.choosing import Using, group_of, shared_seconds, usable


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """
    A step on tables of one size: `rule` may compute it together with the steps of equal `group`.

    `params` are those of the step, `seconds` is predicted for its fit alone. Without a rule nothing is known.
    """

    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    rule: Rule | None = None
    group: int = -1


class Placing:
    """Places steps, and remembers the rules of classes and, where that is asked for, what was placed."""

    def __init__(self, rules: Rules, families: Families, fuse: Fuse) -> None:
        self._rules = rules
        self._families = families
        self._fuse = fuse
        self._parameters = Parameters()
        self._usable: dict[str, Sequence[Rule]] = {}
        self._groups: dict[Hashable, int] = {}
        self._known: dict[FitSize, dict[Hashable, Placed]] = {}
        self._size: FitSize | None = None
        self._of_size: dict[Hashable, Placed] = {}

    def of(self, path: str, estimator: Any, size: FitSize) -> Placed:
        """Return where a step belongs; what scikit-learn does not accept fails alone, with its own message."""
        if not (rules := self._usable_for(path)):
            return Placed(path=path)
        params = self._parameters.of(estimator)
        if not self._parameters.accepted(estimator, params):
            return Placed(path=path)
        rule, group = self._choice(rules, path, params, size)
        if rule is None:
            return Placed(path=path)
        seconds = self._families.of(path).cost_seconds(path, params, size)
        return Placed(path=path, params=params, seconds=seconds, rule=rule, group=group)

    def known(self, key: Hashable, path: str, estimator: Any, size: FitSize) -> Placed:
        """Return the same, remembered under *key*, which stands for a step that stays as it is."""
        known = self._known_of(size)
        if (found := known.get(key)) is None:
            known[key] = found = self.of(path, estimator, size)
        return found

    def _known_of(self, size: FitSize) -> dict[Hashable, Placed]:
        """Return what is known for a size, which is nearly always that of the last step."""
        if size is not self._size:
            self._size, self._of_size = size, self._known.setdefault(size, {})
        return self._of_size

    def is_worth_it(self, members: Sequence[Placed], size: FitSize) -> bool:
        """Whether the rule of the members is predicted to take less time than they do alone."""
        alone = [one.seconds for one in members]
        rule = members[0].rule
        assert rule is not None
        return shared_seconds(rule, members[0].path, [one.params for one in members], alone, size) < sum(alone)

    def _choice(
        self, rules: Sequence[Rule], path: str, params: Mapping[str, Any], size: FitSize
    ) -> tuple[Rule | None, int]:
        for rule in rules:
            group, refusal = group_of(rule, path, params, size)
            if refusal is None:
                return rule, self._groups.setdefault((path, rule.name, group), len(self._groups))
        return None, -1

    def _usable_for(self, path: str) -> Sequence[Rule]:
        """Return the rules for a class that may be used here, those that were asked for first."""
        if path not in self._usable:
            using = Using(rules=self._rules, fuse=self._fuse, installed=releases_for(self._rules.of(path)))
            self._usable[path], _ = usable(using, path)
        return self._usable[path]
