"""What is wrong or odd about the data of one sweep, collected while everything is looked at."""

from dataclasses import dataclass, field

from manyfit.model.mistake import Mistake


@dataclass(slots=True)
class Findings:
    """Mistakes and warnings about one data variant; `where` is put before each message."""

    file: str
    where: str = ""
    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def mistake(self, key: str, message: str) -> None:
        self.mistakes.append(Mistake(file=self.file, key=key, message=f"{self.where}{message}"))

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def some(names: object, n: int = 3) -> str:
    """Return the first few of several names, quoted, and how many more there are."""
    listed = [str(name) for name in names]  # type: ignore[attr-defined] # any iterable, also of NumPy values
    shown = ", ".join(f'"{name}"' for name in listed[:n])
    return shown if len(listed) <= n else f"{shown} and {len(listed) - n} more"
