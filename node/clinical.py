"""The operator's table of what images do not say: fractures, operations, heights.

A row is for a patient or for one study. What is wrong with it is said by line and column; a value is never
quoted, because it may name somebody.
"""

import csv
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from node.config import ConfigurationError

HEIGHT_M = (1.2, 2.3)
"""Heights of adults, as in ``inference.measure``."""


def _empty_is_none(value: object) -> object:
    text = value.strip() if isinstance(value, str) else value
    return text or None


def _iso_date(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError("must be written like 2025-01-03")
    return value


Text = Annotated[str | None, BeforeValidator(_empty_is_none)]


class ClinicalRow(BaseModel):
    """One row: for whom, and what is known.

    Attributes:
        fracture_type: FNF, of the femoral neck; ITF, intertrochanteric; or other.
        surgery_date: of the operation of the fracture.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    patient_id: Text = None
    issuer_of_patient_id: Text = None
    accession_number: Text = None
    fracture_type: Annotated[Literal["FNF", "ITF", "other"] | None, BeforeValidator(_empty_is_none)] = None
    fracture_side: Annotated[Literal["left", "right"] | None, BeforeValidator(_empty_is_none)] = None
    surgery_date: Annotated[date | None, BeforeValidator(_iso_date), BeforeValidator(_empty_is_none)] = None
    height_m: Annotated[
        Annotated[float, Field(ge=HEIGHT_M[0], le=HEIGHT_M[1])] | None, BeforeValidator(_empty_is_none)
    ] = None

    @model_validator(mode="after")
    def _is_for_somebody(self) -> Self:
        if self.patient_id is None and self.accession_number is None:
            raise ValueError("a row needs a patient_id or an accession_number")
        return self


COLUMNS = tuple(ClinicalRow.model_fields)


def read_clinical(path: Path) -> tuple[ClinicalRow, ...]:
    """All rows of the table.

    Raises:
        ConfigurationError: it cannot be read, or rows break a rule: which lines and columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _rows(csv.DictReader(file, strict=True), path.name)
    except OSError as error:
        raise ConfigurationError(f"clinical.csv: {path.name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"clinical.csv: {path.name} is not UTF-8.") from None


def rows_for(
    rows: Sequence[ClinicalRow], patient_id: str, issuer_of_patient_id: str, accession_number: str
) -> list[ClinicalRow]:
    """Rows for one study: those with its accession number, and then those for its patient.

    A row that names an issuer is only for patients of this issuer; a row with an accession number only for
    this study.
    """
    of_study = [row for row in rows if row.accession_number and row.accession_number == accession_number]
    of_patient = [
        row
        for row in rows
        if row.accession_number is None
        and row.patient_id == patient_id
        and row.issuer_of_patient_id in (None, issuer_of_patient_id)
    ]
    return of_study + of_patient


def _rows(reader: "csv.DictReader[str]", name: str) -> tuple[ClinicalRow, ...]:
    rows, wrong = [], []
    try:
        wrong = [
            f"  line 1, column {number}: must be one of {', '.join(COLUMNS)}, each named once"
            for number, column in enumerate(reader.fieldnames or [""], start=1)
            if column not in COLUMNS or (reader.fieldnames or []).count(column) > 1
        ]
        for values in reader if not wrong else ():
            try:
                rows.append(ClinicalRow.model_validate(_named(values)))
            except ValidationError as error:
                wrong += [f"  line {reader.line_num}{_explain(problem)}" for problem in error.errors()]
    except csv.Error:
        wrong.append(f"  line {reader.line_num}: quotation marks are not closed, or follow no comma")
    if wrong:
        raise ConfigurationError(f"clinical.csv: {name} cannot be used:\n" + "\n".join(wrong))
    return tuple(rows)


def _named(values: dict[Any, Any]) -> dict[str, Any]:
    """Values by column; what stands behind the last column is under a name that no column has."""
    return {"more than the columns": value} if (value := values.pop(None, None)) else values


def _explain(problem: Any) -> str:
    """Column and rule, without the value."""
    columns = [str(part) for part in problem["loc"] if isinstance(part, str) and part in COLUMNS]
    if problem["type"] == "extra_forbidden":
        return ": has more values than there are columns"
    return f", {columns[0] if columns else 'whole row'}: {problem['msg']}"
