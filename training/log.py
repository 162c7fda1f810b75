"""The log of a training: one row of a CSV file per so many steps."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

MEAN_DSC = "mean_dsc"
COLUMNS = ("step", "seconds", "loss", "learning_rate")

_DSC = "dsc_"


def dsc_column(name: str) -> str:
    """Column of the DSC in validation of what has this name."""
    return f"{_DSC}{name.lower()}"


def dsc_name(column: str) -> str | None:
    """The way back; None for other columns."""
    return column.removeprefix(_DSC) if column.startswith(_DSC) else None


class TrainingLog:
    """A file of rows; validation's columns are empty where there was none.

    Args:
        step: rows of later steps are dropped: those steps will be done again.
        scores: names of validation's columns.
    """

    def __init__(self, path: Path, step: int, scores: Sequence[str]) -> None:
        self._path = path
        self._columns = (*COLUMNS, *scores)
        kept = [row for row in read_log(path) if int(row["step"]) <= step] if path.exists() else []
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(kept)

    def add(self, row: Mapping[str, float]) -> None:
        """Write a row at once; numbers to six digits."""
        rounded = {name: value if isinstance(value, int) else f"{value:.6g}" for name, value in row.items()}
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns).writerow(rounded)


def read_log(path: Path) -> list[dict[str, str]]:
    """The rows, as text."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
