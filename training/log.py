"""The log of a training: one row of a CSV file per so many steps."""

import csv
from collections.abc import Mapping
from pathlib import Path

from inference.tissue_protocol import Tissue

VALIDATED = {tissue: f"dsc_{tissue.name.lower()}" for tissue in Tissue}
MEAN_DSC = "mean_dsc"
COLUMNS = ("step", "seconds", "loss", "learning_rate", MEAN_DSC, *VALIDATED.values())


class TrainingLog:
    """A file of rows; validation's columns are empty where there was none.

    Args:
        step: rows of later steps are dropped: those steps will be done again.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        kept = [row for row in read_log(path) if int(row["step"]) <= step] if path.exists() else []
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(kept)

    def add(self, row: Mapping[str, float]) -> None:
        """Write a row at once; numbers to six digits."""
        rounded = {name: value if isinstance(value, int) else f"{value:.6g}" for name, value in row.items()}
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS).writerow(rounded)


def read_log(path: Path) -> list[dict[str, str]]:
    """The rows, as text."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
