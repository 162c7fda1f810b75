import itertools
from collections import defaultdict
from dataclasses import fields

import numpy as np
import pytest
from pydicom.sr.codedict import Collection
from pydicom.sr.coding import Code
from skimage.color import rgb2lab

from dicom_out import codes
from dicom_out.coding import Structure
from inference.muscles import BONES, MUSCLES, TOGETHER
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


def lab(structure: Structure) -> tuple[float, float, float]:
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


def test_every_structure_and_group_of_the_thigh_has_its_own_code_and_label() -> None:
    names = [structure.name.lower() for structure in (*BONES, *MUSCLES)]
    structures = [codes.STRUCTURES[name] for name in (*names, *TOGETHER)]
    assert len({s.property_type for s in structures}) == len({s.label for s in structures}) == 28


def test_no_two_quantities_have_one_name() -> None:
    assert len({quantity.name for quantity in codes.QUANTITIES.values()}) == len(codes.QUANTITIES)


@pytest.mark.parametrize("scheme", ["SCT", "MDC", "DCM"])
def test_codes_that_pydicom_knows_mean_the_same_there(scheme: str) -> None:
    """The dictionary is made of PS3.16; of SNOMED CT it has what DICOM uses."""
    dictionary = Collection(scheme)
    known = defaultdict[str, set[str]](set)
    for keyword in dictionary.dir():
        code = getattr(dictionary, keyword)
        known[code.value] |= {code.meaning.casefold()}
    ours = [code for code in ALL_CODES if code.scheme_designator == scheme]
    assert [c for c in ours if c.value in known and c.meaning.casefold() not in known[c.value]] == []
    unknown = {code.meaning for code in ours if code.value not in known}
    assert unknown == (NOT_IN_DICOM if scheme == "SCT" else set())


NOT_IN_DICOM = {
    "Cortex of bone",
    "Red bone marrow",
    "Yellow bone marrow",
    "Subcutaneous fatty tissue",
    "Rectus femoris muscle",
    "Vastus lateralis muscle",
    "Vastus medialis muscle",
    "Gracilis muscle",
    "Gluteus maximus muscle",
    "Gluteus medius muscle",
    "Gluteus minimus muscle",
}
"""Of SNOMED CT: these have their check digit alone."""

NEIGHBOURS = {
    "sartorius": "rectus_femoris vastus_medialis adductor_longus gracilis pectineus tensor_fasciae_latae",
    "rectus_femoris": "vastus_lateralis vastus_intermedius vastus_medialis tensor_fasciae_latae",
    "vastus_lateralis": "vastus_intermedius biceps_femoris gluteus_maximus tensor_fasciae_latae femur",
    "vastus_intermedius": "vastus_medialis femur",
    "vastus_medialis": "adductor_longus adductor_magnus femur",
    "adductor_magnus": "adductor_brevis adductor_longus gracilis semitendinosus semimembranosus "
    "biceps_femoris femur quadratus_femoris gluteus_maximus",
    "adductor_brevis": "adductor_longus pectineus obturator_externus gracilis",
    "adductor_longus": "gracilis pectineus",
    "gracilis": "semimembranosus semitendinosus",
    "pectineus": "obturator_externus femur hip_bone",
    "semitendinosus": "semimembranosus biceps_femoris gluteus_maximus",
    "semimembranosus": "biceps_femoris",
    "gluteus_maximus": "gluteus_medius piriformis quadratus_femoris obturator_internus hip_bone",
    "gluteus_medius": "gluteus_minimus tensor_fasciae_latae hip_bone piriformis femur",
    "gluteus_minimus": "tensor_fasciae_latae hip_bone piriformis femur",
    "obturator_internus": "obturator_externus hip_bone quadratus_femoris piriformis",
    "obturator_externus": "quadratus_femoris hip_bone femur",
    "femur": "hip_bone quadratus_femoris",
}
SEEN_BY = {
    "everybody": np.eye(3),
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
}
"""Linear RGB as people with these see it: Machado, Oliveira and Fernandes 2009, severity 1."""


@pytest.mark.parametrize("eyes", SEEN_BY)
def test_neighbouring_muscles_differ_in_everybodys_eyes(eyes: str) -> None:
    for name, neighbours in NEIGHBOURS.items():
        for neighbour in neighbours.split():
            one, other = (seen(codes.STRUCTURES[n].rgb, np.array(SEEN_BY[eyes])) for n in (name, neighbour))
            assert np.linalg.norm(one - other) > 25, (name, neighbour)


def seen(rgb: tuple[int, int, int], eyes: np.ndarray) -> np.ndarray:
    """CIELAB of a colour through other eyes."""
    linear = np.where((s := np.array(rgb) / 255) <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    linear = (eyes @ linear).clip(0, 1)
    back = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb2lab(back.reshape(1, 1, 3)).reshape(3)
