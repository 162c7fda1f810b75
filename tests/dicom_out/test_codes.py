import itertools
from dataclasses import fields

import numpy as np
import pytest
from pydicom.sr.coding import Code

from dicom_out import codes
from tests.dicom_out.conftest import TISSUES

PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
ALL_CODES = {
    code
    for row in (*codes.STRUCTURES.values(), *codes.QUANTITIES.values())
    for code in (getattr(row, field.name) for field in fields(row))
    if isinstance(code, Code)
} | {*codes.UNITS.values(), *codes.LATERALITY.values(), *codes.SEVERITIES.values()}


def verhoeff_holds(identifier: str) -> bool:
    """The check that every SNOMED CT identifier satisfies (its Release File Specification, appendix C)."""
    power, check = list(range(10)), 0
    for digit in reversed([int(d) for d in identifier]):
        check = dihedral(check, power[digit])
        power = [power[PERMUTATION[i]] for i in range(10)]
    return check == 0


def dihedral(a: int, b: int) -> int:
    """Product in the dihedral group of a pentagon."""
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b - 5) % 5
    return 5 + (a - b) % 5 if b < 5 else (a - b) % 5


@pytest.mark.parametrize("code", [c for c in ALL_CODES if c.scheme_designator == "SCT"], ids=str)
def test_snomed_identifiers_are_not_mistyped(code: Code) -> None:
    assert verhoeff_holds(code.value)
    assert not verhoeff_holds(str(int(code.value) + 1))


def test_every_tissue_of_the_route_has_its_own_codes_and_colour() -> None:
    structures = [codes.STRUCTURES[name] for name in TISSUES]
    assert len({s.property_type for s in structures}) == len(TISSUES)
    for one, other in itertools.combinations(structures, 2):
        difference = np.subtract(lab(one), lab(other))
        assert np.linalg.norm(difference) > 25  # CIE 1976: clearly different, also beside each other


def lab(structure: codes.Structure) -> tuple[float, float, float]:
    colour = structure.cielab
    return colour.l_star, colour.a_star, colour.b_star


def test_display_colours_survive_their_way_through_dicom() -> None:
    for structure in codes.STRUCTURES.values():
        assert np.abs(np.subtract(structure.cielab.to_rgb(), structure.rgb)).max() <= 1


def test_ucum_codes_are_the_units_of_the_measurements() -> None:
    assert {unit: code.value for unit, code in codes.UNITS.items()} == {unit: unit for unit in codes.UNITS}
    assert all(code.scheme_designator == "UCUM" for code in codes.UNITS.values())
    assert codes.UNITS.keys() == codes.UNIT_LABELS.keys()


def test_codes_fit_their_value_representations() -> None:
    for code in ALL_CODES:
        assert len(code.value) <= 16
        assert len(code.meaning) <= 64


def test_any_quality_flag_has_a_code() -> None:
    code = codes.quality_code("a_flag_nobody_has_thought_of_yet")
    assert code.scheme_designator == "99COXA"
    assert code.meaning == "A flag nobody has thought of yet"
