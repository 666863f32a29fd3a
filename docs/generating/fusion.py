"""The page about fusion rules, from the rules themselves and the docstrings of their modules."""

import inspect
from importlib import import_module

from generating.markdown import code, listed, page, prose, under
from manyfit.contracts.fusion import Guarantee, Rule
from manyfit.families.fusion import catalog

MEANINGS = {
    Guarantee.EXACT: "every answer is equal bit for bit, and so is every score",
    Guarantee.CLOSE: "predicted classes are equal; numbers and scores agree within 1e-9",
    Guarantee.TOLERANCE: "another algorithm for the same model; only when it is asked for by name",
    Guarantee.STATISTICAL: "scores agree in distribution only; only when it is asked for by name",
}

_INTRODUCTION = """
A rule knows one way to share work among fits of one class on the same rows. What a rule promises is tested by
`manyfit.testing.fusion.FusionSuite` on generated grids and tables, and checked again on your own results by
`manyfit audit`. Equal transformers before a model are fitted once for all candidates behind them, without a rule;
results name that `shared-steps`. See [how related fits share work](../explanation/fusion.md).
"""


def text() -> str:
    """Return the page."""
    modules = [import_module(f"{catalog.__package__}.{name}") for name in catalog.MODULES]
    guarantees = "\n".join(f"- **{one.value}**: {MEANINGS[one]}" for one in Guarantee)
    sections = [
        under(code(rule.name), _facts(rule), prose(_conditions(module, rule)))
        for module in modules
        for rule in module.RULES
    ]
    return page("Fusion rules", _INTRODUCTION, guarantees, *sections)


def _facts(rule: Rule) -> str:
    proven = ", ".join(f"{library} {' and '.join(found)}" for library, found in rule.proven_on.items())
    return "\n".join(
        [
            f"- classes: {listed(sorted(rule.covers))}",
            f"- may differ: {listed(rule.axes)}",
            f"- shares {rule.shares}",
            f"- guarantee: {rule.guarantee.value}",
            f"- proven on {proven}",
        ]
    )


def _conditions(module: object, rule: Rule) -> str:
    """Return what the rule's own docstring says, or that of a module with a single rule."""
    own = inspect.getdoc(type(rule)) or ""
    whole = inspect.getdoc(module) or ""
    return own if len(getattr(module, "RULES", ())) > 1 else f"{whole}\n\n{own}" if own not in whole else whole
