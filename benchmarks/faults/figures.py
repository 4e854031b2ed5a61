"""The measured figures, the wanted ones, and a table of both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


def _text(number: float) -> str:
    if number == int(number):
        return f"{number:.0f}"
    return f"{number:.{0 if number >= 100 else 1 if number >= 10 else 2}f}"


@dataclass(frozen=True)
class Figure:
    """A number with its unit and its bound; without a bound it is only reported."""

    what: str
    value: float
    unit: str
    most: float | None = None

    @property
    def holds(self) -> bool:
        """Return whether the number is within its bound."""
        return self.most is None or self.value <= self.most

    def __str__(self) -> str:
        bound = "" if self.most is None else f" (<= {_text(self.most)})"
        return " ".join(filter(None, (self.what, _text(self.value), self.unit))) + bound


@dataclass
class Line:
    """The result of one fault."""

    fault: str
    figures: list[Figure] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """The errors other than figures."""
    instead: str = ""
    """The difference of this way of serving, and its reason; not an error."""
    waited: float = 0.0
    """Seconds that the server waited for a processor."""

    def check(self, holds: object, otherwise: str) -> None:
        """Note an error unless the condition holds."""
        if not holds:
            self.wrong.append(otherwise)

    @property
    def missed(self) -> list[str]:
        """Return the errors and the missed figures."""
        return [each.what for each in self.figures if not each.holds] + self.wrong

    @property
    def verdict(self) -> str:
        """Return the last column."""
        if self.missed:
            waited = f" (the server waited {self.waited * 1e3:.0f} ms for a processor)"
            return f"MISSED: {', '.join(self.missed)}{waited}"
        return f"instead: {self.instead}" if self.instead else "holds"

    def __str__(self) -> str:
        return f"| {self.fault} | {'; '.join(map(str, self.figures))} | {self.verdict} |"


def table(way: str, lines: Iterable[Line]) -> str:
    """Return the table of one way of serving, in Markdown."""
    head = f"### {way}\n\n| fault | figures (wanted) | verdict |\n|---|---|---|\n"
    return head + "".join(f"{each}\n" for each in lines)
