"""The 30 classes of Kim 2024 (Segmentation labels, Fig. 2), their groups, and which of them are measured."""

from collections.abc import Mapping
from enum import IntEnum


class ThighStructure(IntEnum):
    """What the thigh-muscle network labels; 0 is background. Both sides have the same value."""

    BACKGROUND = 0
    FEMUR = 1
    HIP_BONE = 2
    SARTORIUS = 3
    RECTUS_FEMORIS = 4
    VASTUS_LATERALIS = 5
    VASTUS_INTERMEDIUS = 6
    VASTUS_MEDIALIS = 7
    ADDUCTOR_MAGNUS = 8
    ADDUCTOR_BREVIS = 9
    ADDUCTOR_LONGUS = 10
    GRACILIS = 11
    PECTINEUS = 12
    SEMITENDINOSUS = 13
    SEMIMEMBRANOSUS = 14
    BICEPS_FEMORIS = 15
    GLUTEUS_MAXIMUS = 16
    GLUTEUS_MEDIUS = 17
    GLUTEUS_MINIMUS = 18
    TENSOR_FASCIAE_LATAE = 19
    PIRIFORMIS = 20
    QUADRATUS_FEMORIS = 21
    OBTURATOR_INTERNUS = 22
    OBTURATOR_EXTERNUS = 23
    ILIACUS = 24
    ILIOPSOAS = 25
    PSOAS = 26
    ABDOMINAL_OBLIQUE = 27
    RECTUS_ABDOMINIS = 28
    MULTIFIDUS = 29


def in_words(structure: ThighStructure) -> str:
    """For people."""
    return structure.name.lower().replace("_", " ")


BONES = (ThighStructure.FEMUR, ThighStructure.HIP_BONE)

GROUPS: Mapping[str, tuple[ThighStructure, ...]] = {
    "anterior_thigh_muscles": tuple(ThighStructure(number) for number in range(3, 8)),
    "medial_thigh_muscles": tuple(ThighStructure(number) for number in range(8, 13)),
    "posterior_thigh_muscles": tuple(ThighStructure(number) for number in range(13, 16)),
    "gluteal_muscles": tuple(ThighStructure(number) for number in range(16, 24)),
}
"""The paper's four groups of thigh muscles, by their keys into the code table."""

MUSCLES = tuple(muscle for members in GROUPS.values() for muscle in members)
"""The 21 that are measured. The paper's others depend too much on where a scan begins."""

TOTAL = "thigh_muscles"
"""All of them together, as a key into the code table."""

TOGETHER: Mapping[str, tuple[ThighStructure, ...]] = {**GROUPS, TOTAL: MUSCLES}
