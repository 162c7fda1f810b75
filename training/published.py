"""Figures of Imani 2025 (doi 10.1002/jcsm.13728), Tables 1 and 2, to stand beside Coxa's own.

As printed: DSC, sensitivity and specificity in per cent, ASSD in mm. They were measured on manual outlines of
men of two cohorts, PA (200) and HK (100), which are not public: figures on other cases stand beside them for
orientation and are not a comparison on the same data.
"""

from collections.abc import Sequence

from inference.tissue_protocol import Tissue
from training.summary import Spread, Summary, TissueSummary

SOURCE = "Imani 2025, doi 10.1002/jcsm.13728"

Printed = Sequence[tuple[float, ...]]
"""One row per tissue, in the order of ``Tissue``."""


def _with_deviations(rows: Printed) -> Summary:
    """Rows of (DSC, SD, ASSD, SD, sensitivity, SD, specificity, SD)."""
    return {
        tissue: TissueSummary(
            dsc=Spread(row[0] / 100, row[1] / 100),
            assd_mm=Spread(row[2], row[3]),
            sensitivity=Spread(row[4] / 100, row[5] / 100),
            specificity=Spread(row[6] / 100, row[7] / 100),
        )
        for tissue, row in zip(Tissue, rows, strict=True)
    }


def _without_deviations(rows: Printed) -> Summary:
    """Rows of (DSC, ASSD, sensitivity, specificity)."""
    return {
        tissue: TissueSummary(
            dsc=Spread(row[0] / 100),
            assd_mm=Spread(row[1]),
            sensitivity=Spread(row[2] / 100),
            specificity=Spread(row[3] / 100),
        )
        for tissue, row in zip(Tissue, rows, strict=True)
    }


TABLE_1_PA = _with_deviations(
    [
        (96.3, 1.82, 0.19, 0.11, 96, 2.23, 99.93, 0.11),
        (88.37, 4.64, 0.22, 0.1, 88.95, 5.5, 99.82, 0.05),
        (86.93, 3.93, 0.35, 0.33, 88.41, 5.37, 99.89, 0.02),
        (88.85, 3.01, 0.54, 0.47, 90.46, 6.8, 99.96, 0.01),
        (96.02, 0.72, 0.46, 0.1, 96.15, 0.88, 99.6, 0.1),
        (84.36, 2.45, 0.72, 0.24, 85.1, 4.39, 99.7, 0.6),
        (95.47, 1.55, 0.74, 0.24, 96.54, 1.77, 99.64, 0.11),
    ]
)
"""Trained on PA (n = 180), tested on PA (n = 20): mean and deviation over ten folds."""

TABLE_1_PA_HK = _with_deviations(
    [
        (96.86, 0.78, 0.15, 0.04, 95.81, 1.32, 99.96, 0.01),
        (88.99, 2.4, 0.21, 0.06, 89.76, 2.37, 99.84, 0.02),
        (86.51, 2.73, 0.28, 0.09, 88.54, 3.23, 99.88, 0.02),
        (88.76, 2.31, 0.42, 0.13, 91.13, 4.67, 99.95, 0.01),
        (93.46, 3.52, 0.83, 0.55, 93.27, 3.5, 99.68, 0.03),
        (81, 2.6, 1.05, 0.43, 82.19, 3.44, 99.73, 0.1),
        # An ASSD of 0.05 with a deviation of 0.5 must be a misprint; it stands as printed.
        (94.23, 1.97, 0.05, 0.5, 96.35, 0.88, 99.41, 0.4),
    ]
)
"""Trained on PA + HK (n = 270), tested on PA + HK (n = 30): mean and deviation over ten folds."""

TABLE_2_PA_ON_PA = _without_deviations(
    [
        (97.97, 0.08, 98.02, 99.96),
        (93, 0.12, 93.44, 99.88),
        (91.82, 0.16, 92.65, 99.92),
        (92.76, 0.26, 92.56, 99.97),
        (96.93, 0.37, 96.35, 99.75),
        (85.65, 0.64, 86.17, 99.82),
        (96.06, 0.55, 96.57, 99.76),
    ]
)
"""The best of ten folds, trained on PA (n = 180), tested on PA (n = 20)."""

TABLE_2_PA_ON_HK = _without_deviations(
    [
        (95.91, 0.43, 95.54, 99.92),
        (85.25, 0.59, 89.28, 99.69),
        (82.16, 0.48, 84.68, 99.87),
        (82.18, 0.99, 84.07, 99.96),
        (92.69, 1.24, 93.43, 99.32),
        (69.46, 2.13, 71.31, 99.68),
        (88.28, 2.14, 89.21, 99.38),
    ]
)
"""The same model, tested on HK (n = 100)."""

TABLE_2_PA_HK = _without_deviations(
    [
        (97.77, 0.09, 97.18, 99.96),
        (91.86, 0.14, 92.08, 99.87),
        (90.40, 0.16, 92.46, 99.89),
        (92.04, 0.20, 93.98, 99.96),
        (96.45, 0.42, 96.64, 99.65),
        (83.39, 0.70, 82.80, 99.83),
        (95.49, 0.69, 96.97, 99.68),
    ]
)
"""The best of ten folds, trained on PA + HK (n = 270), tested on PA + HK (n = 30)."""
