"""The table of measures beside their floors and targets, on the console and in a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

WAITING = "not there yet"


@dataclass(frozen=True)
class Row:
    """One measure: ``told`` is the figure as text, ``value`` what is judged (None: nothing is)."""

    part: str
    name: str
    told: str
    value: float | None = None
    floor: float | None = None
    target: float | None = None
    unit: str = ""
    lower: bool = False

    @property
    def verdict(self) -> str:
        """Judge the value: target, floor, short, stated (no floor) or not there yet."""
        if self.told == WAITING:
            return WAITING
        if self.value is None:
            return "stated"
        sign = -1.0 if self.lower else 1.0
        if self.target is not None and sign * self.value >= sign * self.target:
            return "target"
        if self.floor is None:
            return "stated"
        return "floor" if sign * self.value >= sign * self.floor else "short"


@dataclass(frozen=True)
class Strip:
    """A row of pictures for the contact sheet."""

    label: str
    pictures: np.ndarray


@dataclass(frozen=True)
class Findings:
    """What one part of the evaluation found."""

    rows: list[Row]
    strips: list[Strip]


def share_row(
    part: str, name: str, value: float, floor: float | None, target: float | None, note: str = ""
) -> Row:
    """Make a row of a share between 0 and 1, told in percent."""
    told = f"{value:.0%}" + (f" ({note})" if note else "")
    return Row(part, name, told, value, floor, target, unit="share")


def waiting_row(part: str, name: str) -> Row:
    """Make a row of something that cannot be measured yet."""
    return Row(part, name, WAITING)


def print_rows(rows: list[Row], console: Console) -> None:
    """Print the table."""
    table = Table("measure", "floor", "target", "measured", "verdict")
    styles = {"target": "green", "floor": "cyan", "short": "red"}
    for row in rows:
        bounds = [tell_bound(row, bound) for bound in (row.floor, row.target)]
        style = styles.get(row.verdict, "")
        table.add_row(row.name, *bounds, row.told, row.verdict, style=style)
    console.print(table)


def tell_bound(row: Row, bound: float | None) -> str:
    """Write a floor or a target as it is read in the table."""
    if bound is None:
        return ""
    if row.unit == "share":
        return f"{bound:.0%}"
    return f"{'<= ' if row.lower else ''}{bound:g} {row.unit}".strip()


def write_rows(path: Path, rows: list[Row], model: str, settings: dict[str, object]) -> None:
    """Write the rows as JSON; rows of other parts of the same model stay."""
    kept = [row for row in read_rows(path, model) if row.part not in {row.part for row in rows}]
    listed = [{**asdict(row), "verdict": row.verdict} for row in (*kept, *rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"model": model, "settings": settings, "rows": listed}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def read_rows(path: Path, model: str) -> list[Row]:
    """Read the rows written for ``model``, none where there are none."""
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    if found["model"] != model:
        return []
    return [
        Row(**{key: value for key, value in row.items() if key != "verdict"})
        for row in found["rows"]
    ]
