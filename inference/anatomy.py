"""Which part of the body a CT shows: the proximal femora, found in its pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import highdicom as hd
import numpy as np
from scipy import ndimage

from inference.femoral_head import METAL_HU, FemoralHead, judge
from inference.femoral_shaft import find_shaft, shaft_levels
from inference.neck_surface import trace_neck
from inference.result import Side
from inference.sampling import TOWARDS, Floats, Scan, ramp
from inference.spheres import fit_sphere, sphere_centres
from inference.thighs import covers_thigh

Point = tuple[float, float, float]

LEAST_EXTENT_MM = 35.0
COARSE_MM = 4.0
FINE_MM = 2.0
LEAST_CONFIDENCE = 0.5
"""A head less sure than this is not reported."""
LEAST_ALONE = 0.65
"""Without a partner that fits, a head must be surer."""
ALONE = 0.9
"""Highest confidence of a head without a partner."""
LIKELY = 0.1
"""Balls less like a femoral head than this are not looked at again."""

NECK_QUALITY = (0.5, 0.9)
"""Of the outline of the neck's narrowest section: none and a good one."""
SHAFT_SHARE = (0.3, 0.7)
"""Of the levels below the lesser trochanter that show a shaft: too few and enough."""
ENOUGH_LEVELS = 4
"""With fewer of them in the volume, nothing follows from a missing shaft."""

SEPARATION_MM = ((110, 135), (265, 230))
"""Between the centres of both heads: impossible and usual, for narrow pelves and for wide ones.

Nine adults had 162 to 198 mm; the limits leave room for smaller and larger ones.
"""
LOPSIDED_MM = (75, 40)
"""How much higher one head may lie than the other: pelvic obliquity."""
TURNED_DEGREES = (45, 25)
"""How far a patient may be turned about the body's long axis."""
UNEQUAL_MM = (8, 4)
"""Difference between the radii of both heads."""
BODY_HU = -300
FROM_MIDLINE_MM = (25, 45)
"""Of a head: too near and far enough."""
HIP_WIDTH_MM = 250.0
"""A body is wider at its hips; where the picture shows less, nobody knows where the midline is."""
THIGH_BELOW_MM = 95.0
PELVIS_ABOVE_MM = 60.0
NECK_BELOW_RADII = 1.2
"""A volume that does not reach this far below a head's centre does not show the neck."""


@dataclass(frozen=True)
class ProximalFemur:
    """The upper end of one femur; points in LPS, mm.

    Attributes:
        shaft_centre_mm: on the shaft's axis below the lesser trochanter; where the volume ends above that, on
            the neck's axis near the trochanters.
        confidence: 0 to 1.
    """

    side: Side
    head_centre_mm: Point
    head_radius_mm: float
    shaft_centre_mm: Point
    confidence: float


@dataclass(frozen=True)
class Anatomy:
    """What a volume shows.

    Attributes:
        regions: ``proximal_femur``: a femoral head with its neck; ``thigh``: a shaft well below the lesser
            trochanter, or thighs without a head; ``pelvis``: both hips and what lies above them. Empty
            where no femur was found.
        femora: at most one of each side, left first.
        reason: why found or not found, in a sentence.
    """

    regions: tuple[str, ...]
    femora: tuple[ProximalFemur, ...]
    reason: str


@dataclass(frozen=True)
class _Hip:
    """A head with what was found of its femur.

    Attributes:
        shaft: centres of cross-sections, points of the scan, downwards.
        shaft_seen: 0 to 1, share of the levels below the lesser trochanter that show a shaft; 0.5 where there
            are hardly any.
        evidence: 0 to 1, from this side alone.
    """

    head: FemoralHead
    shaft: Sequence[Floats]
    shaft_seen: float
    evidence: float


def find_anatomy(volume: hd.Volume) -> Anatomy:
    """Look for the proximal femora.

    Dense balls are found and fitted; what surrounds each one, its neck and its shaft say whether it is a
    femoral head. Both sides are found independently and then checked against each other. Metal heads are not
    reported as femora.

    Args:
        volume: HU, of any orientation whose slices are roughly axial; every few mm a slice is enough.
    """
    fine = Scan.of(volume).reduced(FINE_MM)
    extent_mm = fine.last_mm - fine.first_mm
    if extent_mm.min() < LEAST_EXTENT_MM:
        return Anatomy((), (), f"The volume covers only {extent_mm.min():.0f} mm: less than a femoral head.")
    coarse = fine.reduced(COARSE_MM)
    judged = [head for centre in sphere_centres(coarse) for head in _judged(fine, coarse, centre)]
    likely = sorted((head for head in judged if head.likelihood > LIKELY), key=lambda head: -head.likelihood)

    hips = _best_pair(fine, likely) or _best_single(fine, likely)
    if not hips:
        return _without_heads(fine, _why_none(fine, judged))
    femora = tuple(_femur(fine, hip) for hip in sorted(hips, key=lambda hip: hip.head.side))
    metal = any(head.density > METAL_HU for head in judged)
    return Anatomy(_regions(fine, hips), femora, _why_found(femora, metal=metal))


def _without_heads(fine: Scan, why: str) -> Anatomy:
    """Thighs can be measured where no femoral head is shown, or only a metal one."""
    if not covers_thigh(fine):
        return Anatomy((), (), why)
    return Anatomy(("thigh",), (), f"{why} But the scan shows a thigh.")


def _judged(fine: Scan, coarse: Scan, centre_mm: Floats) -> list[FemoralHead]:
    """What each side makes of the ball near a point, in its better fit, or in the other."""
    heads: list[FemoralHead] = []
    for ball in fit_sphere(fine, centre_mm):
        if any(head.likelihood > LEAST_CONFIDENCE for head in heads):
            break
        for side in Side:
            head = judge(fine, ball, side)
            heads.append(replace(head, likelihood=head.likelihood * _beside_midline(coarse, head)))
    return heads


def _best_pair(fine: Scan, heads: Sequence[FemoralHead]) -> tuple[_Hip, ...]:
    """The two heads that make the best pair of hips, or the surer one of them, or none."""
    best = max(
        _sides(heads),
        key=lambda pair: _match(*pair) * np.sqrt(pair[0].likelihood * pair[1].likelihood),
        default=None,
    )
    match = _match(*best) if best else 0.0
    if not best or not match:
        return ()
    hips = [_examined(fine, head) for head in best]
    together = np.sqrt(hips[0].evidence * hips[1].evidence)
    sure = (replace(hip, evidence=float(match * (hip.evidence + together) / 2)) for hip in hips)
    return tuple(hip for hip in sure if hip.evidence >= LEAST_CONFIDENCE)


def _sides(heads: Sequence[FemoralHead]) -> list[tuple[FemoralHead, FemoralHead]]:
    """Every left head with every right one."""
    return [pair for pair in product(heads, heads) if [head.side for head in pair] == [Side.LEFT, Side.RIGHT]]


def _match(left: FemoralHead, right: FemoralHead) -> float:
    """0 to 1: can these be the hips of one person?"""
    up, back, sideways = left.sphere.centre_mm - right.sphere.centre_mm
    narrow, wide = SEPARATION_MM
    apart = np.hypot(back, sideways)
    turned = np.degrees(np.arctan2(abs(back), sideways))
    unequal = abs(left.sphere.radius_mm - right.sphere.radius_mm)
    return float(
        ramp(apart, *narrow)
        * ramp(apart, *wide)
        * ramp(abs(up), *LOPSIDED_MM)
        * ramp(turned, *TURNED_DEGREES)
        * ramp(unequal, *UNEQUAL_MM)
    )


def _best_single(fine: Scan, heads: Sequence[FemoralHead]) -> tuple[_Hip, ...]:
    """The surest head on its own; it needs more evidence than one of a pair."""
    best: tuple[_Hip, ...] = ()
    for head in heads:
        if head.likelihood < LEAST_ALONE:
            continue
        hip = _examined(fine, head)
        evidence = hip.evidence * ALONE * hip.shaft_seen
        if evidence >= LEAST_ALONE and (not best or evidence > best[0].evidence):
            best = (replace(hip, evidence=evidence),)
    return best


def _examined(fine: Scan, head: FemoralHead) -> _Hip:
    """A head with its neck and shaft."""
    if not _neck_covered(fine, head):
        return _Hip(head, (), 0.0, 0.0)
    shaft = find_shaft(fine, head)
    levels = len(shaft_levels(fine, head))
    seen = float(ramp(len(shaft) / levels, *SHAFT_SHARE)) if levels >= ENOUGH_LEVELS else 0.5
    evidence = head.likelihood * float(ramp(trace_neck(fine, head).quality, *NECK_QUALITY))
    return _Hip(head, shaft, seen, evidence * (1 if levels < ENOUGH_LEVELS else 0.7 + 0.3 * seen))


def _neck_covered(scan: Scan, head: FemoralHead) -> bool:
    height = head.sphere.centre_mm[0] - NECK_BELOW_RADII * head.sphere.radius_mm
    return bool(height >= scan.first_mm[0])


def _beside_midline(coarse: Scan, head: FemoralHead) -> float:
    """0 to 1: does the head lie as far to its side of the body's middle as a hip does?"""
    row = round((head.sphere.centre_mm[0] - coarse.first_mm[0]) / coarse.voxel_mm[0])
    row = min(max(row, 0), coarse.hu.shape[0] - 1)
    parts, count = ndimage.label(coarse.hu[row] > BODY_HU)
    if not count:
        return 0.0
    _, columns = np.nonzero(parts == np.bincount(parts[parts > 0]).argmax())
    if np.ptp(columns) * coarse.voxel_mm[2] < HIP_WIDTH_MM:
        return 1.0
    middle = coarse.first_mm[2] + coarse.voxel_mm[2] * columns.mean()
    return float(ramp((head.sphere.centre_mm[2] - middle) * TOWARDS[head.side], *FROM_MIDLINE_MM))


def _femur(scan: Scan, hip: _Hip) -> ProximalFemur:
    head = hip.head
    trochanters = head.sphere.centre_mm + 2 * head.sphere.radius_mm * head.neck_direction
    return ProximalFemur(
        side=head.side,
        head_centre_mm=scan.lps(head.sphere.centre_mm),
        head_radius_mm=head.sphere.radius_mm,
        shaft_centre_mm=scan.lps(hip.shaft[len(hip.shaft) // 4] if hip.shaft else trochanters),
        confidence=round(hip.evidence, 2),
    )


def _regions(scan: Scan, hips: Sequence[_Hip]) -> tuple[str, ...]:
    top = [hip.head.sphere.centre_mm[0] for hip in hips]
    regions = ["proximal_femur"]
    if any(
        height - point[0] >= THIGH_BELOW_MM
        for height, hip in zip(top, hips, strict=True)
        for point in hip.shaft
    ):
        regions.append("thigh")
    if len(hips) == 2 and scan.last_mm[0] - max(top) >= PELVIS_ABOVE_MM:
        regions.append("pelvis")
    return tuple(regions)


def _why_found(femora: Sequence[ProximalFemur], *, metal: bool) -> str:
    if len(femora) == 2:
        apart = np.linalg.norm(np.subtract(femora[0].head_centre_mm, femora[1].head_centre_mm))
        return f"Both femoral heads were found with their necks, {apart:.0f} mm apart."
    other = "the other hip is metal" if metal else "the other side was not found"
    return f"The {femora[0].side} femoral head was found with its neck; {other}."


def _why_none(scan: Scan, judged: Sequence[FemoralHead]) -> str:
    if any(head.likelihood > LEAST_CONFIDENCE and not _neck_covered(scan, head) for head in judged):
        return "What may be a femoral head lies at the lower end, but the volume ends above its neck."
    if any(head.density > METAL_HU for head in judged):
        return "No femoral head was found; there is a metal ball of the size of one."
    return "No femoral head was found: no dense ball has a socket, a neck and free sides as one has."
