"""Blocks of synthetic CT with the muscle each voxel belongs to, on the grid the thigh-muscle network sees.

A block is rendered where it will be looked at, not cut from a scan: voxels of 2 x 2 x 4 mm are larger than a
scanner's blur, so that what reaches them of noise, kernel and slice thickness is drawn, not worked out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv1d, interpolate

from training.synthesis.muscle_truth import ANYTHING, MuscleTruth
from training.synthesis.patient import Patient, draw_patient
from training.synthesis.person import Person
from training.synthesis.structures import Anatomy
from training.synthesis.variation import Variation, draw, happens

SPACING_MM = (4.0, 2.0, 2.0)
AIR_HU = -1000.0
METAL_HU = 3000.0

BESIDE_MM, BEFORE_MM = 130.0, 70.0
"""A block's middle lies within this of the femoral heads' middle."""

INSIDE_MM = 40.0
"""How far a block's middle lies inside what is trusted of a person, at least; beyond, the scan has ended."""

NOISE_HU = (1.0, 22.0)
"""As left of a scanner's 3 to 45 HU where four pixels are averaged; drawn on a logarithmic scale."""
NOISE_BLUR = (0.0, 0.9)
KERNEL_BLUR = (0.25, 0.8)
"""Standard deviations, in voxels of a slice."""

THICKNESS_BLUR = (0.0, 0.22)
"""Share that each neighbouring slice has in one: 0.22 is what slices of 6 mm leave on a grid of 4 mm."""

UNEVEN_HU = 5.0
"""Beam hardening and scatter, over the body; chosen."""

STREAKS = (5, 14)
STREAK_HU = 450.0
STREAK_WIDTH = (0.03, 0.15)
STREAK_REACH_MM = 45.0
TRUNCATED = 0.08
FIELD_MM = (70.0, 140.0)
ENDED = 0.25
"""Of the blocks, the scan ends somewhere in so many; chosen."""
LEAST_LEFT_OUT = 4


@dataclass(frozen=True)
class Block:
    """Axes foot to head, front to back, right to left.

    Attributes:
        hu: float32, (slice, row, column), on a grid of ``SPACING_MM``; air where the scan has ended.
        labels: uint8, index into ``TRUTHS``.
        person: whose anatomy it is.
    """

    hu: Tensor
    labels: Tensor
    person: str


class MuscleBlocks:
    """Draws synthetic patients, and a block of each.

    Args:
        people: whose anatomy to use.
        weights: how often each is drawn, in relation to the others.
        variation: what varies.
        shape: of a block, voxels.
        device: where they are made.
    """

    def __init__(
        self,
        people: Sequence[Person],
        weights: Sequence[float],
        variation: Variation,
        shape: tuple[int, int, int],
        device: torch.device | str = "cpu",
    ) -> None:
        self._device = torch.device(device)
        self._anatomies = [Anatomy(person, self._device) for person in people]
        self._truths = [MuscleTruth(person.muscle_names) for person in people]
        self._weights = torch.tensor(weights, dtype=torch.float)
        self._variation = variation
        self._shape = shape

    def draw(self, seed: int) -> Block:
        """One block; the same seed gives the same one on the same kind of device."""
        random = torch.Generator().manual_seed(seed)
        chosen = int(torch.multinomial(self._weights, 1, generator=random))
        patient = draw_patient(self._anatomies[chosen], self._variation, random)
        slices, rows, columns = (
            mm * (torch.arange(count, device=self._device) - (count - 1) / 2) + middle
            for mm, count, middle in zip(SPACING_MM, self._shape, self._middle(patient, random), strict=True)
        )
        lowest, highest = _covered_mm(slices, trusted_mm(patient), random)
        truth = self._truths[chosen]
        hu = torch.full(self._shape, AIR_HU, device=self._device)
        labels = torch.full(self._shape, ANYTHING, dtype=torch.uint8, device=self._device)
        metal = torch.zeros(self._shape, device=self._device)
        there = [n for n, level in enumerate(slices.tolist()) if lowest <= level <= highest]
        for n in there:
            level = float(slices[n])
            one = patient.render(level, rows, columns)
            hu[n], metal[n] = one.hu, one.metal
            labels[n] = truth(one.muscle, one.femur, one.hip_bone, level)
        if there:
            seen = slice(there[0], there[-1] + 1)
            hu[seen] = _scanned(hu[seen], metal[seen], random)
        return Block(hu, labels, patient.anatomy.person.name)

    def _middle(self, patient: Patient, random: torch.Generator) -> tuple[float, float, float]:
        lowest, highest = trusted_mm(patient)
        level = draw((lowest + INSIDE_MM, highest - INSIDE_MM), random)
        return level, draw((-BEFORE_MM, BEFORE_MM), random), draw((-BESIDE_MM, BESIDE_MM), random)


def trusted_mm(patient: Patient) -> tuple[float, float]:
    """Lowest and highest level at which the person's labels are complete, above the femoral heads."""
    person, stretch = patient.anatomy.person, float(patient.pose.linear[0, 0])
    centre = float(patient.pose.centre_mm[0])
    ends = person.trusted.start, person.trusted.stop - 1
    lowest, highest = ((end * person.spacing_mm - centre) / stretch for end in ends)
    return lowest, highest


def _covered_mm(slices: Tensor, trusted: tuple[float, float], random: torch.Generator) -> tuple[float, float]:
    """Lowest and highest level that the scan covers."""
    lowest, highest = trusted
    if happens(ENDED, random):
        left_out = int(torch.randint(LEAST_LEFT_OUT, len(slices) // 2, (), generator=random))
        if happens(0.5, random):
            lowest = max(lowest, float(slices[left_out]))
        else:
            highest = min(highest, float(slices[-1 - left_out]))
    return lowest, highest


def _scanned(hu: Tensor, metal: Tensor, random: torch.Generator) -> Tensor:
    """What a scanner, and the way to this grid, make of slices."""
    share = draw(THICKNESS_BLUR, random)
    hu = _blurred(hu.clamp(-1000, 1500), draw(KERNEL_BLUR, random))
    if len(hu) > 1:
        along = torch.tensor([share, 1 - 2 * share, share]).to(hu)
        padded = torch.cat((hu[:1], hu, hu[-1:]))
        hu = conv1d(padded.flatten(1).T[:, None], along[None, None])[:, 0].T.reshape(hu.shape)
    low, high = NOISE_HU
    noise_hu = low * (high / low) ** draw((0.0, 1.0), random)
    noise = _blurred(torch.randn(hu.shape, generator=random).to(hu), draw(NOISE_BLUR, random))
    hu = hu + noise_hu * noise / noise.std() + UNEVEN_HU * _smooth(hu.shape, random).to(hu)
    if metal.any():
        hu = torch.lerp(hu, torch.tensor(METAL_HU).to(hu), _blurred(metal, 0.5).clamp(0, 1))
        hu = hu + _streaks(metal, random)
    if happens(TRUNCATED, random):
        hu = torch.where(_away_mm(hu.shape[1:], random).to(hu) < draw(FIELD_MM, random), hu, AIR_HU)
    return hu.clamp(-1024, 3071)


def _blurred(hu: Tensor, sigma: float) -> Tensor:
    """Within slices."""
    reach = math.ceil(2.5 * sigma)
    if not reach:
        return hu
    steps = torch.arange(-reach, reach + 1).to(hu)
    kernel = torch.exp(-(steps**2) / (2 * max(sigma, 0.1) ** 2))
    kernel = (kernel / kernel.sum())[None, None]
    for _ in range(2):
        flat = torch.nn.functional.pad(hu.reshape(-1, 1, hu.shape[-1]), (reach, reach), mode="replicate")
        hu = conv1d(flat, kernel).reshape(hu.shape).transpose(1, 2)
    return hu


def _smooth(shape: torch.Size, random: torch.Generator) -> Tensor:
    coarse = torch.randn(1, 1, 2, 4, 4, generator=random)
    return interpolate(coarse, size=tuple(shape), mode="trilinear", align_corners=True)[0, 0]


def _streaks(metal: Tensor, random: torch.Generator) -> Tensor:
    """Bright and dark rays from the middle of the metal in each slice, weaker away from it."""
    rows, columns = (torch.arange(size).to(metal) for size in metal.shape[1:])
    amount = metal.sum(dim=(1, 2)).clamp_min(1e-3)
    row = (metal.sum(dim=2) @ rows / amount)[:, None, None]
    column = (metal.sum(dim=1) @ columns / amount)[:, None, None]
    away = torch.hypot(rows[:, None] - row, columns - column) * SPACING_MM[1]
    angle = torch.atan2(rows[:, None] - row, columns - column)
    rays = torch.zeros_like(metal)
    for _ in range(int(draw((float(STREAKS[0]), float(STREAKS[1])), random))):
        turn = (angle - draw((-math.pi, math.pi), random) + math.pi) % (2 * math.pi) - math.pi
        height = draw((-STREAK_HU, STREAK_HU), random)
        rays = rays + height * torch.exp(-((turn / draw(STREAK_WIDTH, random)) ** 2))
    weaker = STREAK_REACH_MM / (STREAK_REACH_MM + away)
    return rays * weaker * (amount[:, None, None] > 1)


def _away_mm(shape: torch.Size, random: torch.Generator) -> Tensor:
    """Distance from the middle of a field of view, (row, column)."""
    row, column = (torch.arange(size) - size * draw((0.2, 0.8), random) for size in shape)
    return SPACING_MM[1] * torch.hypot(row[:, None], column)
