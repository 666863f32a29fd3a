"""Version ranges as packages declare them: enough of the rules to tell whether a version is supported."""

import re
from dataclasses import dataclass

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?$")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_CLAUSE = re.compile(r"^\s*(~=|===?|!=|<=|>=|<|>)\s*([^\s]+?)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """
    One declared dependency; `extra` is empty for one that is always needed.

    `conditional` ones are needed only by other systems or other versions of Python, perhaps not here.
    """

    name: str
    specifiers: str
    extra: str = ""
    conditional: bool = False


def requirement_of(text: str) -> Requirement:
    """Return a requirement from its text, such as `pandas>=2.2; extra == 'pandas'`."""
    found = _REQUIREMENT.match(text)
    if found is None:
        return Requirement(name=text.strip(), specifiers="")
    extra = _EXTRA.search(found[3] or "")
    name = re.sub(r"[-_.]+", "-", found[1]).lower()
    return Requirement(
        name=name,
        specifiers=found[2].strip(),
        extra=extra[1] if extra else "",
        conditional=bool(found[3]) and extra is None,
    )


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with: (3, 51, 3) for 3.51.3, (2, 0) for 2.0rc1."""
    parts: list[int] = []
    for part in version.partition("+")[0].split("."):
        found = re.match(r"\d+", part)
        if found is None:
            break
        parts.append(int(found[0]))
        if found[0] != part:
            break
    return tuple(parts)


def within(version: str, specifiers: str) -> bool:
    """Whether *version* satisfies all clauses of *specifiers*; those that are not understood do not count."""
    return all(_satisfies(version, clause) for clause in specifiers.split(",") if clause.strip())


def _satisfies(version: str, clause: str) -> bool:
    found = _CLAUSE.match(clause)
    if found is None:
        return True
    relation, text = found[1], found[2]
    if relation in ("==", "!=") and text.endswith(".*"):
        prefix = numbers(text[:-2])
        return (_padded(numbers(version), len(prefix))[: len(prefix)] == prefix) is (relation == "==")
    wide = max(len(numbers(version)), len(numbers(text)))
    own, other = _padded(numbers(version), wide), _padded(numbers(text), wide)
    if relation == "~=":
        fixed = numbers(text)[:-1]
        return own >= other and own[: len(fixed)] == fixed
    return {
        "==": own == other,
        "===": version == text,
        "!=": own != other,
        "<": own < other,
        "<=": own <= other,
        ">": own > other,
        ">=": own >= other,
    }[relation]


def _padded(found: tuple[int, ...], wide: int) -> tuple[int, ...]:
    return found + (0,) * (wide - len(found))
