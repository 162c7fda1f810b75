from dataclasses import replace

import pytest
import torch

from inference.result import Side
from tests.training.analytic_person import SHAPE, SPACING_MM, phantom_person
from tests.training.synthesis.plain import CPU, phantom_anatomy
from training.synthesis.person import Organ
from training.synthesis.structures import Anatomy


def voxels(count: int = 200) -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.stack([torch.randint(size, (count,), generator=random) for size in SHAPE], dim=-1)


def test_at_a_voxel_everything_is_as_stored() -> None:
    person, index = phantom_person(), voxels()
    at = phantom_anatomy().at(index * SPACING_MM)
    place = index.unbind(-1)
    stored = {
        "pelvis_mm": person.pelvis_mm,
        "axial_mm": person.axial_mm,
        "muscle_mm": person.muscle_mm,
        "body_mm": person.body_mm,
        "fascia_mm": person.fascia_mm,
        "cavity_mm": person.cavity_mm,
    }
    for name, field in stored.items():
        torch.testing.assert_close(getattr(at, name), field[place], atol=2e-3, rtol=0)
    for number, side in enumerate((Side.LEFT, Side.RIGHT)):
        torch.testing.assert_close(at.femur_mm[number], person.femur_mm[side][place], atol=2e-3, rtol=0)
    assert at.muscle.equal(person.muscle_id[place])


def test_between_voxels_distances_are_interpolated_and_numbers_are_not() -> None:
    person = phantom_person()
    one, other = torch.tensor([[40, 42, 62]]), torch.tensor([[40, 42, 66]])
    middle = (one + 0.4 * (other - one)) * SPACING_MM
    at = phantom_anatomy().at(middle)
    first, second = person.muscle_mm[40, 42, 63], person.muscle_mm[40, 42, 64]
    assert float(at.muscle_mm) == pytest.approx(float(0.4 * first + 0.6 * second), abs=1e-3)
    assert int(at.muscle) in person.muscle_names


def test_beyond_the_arrays_their_border_goes_on() -> None:
    at = phantom_anatomy().at(torch.tensor([[-50.0, 5000.0, 20.0]]))
    assert float(at.body_mm) == float(phantom_person().body_mm[0, -1, 5])
    assert int(at.muscle) == int(phantom_person().muscle_id[0, -1, 5])


@pytest.mark.parametrize(("side", "number"), [(Side.LEFT, 0), (Side.RIGHT, 1)])
def test_near_gives_the_bones_of_the_trunk_and_the_femur_of_that_side(side: Side, number: int) -> None:
    points = voxels() * SPACING_MM + 1.3
    trunk, femur = phantom_anatomy().near(points, side)
    at = phantom_anatomy().at(points)
    # The smaller of two distances is interpolated, not the smaller of two interpolated distances.
    assert (trunk <= torch.minimum(at.pelvis_mm, at.axial_mm) + 1e-3).all()
    alone = at.axial_mm > at.pelvis_mm + 2 * SPACING_MM
    torch.testing.assert_close(trunk[alone], at.pelvis_mm[alone])
    torch.testing.assert_close(femur, at.femur_mm[number])


def test_every_distance_is_kept_once_and_the_trunk_besides() -> None:
    person = phantom_anatomy().person
    fields = [*person.femur_mm.values(), person.pelvis_mm, person.axial_mm]
    fields += [person.muscle_mm, person.body_mm, person.fascia_mm, person.cavity_mm]
    assert len({field.untyped_storage().data_ptr() for field in fields}) == 1
    assert fields[0].untyped_storage().nbytes() == (len(fields) + 1) * fields[0].nbytes
    assert person.fascia_mm.equal(phantom_person().fascia_mm)
    assert person.femur_mm[Side.RIGHT].equal(phantom_person().femur_mm[Side.RIGHT])


def test_organs_come_from_the_chosen_map() -> None:
    person = phantom_person()
    maps = tuple(torch.full(SHAPE, organ, dtype=torch.uint8) for organ in (Organ.BLADDER, Organ.BOWEL))
    anatomy, points = Anatomy(replace(person, organs=maps), CPU), torch.zeros(1, 3)
    assert anatomy.organ_maps == 2
    assert [int(anatomy.at(points, number).organ) for number in (0, 1)] == [Organ.BLADDER, Organ.BOWEL]
    assert int(anatomy.at(points).organ) == 0
    assert phantom_anatomy().organ_maps == 0
