"""Each rule of the labelling protocol on a phantom of plain shapes, whose areas are known."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.pelvic_frame import Head
from inference.result import Side
from inference.tissue_protocol import Tissue, label_tissues

WIDTH_MM, HEIGHT_MM = 480, 280
MIDDLE_MM, LEVEL_MM = 240.0, 130.0
"""Column and row midway between the femoral heads."""

HEAD_MM, HEAD_RADIUS_MM = 90.0, 24.0
AIR, FAT, SKIN, MUSCLE, ORGAN, CARTILAGE = -1000, -100, 20, 55, 30, 70
CORTEX, TRABECULAR, RED_MARROW, YELLOW_MARROW = 800, 220, 100, -20


Labels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


@dataclass
class Canvas:
    """One cross-section; coordinates in mm, lateral (positive left) and behind the femoral heads' centres."""

    hu: NDArray[np.int16]
    pixel_mm: tuple[float, float]

    @classmethod
    def empty(cls, pixel_mm: tuple[float, float] = (1.0, 1.0)) -> "Canvas":
        shape = (round(HEIGHT_MM / pixel_mm[0]), round(WIDTH_MM / pixel_mm[1]))
        return cls(np.full(shape, AIR, np.int16), pixel_mm)

    @property
    def grid(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        place = np.indices(self.hu.shape) + 0.5
        return place[1] * self.pixel_mm[1] - MIDDLE_MM, place[0] * self.pixel_mm[0] - LEVEL_MM

    def disc(self, lateral: float, behind: float, radius: float) -> NDArray[np.bool_]:
        return self.ellipse(lateral, behind, radius, radius)

    def ellipse(self, lateral: float, behind: float, wide: float, deep: float) -> NDArray[np.bool_]:
        x, y = self.grid
        inside: NDArray[np.bool_] = ((x - lateral) / wide) ** 2 + ((y - behind) / deep) ** 2 < 1
        return inside

    def box(self, left: float, right: float, front: float, back: float) -> NDArray[np.bool_]:
        x, y = self.grid
        return (x > left) & (x < right) & (y > front) & (y < back)

    def both(self, left: float, right: float, front: float, back: float) -> NDArray[np.bool_]:
        """A box on either side of the midline."""
        return self.box(left, right, front, back) | self.box(-right, -left, front, back)

    def in_heads(self, radius: float) -> NDArray[np.bool_]:
        return self.disc(HEAD_MM, 0, radius) | self.disc(-HEAD_MM, 0, radius)


BELLIES = (
    (30, 100, 55, 85),  # gluteus maximus
    (118, 150, -40, 40),  # the lateral muscles
    (70, 130, -75, -40),  # the front ones
    (44, 52, -15, 45),  # obturator internus, on the inner face of the hip bone
)
FAT_ISLAND = (60, 70, 65, 75)


def hip(pixel_mm: tuple[float, float] = (1.0, 1.0)) -> Canvas:
    """A cross-section through both hips: skin, fat, muscles, femora, hip bones, coccyx and a pelvic organ."""
    canvas = Canvas.empty(pixel_mm)
    canvas.hu[canvas.ellipse(0, 0, 180, 110)] = SKIN
    canvas.hu[canvas.ellipse(0, 0, 178, 108)] = FAT
    for belly in BELLIES:
        canvas.hu[canvas.both(*belly)] = MUSCLE
    canvas.hu[canvas.both(*FAT_ISLAND)] = FAT
    canvas.hu[canvas.disc(0, 5, 25)] = ORGAN
    canvas.hu[canvas.box(-10, 10, 60, 68)] = CORTEX
    canvas.hu[canvas.both(62, HEAD_MM, -8, 8)] = CARTILAGE
    canvas.hu[canvas.both(52, 62, -45, 45) | canvas.both(4, 62, -55, -45)] = CORTEX
    for radius, hu in ((24, CORTEX), (21, TRABECULAR), (14, RED_MARROW), (8, YELLOW_MARROW)):
        canvas.hu[canvas.in_heads(radius)] = hu
    return canvas


def heads(pixel_mm: tuple[float, float], level: float = 0) -> dict[Side, Head]:
    """Femoral heads whose centres lie in the slice ``level``."""
    row = LEVEL_MM / pixel_mm[0] - 0.5
    return {
        side: Head((level, row, (MIDDLE_MM + way * HEAD_MM) / pixel_mm[1] - 0.5), HEAD_RADIUS_MM)
        for side, way in ((Side.LEFT, 1), (Side.RIGHT, -1))
    }


def labelled(canvas: Canvas, *, noise_hu: float = 0.0) -> Labels:
    """Labels of a slice with this cross-section."""
    noise = np.random.default_rng(0).normal(0, noise_hu, canvas.hu.shape)
    hu = (canvas.hu + noise).astype(np.int16)[None]
    found = label_tissues(hu, (3.0, *canvas.pixel_mm), heads(canvas.pixel_mm), slice(0, 1))
    labels: Labels = found.labels[0]
    return labels


@pytest.fixture(scope="module")
def plain() -> Labels:
    return labelled(hip())


def area_mm2(labels: Labels, canvas: Canvas, *tissues: Tissue) -> float:
    return float(np.isin(labels, tissues).sum() * np.prod(canvas.pixel_mm))


BONE = tuple(Tissue)[:4]


@pytest.mark.parametrize("pixel_mm", [(1.0, 1.0), (0.7, 0.7), (0.8, 1.2)])
def test_areas_are_those_of_the_shapes(pixel_mm: tuple[float, float]) -> None:
    canvas = hip(pixel_mm)
    labels = labelled(canvas)
    painted = {
        Tissue.CORTICAL_BONE: CORTEX,
        Tissue.TRABECULAR_BONE: TRABECULAR,
        Tissue.HAEMATOPOIETIC_BONE_MARROW: RED_MARROW,
        Tissue.MARROW_ADIPOSE_TISSUE: YELLOW_MARROW,
        Tissue.MUSCLE: MUSCLE,
    }
    for tissue, hu in painted.items():
        area = (canvas.hu == hu).sum() * np.prod(pixel_mm)
        assert area_mm2(labels, canvas, tissue) == pytest.approx(area, rel=0.02), tissue.name
    bellies = 2 * (sum((b - a) * (d - c) for a, b, c, d in BELLIES) - 100)
    assert area_mm2(labels, canvas, Tissue.MUSCLE) == pytest.approx(bellies, rel=0.02)


@pytest.mark.parametrize(
    ("hu", "tissue"),
    [
        (301, Tissue.CORTICAL_BONE),
        (300, Tissue.TRABECULAR_BONE),
        (150, Tissue.TRABECULAR_BONE),
        (149, Tissue.HAEMATOPOIETIC_BONE_MARROW),
        (50, Tissue.HAEMATOPOIETIC_BONE_MARROW),
        (49, Tissue.MARROW_ADIPOSE_TISSUE),
        (-80, Tissue.MARROW_ADIPOSE_TISSUE),
    ],
)
def test_hu_decides_inside_bone(hu: int, tissue: Tissue) -> None:
    canvas = hip()
    marrow = canvas.in_heads(14)
    canvas.hu[marrow] = hu
    assert (labelled(canvas)[marrow] == tissue).all()


@pytest.mark.parametrize(
    ("hu", "tissue"),
    [
        (-29, Tissue.MUSCLE),
        (120, Tissue.MUSCLE),
        (-30, Tissue.INTERMUSCULAR_ADIPOSE_TISSUE),
        (-189, Tissue.INTERMUSCULAR_ADIPOSE_TISSUE),
        (-190, 0),
        (200, 0),
    ],
)
def test_hu_decides_inside_a_muscle(hu: int, tissue: int) -> None:
    canvas = hip()
    island = canvas.both(*FAT_ISLAND)
    canvas.hu[island] = hu
    inner = canvas.both(62, 68, 67, 73)
    assert (labelled(canvas)[inner] == tissue).all()


@pytest.mark.parametrize(
    ("where", "lateral", "behind", "tissue"),
    [
        ("before the muscles", 100, -85, Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE),
        ("beside the muscles", 165, 0, Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE),
        ("in the gluteal cleft", 0, 95, Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE),
        ("between bone and muscle", 64, 50, Tissue.INTERMUSCULAR_ADIPOSE_TISSUE),
        ("beside the rectum", 30, 35, 0),
        ("in the organ", 0, 5, 0),
        ("in the joint", 64, 0, 0),
        ("in the skin", 0, 109, 0),
        ("outside", 0, 130, 0),
    ],
)
def test_place_decides_what_hu_cannot(
    plain: Labels, where: str, lateral: float, behind: float, tissue: int
) -> None:
    assert (plain[hip().disc(lateral, behind, 0.8)] == tissue).all(), where


def test_a_cortex_with_gaps_still_encloses_its_marrow(plain: Labels) -> None:
    canvas = hip()
    whole = area_mm2(plain, canvas, *BONE)
    x, y = canvas.grid
    for degrees in (10, 80, 280):
        angle = np.arctan2(y, x - HEAD_MM) - np.radians(degrees)
        gap = abs(np.angle(np.exp(1j * angle))) < np.radians(7)
        canvas.hu[gap & canvas.disc(HEAD_MM, 0, 24)] = 60
    canvas.hu[canvas.disc(HEAD_MM, 0, 21)] = -20
    assert area_mm2(labelled(canvas), canvas, *BONE) == pytest.approx(whole, rel=0.02)


def test_a_bone_that_is_open_to_one_side_is_not_filled() -> None:
    """Soft tissue in the hollow of a bone is not its marrow."""
    canvas = hip()
    canvas.hu[canvas.disc(HEAD_MM, 0, 21)] = 60
    canvas.hu[canvas.disc(HEAD_MM, 0, 24) & canvas.box(HEAD_MM - 10, 240, -30, 30)] = 60
    assert (labelled(canvas)[canvas.disc(HEAD_MM + 5, 0, 3)] == Tissue.MUSCLE).all()


def test_what_is_dense_but_hangs_on_no_femur_is_no_bone(plain: Labels) -> None:
    """Contrast in the bladder, in a femoral artery, and a phlebolith."""
    canvas = hip()
    foreign = canvas.disc(0, 5, 25) | canvas.disc(100, -88, 5) | canvas.disc(-20, 40, 3)
    canvas.hu[foreign] = 500
    labels = labelled(canvas)
    assert not labels[foreign].any()
    assert (np.isin(labels, BONE) == np.isin(plain, BONE)).all()


def test_table_and_sheet_change_nothing(plain: Labels) -> None:
    canvas = hip()
    canvas.hu[canvas.box(-200, 200, 112, 115)] = 250
    canvas.hu[canvas.box(-200, 200, 110, 112)] = -250
    assert (labelled(canvas) != plain).mean() < 1e-3


def test_hands_beside_the_hips_are_left_out(plain: Labels) -> None:
    canvas = hip()
    hand = canvas.ellipse(196, 0, 22, 34) & (canvas.hu == AIR)
    canvas.hu[hand] = MUSCLE
    canvas.hu[canvas.disc(200, 0, 6)] = CORTEX
    labels = labelled(canvas)
    assert (labels[hand] > 0).mean() < 0.02
    assert area_mm2(labels, canvas, *Tissue) == pytest.approx(area_mm2(plain, canvas, *Tissue), rel=0.02)


def test_two_legs_are_both_measured() -> None:
    canvas = Canvas.empty()
    canvas.hu[canvas.disc(85, 0, 75) | canvas.disc(-85, 0, 75)] = FAT
    canvas.hu[canvas.disc(85, 0, 60) | canvas.disc(-85, 0, 60)] = MUSCLE
    canvas.hu[canvas.in_heads(20)] = CORTEX
    labels = labelled(canvas)
    assert area_mm2(labels, canvas, Tissue.MUSCLE) == pytest.approx(2 * np.pi * (60**2 - 20**2), rel=0.02)
    assert not (labels == Tissue.INTERMUSCULAR_ADIPOSE_TISSUE).any()
    skin_mm = 2
    subcutaneous = 2 * np.pi * ((75 - skin_mm) ** 2 - 60**2)
    assert area_mm2(labels, canvas, Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE) == pytest.approx(
        subcutaneous, rel=0.02
    )


@pytest.mark.parametrize("noise_hu", [15.0, 40.0])
def test_noise_hardly_moves_areas(plain: Labels, noise_hu: float) -> None:
    canvas = hip()
    noisy = labelled(canvas, noise_hu=noise_hu)
    for tissues in (BONE, (Tissue.MUSCLE,), (Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE,)):
        assert area_mm2(noisy, canvas, *tissues) == pytest.approx(area_mm2(plain, canvas, *tissues), rel=0.04)


def test_only_the_wanted_slices_are_labelled_and_their_bones_followed_upwards() -> None:
    """A bone that touches its femur only above the wanted slices is still bone."""
    canvas = hip()
    below = canvas.hu.copy()
    below[canvas.both(52, 62, -45, 20)] = MUSCLE
    hu = np.stack([below] * 5 + [canvas.hu] * 3)
    found = label_tissues(hu, (3.0, 1.0, 1.0), heads(canvas.pixel_mm, level=7), slice(0, 5))
    assert found.labels.shape == (5, *canvas.hu.shape)
    ischium = canvas.both(53, 61, 25, 44)
    assert np.isin(found.labels[:, ischium], BONE).all()
