"""The paper's figures are as printed, and ours stand beside them in its form."""

import io
import math

import pytest
from rich.console import Console

from inference.tissue_protocol import Tissue
from training import published
from training.metrics import TissueScore
from training.summary import Spread, Summary, over_cases, over_folds, over_tissues
from training.tables import Experiment, evaluation_table, markdown, side_by_side


def scores(dsc: float, assd_mm: float = 1.0, missed: int = 0) -> list[TissueScore]:
    return [TissueScore(tissue, dsc, assd_mm, 0.5, 0.25, missed) for tissue in Tissue]


@pytest.mark.parametrize(
    ("summary", "stated"),
    [
        (published.TABLE_1_PA, 0.909),
        (published.TABLE_1_PA_HK, 0.900),
        (published.TABLE_2_PA_ON_PA, 0.9345),
        (published.TABLE_2_PA_ON_HK, 0.8513),
        (published.TABLE_2_PA_HK, 0.9248),
    ],
)
def test_published_figures_have_the_mean_that_the_papers_text_states(summary: Summary, stated: float) -> None:
    digits = 4 if round(stated, 3) != stated else 3
    assert over_tissues(summary, "dsc") == pytest.approx(stated, abs=0.6 * 10**-digits)


def test_a_summary_leaves_out_what_is_no_number_and_counts_what_was_missed() -> None:
    found = over_cases([scores(0.8, missed=2), scores(0.9, math.nan), scores(math.nan)])[Tissue.MUSCLE]
    assert found.dsc == Spread(pytest.approx(0.85), pytest.approx(0.05 * math.sqrt(2)), 2)
    assert found.assd_mm.count == 2
    assert found.missed_slices == 2


def test_of_a_single_value_there_is_no_deviation_and_of_none_no_mean() -> None:
    assert math.isnan(Spread.of([0.5]).sd)
    assert math.isnan(Spread.of([math.nan]).mean)


def test_folds_weigh_the_same_however_many_cases_they_have() -> None:
    folds = [over_cases([scores(0.6), scores(0.6), scores(0.6)]), over_cases([scores(0.8)])]
    found = over_folds(folds)[Tissue.MUSCLE]
    assert (found.dsc.mean, found.dsc.count) == (pytest.approx(0.7), 2)


def rendered(table: object) -> str:
    out = io.StringIO()
    Console(file=out, width=240).print(table)
    return out.getvalue()


def test_the_evaluation_has_a_line_per_tissue_and_their_mean() -> None:
    text = rendered(evaluation_table(over_cases([scores(0.8), scores(0.9, missed=1)]), "Title"))
    lines = {line.split("│")[1].strip(): line for line in text.splitlines() if line.startswith("│")}
    assert list(lines) == [
        *("Cortical bone", "Trabecular bone", "HBM", "MAT", "Muscle", "IMAT", "SAT", "Mean of tissues")
    ]
    assert [cell.strip() for cell in lines["IMAT"].split("│")[2:-1]] == [
        *("85.00 ± 7.07", "1.00 ± 0.00", "50.00 ± 0.00", "25.00 ± 0.00", "1")
    ]
    assert [cell.strip() for cell in lines["Mean of tissues"].split("│")[2:-1]] == [
        *("85.00", "1.00", "50.00", "25.00", "7")
    ]


def test_where_there_is_no_figure_there_is_a_dash() -> None:
    text = rendered(evaluation_table(over_cases([scores(0.8, math.nan)]), "Title"))
    assert "nan" not in text
    assert "│         - │" in text


def test_the_papers_lines_stand_below_ours() -> None:
    experiment = Experiment(
        "A (n = 3)",
        "B (n = 1)",
        over_cases([scores(0.8, missed=1)]),
        {"PA": published.TABLE_1_PA, "HK": published.TABLE_2_PA_ON_HK},
    )
    table = side_by_side(experiment, "Title")
    assert "Trained on A (n = 3), tested on B (n = 1)" in rendered(table)
    lines = [line for line in markdown(table).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == [
        *("Tissue", "", "DSC (%)", "ASSD (mm)", "Sensitivity (%)", "Specificity (%)", "Missed slices")
    ]
    assert cells[2:5] == [
        ["Cortical bone", "Coxa", "80.00", "1.00", "50.00", "25.00", "1"],
        ["", "PA", "96.30 ± 1.82", "0.19 ± 0.11", "96.00 ± 2.23", "99.93 ± 0.11", ""],
        ["", "HK", "95.91", "0.43", "95.54", "99.92", ""],
    ]
    assert [line[:3] for line in cells[-3:]] == [
        ["Mean of tissues", "Coxa", "80.00"],
        ["", "PA", "90.90"],
        ["", "HK", "85.13"],
    ]
    assert len(cells) == 2 + 3 * (len(Tissue) + 1)
