"""Volume, HU and fat of muscles, one or several together, or the reason why they are not known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.measure import per_height2
from inference.muscle_coverage import Coverage
from inference.muscle_voxels import Counts, VoxelTable
from inference.muscles import ThighStructure, in_words
from inference.result import Segment, Side

LEAST_RELIABLE = 0.5
"""Share of a muscle that metal must leave for the rest to stand for all of it."""

NOT_FOUND = "The muscle was not found."
METAL = "Metal makes the HU of more than half of it unreliable."

Figure = float | str
"""A value, or the reason why there is none."""


@dataclass(frozen=True)
class MuscleFigures:
    """Volume, HU and fat of muscles of one side, one or several together.

    Attributes:
        table: of all slices, from foot to head.
        coverage: of the same slices.
        segments: of the thigh-muscle route.
        spacing_mm: (slice, row, column).
        height_m: PatientSize; None where it is absent.
    """

    table: VoxelTable
    coverage: Coverage
    segments: Sequence[Segment]
    spacing_mm: tuple[float, float, float]
    height_m: float | None

    def number(self, structure: ThighStructure, side: Side) -> int:
        """Of the segment."""
        wanted = (structure.name.lower(), side)
        return next(segment.number for segment in self.segments if (segment.name, segment.side) == wanted)

    def voxels(self, number: int) -> int:
        """All of a segment's."""
        return int(self.table.voxels[:, number].sum())

    def volume_cm3(self, muscles: Sequence[ThighStructure], side: Side) -> Figure:
        """Of several muscles together; only where all of them are whole."""
        reasons = {muscle: self._why_not_whole(self.number(muscle, side)) for muscle in muscles}
        lacking = [muscle for muscle, reason in reasons.items() if reason]
        if len(muscles) == 1 and lacking:
            return reasons[muscles[0]]
        if lacking:
            names = ", ".join(in_words(muscle) for muscle in lacking)
            return f"Not all of its muscles were found whole: {names}."
        count = sum(self.voxels(self.number(muscle, side)) for muscle in muscles)
        return float(count * np.prod(self.spacing_mm) / 1000)

    def mean_hu(self, muscles: Sequence[ThighStructure], side: Side) -> Figure:
        """Over the voxels whose HU are reliable."""
        return self._of_reliable(self.table.hu_sum, muscles, side)

    def fat_fraction(self, muscles: Sequence[ThighStructure], side: Side) -> Figure:
        """0 to 1."""
        return self._of_reliable(self.table.fat, muscles, side)

    def lean_volume_cm3(self, muscles: Sequence[ThighStructure], side: Side) -> Figure:
        """What is not fat; the unreliable part of a muscle is taken to have as much fat as the rest."""
        whole = self.volume_cm3(muscles, side)
        if isinstance(whole, str):
            return whole
        lean_cm3 = 0.0
        for muscle in muscles:
            volume, fat = self.volume_cm3((muscle,), side), self.fat_fraction((muscle,), side)
            if isinstance(volume, str) or isinstance(fat, str):
                return fat if len(muscles) == 1 else f"Not known of {in_words(muscle)}."
            lean_cm3 += volume * (1 - fat)
        return lean_cm3

    def per_height2(self, volume_cm3: Figure) -> Figure:
        """cm3/m2."""
        return volume_cm3 if isinstance(volume_cm3, str) else per_height2(volume_cm3, self.height_m)

    def _why_not_whole(self, number: int) -> str:
        if not self.voxels(number):
            return NOT_FOUND
        if number not in self.coverage.cut:
            return ""
        where = " and ".join(self.coverage.cut[number])
        covered_mm = self.coverage.covered_mm[number]
        return f"The muscle is cut {where}: {covered_mm:.0f} mm of it along the body are covered."

    def _of_reliable(self, counts: Counts, muscles: Sequence[ThighStructure], side: Side) -> Figure:
        """Per reliable voxel. Of one muscle also where it is cut: then of the covered part."""
        numbers = [self.number(muscle, side) for muscle in muscles]
        whole = self.volume_cm3(muscles, side)
        if isinstance(whole, str) and (len(muscles) > 1 or not self.voxels(numbers[0])):
            return whole
        reliable = int(self.table.reliable[:, numbers].sum())
        if reliable < LEAST_RELIABLE * self.table.voxels[:, numbers].sum():
            return METAL
        return float(counts[:, numbers].sum() / reliable)
