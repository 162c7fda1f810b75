"""Annotated volumes of thigh muscles, from the files that ``training.case_files`` describes, and blocks.

In ``labels.nii.gz`` are values of ``ThighStructure``, or what ``labels.json`` beside it names them:
``{"1": "sartorius_left", "2": "femur"}``. A DICOM Segmentation has its names in the segments' labels. Names
are those of ``ThighStructure`` and of the anatomies that synthetic CT is made from, with or without a side.
In slices with any label all else is background; slices without are unknown.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.muscle_labels import resampled
from inference.muscles import ThighStructure
from training.case_files import (
    IMAGE,
    LABELS,
    CaseError,
    naming,
    plain_label,
    read_volumes,
    required_folders,
    write_volume,
)
from training.data import AIR_HU
from training.synthesis.label_roles import FEMORA, HIP_BONES
from training.synthesis.muscle_blocks import SPACING_MM
from training.synthesis.muscle_truth import ANYTHING, MuscleTruth

NAMES = "labels.json"

_SIDE = re.compile(r"^(left|right)_|_(left|right)$")

Spacing = tuple[float, float, float]
"""(slice, row, column), mm."""


@dataclass(frozen=True)
class MuscleCase:
    """One CT series with its muscles.

    Attributes:
        subject: the person; cases of one person are never split between training and test.
        name: of the case, unique within the subject.
        hu: int16, axes foot to head, front to back, right to left.
        labels: uint8, index into ``training.synthesis.muscle_truth.TRUTHS``; same shape.
        spacing_mm: (slice, row, column).
    """

    subject: str
    name: str
    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]
    spacing_mm: Spacing


@dataclass(frozen=True)
class MuscleCases:
    """Cases that are read or made when it is their turn: several do not fit into memory.

    Attributes:
        makers: one for each case.
    """

    makers: Sequence[Callable[[], MuscleCase]]

    def __len__(self) -> int:
        return len(self.makers)

    def __iter__(self) -> Iterator[MuscleCase]:
        return (make() for make in self.makers)


def read_muscle_cases(folder: Path) -> MuscleCases:
    """All cases below a folder, sorted by subject and name.

    Raises:
        CaseError: there is none; when it is its turn, one cannot be read.
    """
    return MuscleCases([partial(read_muscle_case, path) for path in required_folders(folder)])


def read_muscle_case(folder: Path) -> MuscleCase:
    """Read one case, FOLDER/SUBJECT/CASE.

    Raises:
        CaseError: as ``training.case_files.read_volumes``, or a label is unknown, or no slice is annotated.
    """
    with naming(folder):
        image, found = read_volumes(folder, _label)
        labels = _named(found.array, folder / NAMES)
    annotated = labels.any(axis=(1, 2))
    labels[~annotated] = ANYTHING
    slice_mm, row_mm, column_mm = image.spacing
    spacing_mm = (slice_mm, row_mm, column_mm)
    return MuscleCase(folder.parent.name, folder.name, image.array, labels, spacing_mm)


def write_muscle_case(folder: Path, case: MuscleCase) -> None:
    """Write a case as NIfTI into FOLDER/SUBJECT/CASE; its labels must be values of ``ThighStructure``."""
    target = folder / case.subject / case.name
    target.mkdir(parents=True, exist_ok=True)
    write_volume(target / IMAGE, case.hu, case.spacing_mm)
    write_volume(target / LABELS, case.labels, case.spacing_mm)


def gridded(case: MuscleCase) -> MuscleCase:
    """The case on the grid of the blocks: HU as the product brings them there, labels from the nearest."""
    counts = tuple(
        max(2, round((count - 1) * mm / to_mm) + 1)
        for count, mm, to_mm in zip(case.hu.shape, case.spacing_mm, SPACING_MM, strict=True)
    )
    nearest = (
        np.rint(np.linspace(0, count - 1, new)).astype(int)
        for count, new in zip(case.hu.shape, counts, strict=True)
    )
    return replace(
        case,
        hu=resampled(case.hu, counts).round().to(torch.int16).numpy(),
        labels=case.labels[np.ix_(*nearest)],
        spacing_mm=SPACING_MM,
    )


def cut_block(
    case: MuscleCase, block: tuple[int, int, int], random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Cut a block about a labelled voxel, with air where the scan has ended.

    Args:
        case: on the grid of the blocks.
        block: voxels, (slice, row, column).
        random: chooses the voxel.

    Returns:
        HU, float32, and labels, uint8; both (slice, row, column).
    """
    labelled = np.flatnonzero((case.labels != 0) & (case.labels != ANYTHING))
    # Thin structures may be lost between the voxels of the grid.
    candidates = labelled if len(labelled) else np.arange(case.labels.size)
    chosen = candidates[int(torch.randint(len(candidates), (), generator=random))]
    middle = np.unravel_index(chosen, case.labels.shape)
    hu = torch.full(block, AIR_HU)
    labels = torch.full(block, ANYTHING, dtype=torch.uint8)
    first = [int(at) - size // 2 for at, size in zip(middle, block, strict=True)]
    ends = [
        (max(0, begin), min(count, begin + size))
        for begin, size, count in zip(first, block, case.labels.shape, strict=True)
    ]
    source = tuple(slice(begin, end) for begin, end in ends)
    target = tuple(slice(begin - shift, end - shift) for (begin, end), shift in zip(ends, first, strict=True))
    hu[target] = torch.from_numpy(case.hu[source]).float()
    labels[target] = torch.from_numpy(case.labels[source])
    return hu, labels


def _named(values: NDArray[np.generic], names: Path) -> NDArray[np.uint8]:
    """Labels of the truths from the numbers of a file."""
    if names.exists():
        label_of = _read_names(names)
    else:
        label_of = {int(label): int(label) for label in (*ThighStructure, ANYTHING)}
    unknown = sorted(set(np.unique(values).tolist()) - {0, *label_of})
    if unknown:
        shown = ", ".join(f"{value:g}" for value in unknown[:5])
        raise CaseError(f"unknown label value(s) {shown}; {NAMES} may name them, 1 to 29 are the structures.")
    table = np.zeros(256, np.uint8)
    table[list(label_of)] = list(label_of.values())
    labels = table[values.astype(np.uint8)]
    if not labels.any():
        raise CaseError("no slice has a label.")
    return labels


def _read_names(path: Path) -> Mapping[int, int]:
    try:
        names = {
            int(value): str(name) for value, name in json.loads(path.read_text(encoding="utf-8")).items()
        }
    except (OSError, ValueError, AttributeError) as error:
        raise CaseError(f"{path.name} cannot be read as names by value ({error}).") from None
    if wrong := [value for value in names if not 0 < value < 256]:
        raise CaseError(f"{path.name} names the value {wrong[0]}; values are 1 to 255.")
    return {value: _label(name) for value, name in names.items()}


def _label(name: str) -> int:
    plain = _SIDE.sub("", plain_label(name))
    if plain in FEMORA:
        return ThighStructure.FEMUR
    if plain in HIP_BONES:
        return ThighStructure.HIP_BONE
    nowhere = torch.zeros(1, dtype=torch.bool)
    try:
        # Higher than any slice: where iliacus and psoas join is as it was drawn.
        labels = MuscleTruth({1: plain})(torch.ones(1, dtype=torch.uint8), nowhere, nowhere, torch.inf)
    except ValueError:
        raise CaseError(f"the label {name!r} is no structure that the thigh-muscle network knows.") from None
    return int(labels[0])
