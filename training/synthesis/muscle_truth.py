"""Which muscle it is: from the names of label maps to the classes of Kim 2024.

Not every map tells every muscle apart. Where it does not, the truth is a set of classes, one of which it is.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from inference.muscles import ThighStructure as Thigh
from training.synthesis.person_building import OTHER_MUSCLE

ILIOPSOAS_BELOW_MM, ILIOPSOAS_ABOVE_MM = -5.0, 20.0
"""Of the femoral heads' centres. Iliacus and psoas join on their way over the pubis, and nobody says where:
below the first level they are the iliopsoas, above the second they are two, between either will do."""

_KNOWN: tuple[frozenset[Thigh], ...] = tuple(frozenset({one}) for one in Thigh)
_MERGED = {
    "adductors": frozenset({Thigh.ADDUCTOR_MAGNUS, Thigh.ADDUCTOR_BREVIS, Thigh.ADDUCTOR_LONGUS}),
    "vasti": frozenset({Thigh.VASTUS_LATERALIS, Thigh.VASTUS_INTERMEDIUS}),
    "iliacus": frozenset({Thigh.ILIACUS, Thigh.ILIOPSOAS}),
    "psoas": frozenset({Thigh.PSOAS, Thigh.ILIOPSOAS}),
    "gemelli": frozenset({Thigh.OBTURATOR_INTERNUS, Thigh.QUADRATUS_FEMORIS, Thigh.BACKGROUND}),
    "anything": frozenset(Thigh),
}
TRUTHS: tuple[frozenset[Thigh], ...] = (*_KNOWN, *_MERGED.values())
"""What a voxel may be, by its label; the first labels are the classes themselves."""

ANYTHING = TRUTHS.index(_MERGED["anything"])

_NAMES: Mapping[str, Thigh] = {
    "psoas_major": Thigh.PSOAS,
    "biceps_femoris_long": Thigh.BICEPS_FEMORIS,
    "biceps_femoris_short": Thigh.BICEPS_FEMORIS,
    "oblique": Thigh.ABDOMINAL_OBLIQUE,
    "erector_spinae": Thigh.MULTIFIDUS,
    "autochthon": Thigh.MULTIFIDUS,
    "quadratus_lumborum": Thigh.BACKGROUND,
    "latissimus_dorsi": Thigh.BACKGROUND,
    "lower_leg": Thigh.BACKGROUND,
} | {muscle.name.lower(): muscle for muscle in Thigh}
_NAMES_OF_SEVERAL = {
    "adductor": "adductors",
    "adductors": "adductors",
    "vastus_lateralis_muscle_and_vastus_intermedius": "vasti",
    "superior_gemellus": "gemelli",
    "inferior_gemellus": "gemelli",
    OTHER_MUSCLE.removesuffix("_muscle"): "anything",
}


class MuscleTruth:
    """Labels, as in ``TRUTHS``, of a person's numbered muscles.

    Args:
        names: of the muscles, by number.

    Raises:
        ValueError: a muscle's name is not known.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self._known = torch.zeros(256, dtype=torch.uint8)
        for number, name in names.items():
            self._known[number] = _label(name)

    def __call__(self, muscle: Tensor, femur: Tensor, hip_bone: Tensor, level_mm: float) -> Tensor:
        """Labels of one slice.

        Args:
            muscle: the person's number; 0 where there is none.
            femur: where a femur is.
            hip_bone: where a hip bone is.
            level_mm: of the slice, above the femoral heads' centres.

        Returns:
            uint8, of the arguments' shape.
        """
        labels = self._known.to(muscle.device)[muscle.long()]
        for part, together in ((Thigh.ILIACUS, "iliacus"), (Thigh.PSOAS, "psoas")):
            if level_mm < ILIOPSOAS_BELOW_MM:
                labels[labels == part] = Thigh.ILIOPSOAS
            elif level_mm < ILIOPSOAS_ABOVE_MM:
                labels[labels == part] = TRUTHS.index(_MERGED[together])
        labels[femur] = Thigh.FEMUR
        labels[hip_bone] = Thigh.HIP_BONE
        return labels


def _label(name: str) -> int:
    plain = name.removesuffix("_muscles").removesuffix("_muscle")
    if plain in _NAMES_OF_SEVERAL:
        return TRUTHS.index(_MERGED[_NAMES_OF_SEVERAL[plain]])
    if plain not in _NAMES:
        raise ValueError(f"{name} is no muscle that the thigh-muscle network knows.")
    return int(_NAMES[plain])
