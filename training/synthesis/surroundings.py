"""What lies beside the patient: table, mattress, clothes, arms. Made in the coordinates of the scan, mm."""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.synthesis.variation import Surroundings, draw, happens

AIR_HU = -1000.0


@dataclass(frozen=True)
class Table:
    """A shell around foam, curved, with a mattress on top."""

    gap_mm: float
    mattress_mm: float
    mattress_hu: float
    shell_mm: float
    shell_hu: float
    foam_mm: float
    foam_hu: float
    curvature_per_mm: float
    width_mm: float


@dataclass(frozen=True)
class Cloth:
    """One layer over the skin."""

    above_mm: float
    thickness_mm: float
    hu: float


@dataclass(frozen=True)
class Arm:
    """A forearm or hand in cross-section; place relative to the body's edge."""

    towards: float
    beside_mm: float
    row_mm: float
    half_width_mm: float
    half_depth_mm: float
    bones: int
    muscle_hu: float


@dataclass(frozen=True)
class Things:
    """One draw of what lies beside the patient."""

    table: Table | None
    cloth: Cloth | None
    arms: tuple[Arm, ...]


def draw_things(surroundings: Surroundings, random: torch.Generator) -> Things:
    """Each thing is there or not on its own; an arm lies on one side or on both."""
    table = cloth = None
    if happens(surroundings.table, random):
        table = Table(
            gap_mm=draw((0.0, 6.0), random),
            mattress_mm=draw((0.0, 40.0), random),
            mattress_hu=draw((-990.0, -850.0), random),
            shell_mm=draw((1.0, 4.0), random),
            shell_hu=draw((-500.0, 300.0), random),
            foam_mm=draw((10.0, 50.0), random),
            foam_hu=draw((-980.0, -800.0), random),
            curvature_per_mm=draw((0.0, 0.0022), random),
            width_mm=draw((190.0, 260.0), random),
        )
    if happens(surroundings.clothes, random):
        cloth = Cloth(draw((0.5, 15.0), random), draw((0.5, 2.5), random), draw((-850.0, -250.0), random))
    arms = []
    if happens(surroundings.arms, random):
        sides = [(-1.0,), (1.0,), (-1.0, 1.0)][int(draw((0.0, 2.999), random))]
        arms = [
            Arm(
                towards=towards,
                beside_mm=draw((0.0, 15.0), random),
                row_mm=draw((-50.0, 60.0), random),
                half_width_mm=draw((12.0, 38.0), random),
                half_depth_mm=draw((18.0, 42.0), random),
                bones=int(draw((1.0, 5.999), random)),
                muscle_hu=draw((30.0, 65.0), random),
            )
            for towards in sides
        ]
    return Things(table, cloth, tuple(arms))


def add_things(
    hu: Tensor, depth_mm: Tensor, rows_mm: Tensor, columns_mm: Tensor, things: Things, wobble: Tensor
) -> Tensor:
    """Put things into the air around one slice.

    Args:
        hu: (row, column).
        depth_mm: (row, column) below the skin, negative outside the patient.
        rows_mm: (row, column) front to back.
        columns_mm: (row, column) right to left, 0 in the middle of the patient.
        things: what to put.
        wobble: (row, column) random field.
    """
    body = depth_mm > 0
    free = ~body
    if things.cloth is not None:
        above = -depth_mm + 3 * wobble - things.cloth.above_mm
        hu = torch.where(free & (above > 0) & (above < things.cloth.thickness_mm), things.cloth.hu, hu)
    if not body.any():
        return hu
    if things.table is not None:
        below = rows_mm - (rows_mm[body].max() + things.table.gap_mm)
        below = below + things.table.curvature_per_mm * columns_mm**2
        hu = _with_table(hu, free & (columns_mm.abs() < things.table.width_mm), below, things.table)
    for arm in things.arms:
        hu = _with_arm(hu, free, body, rows_mm, columns_mm, arm)
    return hu


def _with_table(hu: Tensor, free: Tensor, below: Tensor, table: Table) -> Tensor:
    layers = (
        (table.mattress_mm, table.mattress_hu),
        (table.shell_mm, table.shell_hu),
        (table.foam_mm, table.foam_hu),
        (table.shell_mm, table.shell_hu),
    )
    top = 0.0
    for thickness, layer_hu in layers:
        hu = torch.where(free & (below >= top) & (below < top + thickness), layer_hu, hu)
        top += thickness
    return hu


def _with_arm(hu: Tensor, free: Tensor, body: Tensor, rows: Tensor, columns: Tensor, arm: Arm) -> Tensor:
    edge = (columns[body] * arm.towards).max()
    centre_column = arm.towards * (edge + arm.beside_mm + arm.half_width_mm)
    centre_row = rows[body].mean() + arm.row_mm
    across = (columns - centre_column) / arm.half_width_mm
    along = (rows - centre_row) / arm.half_depth_mm
    radius = torch.hypot(across, along)
    hu = torch.where(free & (radius < 1), -100.0, hu)
    hu = torch.where(free & (radius < 1) & (radius > 0.93), 20.0, hu)
    hu = torch.where(free & (radius < 0.8), arm.muscle_hu, hu)
    size = 0.55 / max(arm.bones, 2)
    for bone in range(arm.bones):
        place = 0.0 if arm.bones == 1 else 1.1 * (bone / (arm.bones - 1) - 0.5)
        distance = torch.hypot(across, along - place)
        hu = torch.where(free & (distance < size), 900.0, hu)
        hu = torch.where(free & (distance < 0.5 * size), 50.0, hu)
    return hu
