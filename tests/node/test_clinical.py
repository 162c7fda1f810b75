"""The clinical table: rows for a patient or a study; mistakes are said without a value."""

from datetime import date
from pathlib import Path

import pytest

from inference import measure
from node import clinical
from node.clinical import ClinicalRow, read_clinical, rows_for
from node.config import ConfigurationError

HEADER = (
    "patient_id,issuer_of_patient_id,accession_number,fracture_type,fracture_side,surgery_date,height_m\n"
)


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "clinic.csv"
    path.write_text(text, encoding=encoding)
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_clinical(table(folder, text))
    return str(caught.value)


def test_a_full_row_and_an_almost_empty_one(tmp_path: Path) -> None:
    rows = read_clinical(table(tmp_path, HEADER + "007,HOSP,A1,ITF,right,2025-01-03,1.72\n008,,,,,,\n"))
    assert rows == (
        ClinicalRow(
            patient_id="007",
            issuer_of_patient_id="HOSP",
            accession_number="A1",
            fracture_type="ITF",
            fracture_side="right",
            surgery_date=date(2025, 1, 3),
            height_m=1.72,
        ),
        ClinicalRow(patient_id="008"),
    )


def test_columns_may_be_few_and_in_any_order_and_excel_may_have_written_it(tmp_path: Path) -> None:
    (row,) = read_clinical(table(tmp_path, "height_m,patient_id\r\n1.6, P1 \r\n", "utf-8-sig"))
    assert (row.patient_id, row.height_m) == ("P1", 1.6)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("SECRET,,,XXX,,,", "line 3, fracture_type: Input should be 'FNF', 'ITF' or 'other'"),
        ("SECRET,,,,both,,", "line 3, fracture_side"),
        ("SECRET,,,,,03.01.2025,", "line 3, surgery_date: Value error, must be written like 2025-01-03"),
        ("SECRET,,,,,20250103,", "line 3, surgery_date"),
        ("SECRET,,,,,2025-02-30,", "line 3, surgery_date"),
        ("SECRET,,,,,,172", "line 3, height_m: Input should be less than or equal to 2.3"),
        ("SECRET,,,,,,tall", "line 3, height_m"),
        ("SECRET,,,,,,nan", "line 3, height_m"),
        (",SECRET,,FNF,,,", "needs a patient_id or an accession_number"),
        ("SECRET,,,,,,,SECRET", "line 3: has more values than there are columns"),
        ('"SECRET,,,,,,', "quotation marks"),
    ],
)
def test_a_mistake_is_said_by_line_and_column_without_its_value(
    tmp_path: Path, line: str, words: str
) -> None:
    text = refusal(tmp_path, HEADER + "P1,,,,,,\n" + line + "\n")
    assert words in text
    assert "SECRET" not in text
    assert "tall" not in text


def test_every_mistake_is_said(tmp_path: Path) -> None:
    text = refusal(tmp_path, HEADER + "P1,,,XXX,,,172\nP2,,,,both,,\n")
    assert [line.split(":")[0] for line in text.splitlines()[1:]] == [
        "  line 2, fracture_type",
        "  line 2, height_m",
        "  line 3, fracture_side",
    ]


def test_a_table_without_its_first_line_does_not_show_its_values(tmp_path: Path) -> None:
    text = refusal(tmp_path, "SECRET,ITF\n")
    assert "line 1, column 1: must be one of patient_id" in text
    assert "SECRET" not in text


@pytest.mark.parametrize("text", ["", "patient_id,patient_id\nP1,P2\n"])
def test_columns_are_named_once(tmp_path: Path, text: str) -> None:
    assert "line 1, column" in refusal(tmp_path, text)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.csv cannot be read"):
        read_clinical(tmp_path / "nothing.csv")
    path = table(tmp_path, HEADER + "M\u00fcller,,,,,,\n", "latin-1")
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        read_clinical(path)


def test_rows_are_for_a_study_or_for_a_patient_of_an_issuer(tmp_path: Path) -> None:
    rows = read_clinical(
        table(
            tmp_path,
            "patient_id,issuer_of_patient_id,accession_number,height_m\n"
            "P1,,,1.61\nP1,H1,,1.62\nP1,H2,,1.63\n,,A1,1.64\nP1,,A2,1.65\nP2,,,1.66\n",
        )
    )

    def heights(*who: str) -> list[float | None]:
        return [row.height_m for row in rows_for(rows, *who)]

    assert heights("P1", "H1", "A1") == [1.64, 1.61, 1.62]
    assert heights("P1", "", "") == [1.61]
    assert heights("P2", "H1", "A9") == [1.66]
    assert heights("", "", "") == []


def test_heights_are_those_that_are_measured_with() -> None:
    assert clinical.HEIGHT_M == measure.HEIGHT_M
