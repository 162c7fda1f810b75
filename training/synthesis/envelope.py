"""The deep fascia as somebody would draw it, and the cavity it encloses together with the muscles.

The fascia means what it means in ``inference.tissue_protocol``: the smooth surface that bridges gaps of up to
``muscle.GAP_MM`` between muscles and bones of one side. All masks are (slice, row, column).
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inference.morphology import Mask, closed, dilated, distance_mm, filled, opened, without_small_parts
from inference.muscle import GAP_MM
from inference.pelvis import OBTURATOR_FORAMEN_MM, OPEN_RING_MM
from inference.result import Side

WALL_GAP_MM = 100.0
"""Between the muscles of the abdominal wall there are aponeuroses, which nobody labels."""

BEFORE_WIDER_MM = 12.0
"""The abdominal wall comes down to the inguinal ligament, further out than the pelvic ring is open."""

SKIN_MM = 3.0
PERINEUM_HALF_MM = 18.0
"""Half width of the root of the genitals."""

PERINEUM_BELOW_MM = 20.0
"""How far below the ischia it goes on where the thighs touch."""

MALE_MORE_MM = 20.0
SKIN_AND_FAT_MM = 15.0
"""Between a man's genitals and the muscles of his thighs, at least."""

GENITALS_MM = 30.0
"""Thinner than that are folds of skin."""

SYMPHYSIS_MM = 8.0
"""Half width in which both hip bones meet."""

OTHER_DEPTH_MM = 6.0
"""Where it is this far from labelled muscle, bone and fascia there is a muscle that nobody has labelled."""

OTHER_PLANE_MM = 2.0
OTHER_ABOVE_MM = 10.0
"""Further above the femoral heads what is deep between muscles is fat of the abdomen."""

BESIDE_VESSELS_MM = 6.0
"""Nerve, lymph nodes and fat lie beside vessels."""

JOINT_MM = 6.0


Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Solids:
    """Masks of what is labelled, on a grid of ``spacing_mm``."""

    femora: Mask
    hip_bones: Mask
    axial: Mask
    muscle: Mask
    vessels: Mask
    """Of the thighs and groins: the deep fascia lies over them."""
    body: Mask
    spacing_mm: float
    middle: float

    @property
    def bone(self) -> Mask:
        """Every bone."""
        return self.femora | self.hip_bones | self.axial

    def within(self, box: Box) -> "Solids":
        """The part in a box of slices, rows and columns."""
        return Solids(
            self.femora[box],
            self.hip_bones[box],
            self.axial[box],
            self.muscle[box],
            self.vessels[box],
            self.body[box],
            self.spacing_mm,
            self.middle - box[2].start,
        )

    def side(self, side: Side) -> Mask:
        """Columns of one side; (column,)."""
        columns = np.arange(self.body.shape[2])
        left: Mask = columns > self.middle
        return left if side is Side.LEFT else ~left


@dataclass(frozen=True)
class Envelope:
    """Attributes:
    deep: what the deep fascia encloses.
    cavity: abdomen, pelvis, perineum, and genitals, which lie outside ``deep``; no muscle, no bone.
    limbs: muscle compartments of both sides.
    """

    deep: Mask
    cavity: Mask
    limbs: Mask


def draw_envelope(solids: Solids) -> Envelope:
    """Draw fascia and cavity around what is labelled."""
    pixel_mm = (solids.spacing_mm,) * 2
    labelled = solids.muscle | solids.vessels | solids.bone
    firm = labelled | dilated(solids.vessels, BESIDE_VESSELS_MM, pixel_mm)
    inside, before = _canal(solids)
    above = _above_hips(solids)
    limbs = np.zeros_like(labelled)
    for side in Side:
        own = firm & solids.side(side)
        compartments = closed(own, GAP_MM / 2, pixel_mm)
        whole = filled(compartments)
        whole[above] = compartments[above]
        limbs |= whole & solids.side(side)
    limbs &= solids.body
    deep = filled(closed(firm | inside, GAP_MM / 2, pixel_mm))
    wall = filled(closed(firm, WALL_GAP_MM / 2, pixel_mm))
    deep[above] |= wall[above]
    deep |= wall & before
    under_skin = distance_mm(~solids.body, pixel_mm) > SKIN_MM
    deep = (deep & under_skin) | labelled

    genitals = _genitals(solids, limbs)
    cavity = deep & ~labelled & (~limbs | inside | before)
    cavity = opened(cavity, solids.spacing_mm, pixel_mm) | (genitals & ~labelled)
    cavity &= solids.body
    return Envelope(deep, cavity, limbs & ~cavity)


def other_muscle(solids: Solids, envelope: Envelope) -> Mask:
    """Muscles that nobody has labelled: what lies deep between labelled ones.

    Short rotators of the hip, tendons, the iliopsoas below the groin: a map's muscles end where somebody
    stopped drawing, and fat as thick as what is left would be implausible.
    """
    pixel_mm = (solids.spacing_mm,) * 2
    taken = solids.muscle | solids.bone | dilated(solids.vessels, BESIDE_VESSELS_MM, pixel_mm)
    joints = filled(closed(solids.bone, JOINT_MM, pixel_mm))
    gap = envelope.limbs & ~taken & ~joints
    gap[_above_hips(solids, OTHER_ABOVE_MM)] = False
    core = gap & (distance_mm(~gap, pixel_mm) > OTHER_DEPTH_MM)
    room = gap & (distance_mm(~gap, pixel_mm) > OTHER_PLANE_MM)
    return dilated(core, OTHER_DEPTH_MM - OTHER_PLANE_MM, pixel_mm) & room


def _above_hips(solids: Solids, more_mm: float = 0.0) -> Mask:
    """Slices above the femoral heads; (slice,)."""
    top = int(np.flatnonzero(solids.femora.any(axis=(1, 2)))[-1])
    above: Mask = np.arange(len(solids.body)) > top + more_mm / solids.spacing_mm
    return above


def _canal(solids: Solids) -> tuple[Mask, Mask]:
    """Between the inner faces of the hip bones, and in front of that where the pubic rami are apart."""
    inside, before = np.zeros_like(solids.body), np.zeros_like(solids.body)
    columns = np.arange(solids.body.shape[2])
    bones = without_small_parts(solids.hip_bones, 60.0, (solids.spacing_mm,) * 2)
    for index, plane in enumerate(bones):
        right = _inner_face(plane & solids.side(Side.RIGHT), solids.spacing_mm, last=True)
        left = _inner_face(plane & solids.side(Side.LEFT), solids.spacing_mm, last=False)
        if right is None or left is None:
            continue
        front = max(right[0][0], left[0][0])
        back = _back(solids, index, max(right[0][-1], left[0][-1]))
        rows = np.arange(front, back + 1)
        if not rows.size:
            continue
        first, last = (
            np.interp(rows, np.append(r, max(back, r[-1] + 1)), np.append(c, solids.middle))
            for r, c in (right, left)
        )
        inside[index, rows] = (columns > first[:, None]) & (columns < last[:, None])
        if (last[0] - first[0]) * solids.spacing_mm > OPEN_RING_MM:
            wider = BEFORE_WIDER_MM / solids.spacing_mm
            before[index, :front] = (columns > first[0] - wider) & (columns < last[0] + wider)
    return inside & solids.body, before & solids.body


def _inner_face(bone: Mask, spacing_mm: float, *, last: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows of a bone, and in each the column that is nearest to the midline."""
    rows = np.flatnonzero(bone.any(axis=1))
    if not rows.size:
        return None
    columns = bone.shape[1] - 1 - bone[rows, ::-1].argmax(axis=1) if last else bone[rows].argmax(axis=1)
    outward = -columns if last else columns
    smooth = ndimage.grey_opening(outward, (round(OBTURATOR_FORAMEN_MM / spacing_mm),))
    wall = outward - smooth < 4
    return rows[wall], columns[wall]


def _back(solids: Solids, index: int, ischium: int) -> int:
    """Row where the canal ends: the sacrum's front, or halfway from the ischia to the skin."""
    rows = np.flatnonzero(solids.axial[index].any(axis=1))
    if rows.size:
        return int(rows[0])
    skin = np.flatnonzero(solids.body[index][:, round(solids.middle)]).max(initial=ischium)
    return int((ischium + skin) // 2)


def _genitals(solids: Solids, limbs: Mask) -> Mask:
    """Between and before the thighs, from the symphysis down."""
    spacing_mm = solids.spacing_mm
    pixel_mm = (spacing_mm, spacing_mm)
    lowest = int(np.flatnonzero(solids.hip_bones.any(axis=(1, 2)))[0])
    columns_mm = abs(np.arange(solids.body.shape[2]) - solids.middle) * spacing_mm
    symphysis = (solids.hip_bones & (columns_mm < SYMPHYSIS_MM)).any(axis=(1, 2))
    top = int(np.flatnonzero(symphysis)[0]) if symphysis.any() else lowest
    ischia = int(np.flatnonzero(solids.hip_bones[lowest : lowest + 5].any(axis=(0, 2)))[-1])

    loose = np.zeros_like(solids.body)
    for index in range(top):
        shafts = solids.femora[index]
        if not (shafts & solids.side(Side.LEFT)).any() or not (shafts & solids.side(Side.RIGHT)).any():
            continue
        parts, count = ndimage.label(opened(solids.body[index : index + 1], GENITALS_MM / 2, pixel_mm)[0])
        legs = np.unique(parts[shafts])
        loose[index] = np.isin(parts, np.setdiff1d(np.arange(1, count + 1), legs))
    hanging = np.flatnonzero(loose.any(axis=(1, 2)))
    root = np.zeros_like(solids.body)
    if hanging.size:
        root[int(hanging[0]) : top] = columns_mm < PERINEUM_HALF_MM + MALE_MORE_MM
        root &= ~dilated(limbs, SKIN_AND_FAT_MM, pixel_mm)
    else:
        root[max(0, lowest - round(PERINEUM_BELOW_MM / spacing_mm)) : top] = columns_mm < PERINEUM_HALF_MM
        root &= ~dilated(limbs, 5.0, pixel_mm)
    root[:, ischia:] = False
    around = dilated(loose, 3.0, pixel_mm) & ~dilated(limbs, 5.0, pixel_mm)
    return (root | around) & solids.body
