"""Which leg it is, from itself: the order of the muscles around its bone, as one is not the other turned."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.muscles import ThighStructure as Thigh
from inference.sampling import Floats

AROUND_FEMUR: Mapping[Thigh, float] = {
    Thigh.SARTORIUS: 66,
    Thigh.RECTUS_FEMORIS: 5,
    Thigh.VASTUS_LATERALIS: -80,
    Thigh.VASTUS_INTERMEDIUS: -64,
    Thigh.VASTUS_MEDIALIS: 64,
    Thigh.ADDUCTOR_MAGNUS: 125,
    Thigh.ADDUCTOR_BREVIS: 79,
    Thigh.ADDUCTOR_LONGUS: 77,
    Thigh.GRACILIS: 107,
    Thigh.PECTINEUS: 55,
    Thigh.SEMITENDINOSUS: 158,
    Thigh.SEMIMEMBRANOSUS: 148,
    Thigh.BICEPS_FEMORIS: -172,
    Thigh.GLUTEUS_MAXIMUS: 177,
    Thigh.GLUTEUS_MEDIUS: -88,
    Thigh.GLUTEUS_MINIMUS: -84,
    Thigh.TENSOR_FASCIAE_LATAE: -41,
    Thigh.PIRIFORMIS: 173,
    Thigh.QUADRATUS_FEMORIS: 145,
    Thigh.OBTURATOR_INTERNUS: 106,
    Thigh.OBTURATOR_EXTERNUS: 82,
}
"""Mean direction in an axial slice from the femur to each muscle, degrees from the front towards the midline.
Of the four legs of the Visible Human (muscles of Andreassen et al. 2022), none is over 20 degrees off."""

AROUND_HIP_BONE: Mapping[Thigh, float] = {
    Thigh.SARTORIUS: -31,
    Thigh.GLUTEUS_MAXIMUS: -163,
    Thigh.GLUTEUS_MEDIUS: -107,
    Thigh.GLUTEUS_MINIMUS: -73,
    Thigh.TENSOR_FASCIAE_LATAE: -49,
    Thigh.PIRIFORMIS: 150,
    Thigh.OBTURATOR_INTERNUS: 131,
    Thigh.ILIACUS: -1,
    Thigh.PSOAS: 40,
}
"""The same from the hip bone, in slices above the femur."""

ENOUGH_MM3 = 4000.0
"""Of a muscle, to count as much as any other."""

LEAST_MUSCLES = 3.0


@dataclass(frozen=True)
class Laterality:
    """What the muscles of one leg say.

    Attributes:
        left: above 0 for a left leg, below for a right one, however it is turned; 0 where too few muscles are
            there. Legs of the Visible Human, whole or 40 mm of them, have 0.46 to 0.83.
        turned: by how much its front is turned towards the patient's right, radians.
    """

    left: float
    turned: float


def laterality(
    labels: NDArray[np.uint8], points: NDArray[np.intp], voxel_mm: tuple[float, float, float]
) -> Laterality:
    """Compare the muscles of one leg with those of a left and of a right one.

    Args:
        labels: values of ``ThighStructure`` at ``points``, (n,).
        points: indices of the leg's voxels, (n, 3): slice towards the head, row to the back, column to the
            left.
        voxel_mm: spacing along each axis.
    """
    slices = int(points[:, 0].max(initial=0)) + 1
    as_left, as_right, muscles = 0j, 0j, 0.0
    taken = np.zeros(slices, bool)
    for bone, table in ((Thigh.FEMUR, AROUND_FEMUR), (Thigh.HIP_BONE, AROUND_HIP_BONE)):
        centres = _centres(points[labels == bone], slices)
        centres[taken] = np.nan
        taken |= ~np.isnan(centres[:, 0])
        for muscle, degrees in table.items():
            here = points[labels == muscle]
            back, left = ((here[:, 1:] - centres[here[:, 0]]) * voxel_mm[1:]).T
            seen = np.hypot(back, left) > 0
            if not seen.any():
                continue
            towards = -(back + 1j * left)[seen]
            weight = min(1.0, len(towards) * float(np.prod(voxel_mm)) / ENOUGH_MM3)
            mean = weight * complex((towards / abs(towards)).mean())
            usual = np.exp(-1j * np.radians(degrees))
            as_left += mean * usual
            as_right += mean.conjugate() * usual
            muscles += weight
    if muscles < LEAST_MUSCLES:
        return Laterality(0.0, 0.0)
    # Turning all directions by one angle changes the angle of a sum, not its size.
    left_leg = (abs(as_left) - abs(as_right)) / muscles
    turned = np.angle(as_left) if left_leg > 0 else -np.angle(as_right)
    return Laterality(left_leg, float(turned))


def _centres(points: NDArray[np.intp], slices: int) -> Floats:
    """Mean (row, column) in each slice; NaN where there are no points."""
    count = np.bincount(points[:, 0], minlength=slices)
    with np.errstate(invalid="ignore"):
        return np.stack(
            [np.bincount(points[:, 0], points[:, axis], minlength=slices) / count for axis in (1, 2)], axis=1
        )
