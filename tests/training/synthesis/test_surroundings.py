import pytest
import torch
from torch import Tensor

from tests.training.synthesis.plain import plain_variation
from training.synthesis.surroundings import AIR_HU, Arm, Cloth, Table, Things, add_things, draw_things

RADIUS_MM = 60.0
ROWS, COLUMNS = torch.meshgrid(torch.arange(-120, 200, 2.0), torch.arange(-160, 160, 2.0), indexing="ij")
DEPTH = RADIUS_MM - torch.hypot(ROWS, COLUMNS)
BODY = DEPTH > 0
TABLE = Table(2.0, 10.0, -950.0, 4.0, 100.0, 20.0, -900.0, 0.0, 150.0)
ARM = Arm(1.0, 5.0, 0.0, 25.0, 30.0, 2, 50.0)


def with_things(table: Table | None = None, cloth: Cloth | None = None, arms: tuple[Arm, ...] = ()) -> Tensor:
    hu = torch.where(BODY, 40.0, AIR_HU)
    added = add_things(hu, DEPTH, ROWS, COLUMNS, Things(table, cloth, arms), torch.zeros_like(hu))
    assert (added[BODY] == 40).all(), "nothing goes into the patient"
    return added


def test_without_things_there_is_air() -> None:
    assert (with_things()[~BODY] == AIR_HU).all()


def test_the_patient_lies_on_the_table() -> None:
    thing = with_things(TABLE) > AIR_HU
    thing &= ~BODY
    lowest = ROWS[BODY].max() + 2
    assert (ROWS[thing] >= lowest).all()
    assert float(ROWS[thing].max() - lowest) == pytest.approx(10 + 4 + 20 + 4, abs=3)
    assert set(with_things(TABLE)[thing].tolist()) == {-950.0, 100.0, -900.0}
    assert COLUMNS[thing].abs().max() < 150


def test_a_curved_table_rises_to_both_sides() -> None:
    curved = Table(2.0, 10.0, -950.0, 4.0, 100.0, 20.0, -900.0, 0.002, 150.0)
    shell = with_things(curved) == 100
    at = {column: float(ROWS[shell & (column == COLUMNS)].min()) for column in (-140.0, 0.0, 140.0)}
    assert at[-140.0] == at[140.0]
    assert at[0.0] - at[140.0] == pytest.approx(0.002 * 140**2, abs=2)


def test_clothes_lie_around_the_body() -> None:
    thing = (with_things(cloth=Cloth(4.0, 6.0, -600.0)) == -600) & ~BODY
    distance = -DEPTH[thing]
    assert float(distance.min()) == pytest.approx(4, abs=1.5)
    assert float(distance.max()) == pytest.approx(10, abs=1.5)


@pytest.mark.parametrize("towards", [-1.0, 1.0])
def test_an_arm_lies_beside_the_body_with_bones_in_it(towards: float) -> None:
    hu = with_things(arms=(Arm(towards, 5.0, 0.0, 25.0, 30.0, 2, 50.0),))
    arm = (hu > AIR_HU) & ~BODY
    assert (towards * COLUMNS[arm] > RADIUS_MM).all()
    width = float(COLUMNS[arm].max() - COLUMNS[arm].min())
    assert width == pytest.approx(50, abs=5)
    assert (hu[arm] == 900).any()
    assert (hu[arm] == 50).any()


def test_without_a_body_there_is_no_table_to_see() -> None:
    hu = torch.full_like(DEPTH, AIR_HU)
    nobody = add_things(hu, torch.full_like(DEPTH, -60.0), ROWS, COLUMNS, Things(TABLE, None, (ARM,)), hu * 0)
    assert nobody.equal(hu)


def test_chances_decide_what_is_there() -> None:
    random = torch.Generator().manual_seed(1)
    assert draw_things(plain_variation().surroundings, random) == Things(None, None, ())
    everything = plain_variation(surroundings={"table": 1, "arms": 1, "clothes": 1}).surroundings
    drawn = [draw_things(everything, random) for _ in range(60)]
    assert all(things.table and things.cloth and things.arms for things in drawn)
    sides = {tuple(arm.towards for arm in things.arms) for things in drawn}
    assert sides == {(-1.0,), (1.0,), (-1.0, 1.0)}
    assert {arm.bones for things in drawn for arm in things.arms} == {1, 2, 3, 4, 5}
