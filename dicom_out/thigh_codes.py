"""Codes and colours of the thigh: muscles, their groups, bones, and what is measured on them.

Where SNOMED CT's concept of a muscle could be confirmed in a published list, it is used; the other muscles
are coded after ISO/IEEE 11073-10101 (scheme MDC) as DICOM prints it in PS3.16 CID 3031, which names all but
the two obturators one by one. Neighbouring muscles were given colours that stay apart in the eyes of people
with deuteranopia and protanopia too; both sides of a muscle have the same.
"""

from collections.abc import Mapping

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dicom_out.coding import Quantity, Structure, private_code


def _thigh(label: str, code: Code, rgb: tuple[int, int, int]) -> Structure:
    return Structure(label, codes.SCT.AnatomicalStructure, code, codes.SCT.Thigh, rgb)


def _hip(label: str, code: Code, rgb: tuple[int, int, int]) -> Structure:
    return Structure(label, codes.SCT.AnatomicalStructure, code, codes.SCT.Hip, rgb)


def _snomed(value: str, muscle: str) -> Code:
    return Code(value, "SCT", f"{muscle} muscle")


THIGH_STRUCTURES: Mapping[str, Structure] = {
    "femur": _thigh("Femur", codes.SCT.Femur, (240, 228, 196)),
    "hip_bone": _hip("Hip bone", private_code("HIP_BONE", "Hip bone"), (176, 150, 112)),
    "sartorius": _thigh("Sartorius", codes.MDC.MusculusSartorius, (170, 50, 35)),
    "rectus_femoris": _thigh("Rectus femoris", _snomed("72226001", "Rectus femoris"), (65, 80, 200)),
    "vastus_lateralis": _thigh("Vastus lateralis", _snomed("1403006", "Vastus lateralis"), (50, 185, 245)),
    "vastus_intermedius": _thigh("Vastus intermedius", codes.MDC.MusculusVastusIntermedius, (35, 110, 80)),
    "vastus_medialis": _thigh("Vastus medialis", _snomed("3478008", "Vastus medialis"), (230, 170, 20)),
    "adductor_magnus": _thigh("Adductor magnus", codes.MDC.MusculusAdductorMagnus, (140, 50, 155)),
    "adductor_brevis": _thigh("Adductor brevis", codes.MDC.MusculusAdductorBrevis, (185, 110, 65)),
    "adductor_longus": _thigh("Adductor longus", codes.MDC.MusculusAdductorLongus, (50, 200, 185)),
    "gracilis": _thigh("Gracilis", _snomed("2577006", "Gracilis"), (230, 230, 110)),
    "pectineus": _thigh("Pectineus", codes.MDC.MusculusPectineus, (125, 80, 245)),
    "semitendinosus": _thigh("Semitendinosus", codes.MDC.MusculusSemitendinosus, (185, 110, 125)),
    "semimembranosus": _thigh("Semimembranosus", codes.MDC.MusculusSemimembranosus, (140, 230, 245)),
    "biceps_femoris": _thigh("Biceps femoris", codes.MDC.MusculusBicepsFemoris, (200, 170, 80)),
    "gluteus_maximus": _hip("Gluteus maximus", _snomed("206007", "Gluteus maximus"), (110, 20, 245)),
    "gluteus_medius": _hip("Gluteus medius", _snomed("78333006", "Gluteus medius"), (80, 110, 200)),
    "gluteus_minimus": _hip("Gluteus minimus", _snomed("75297007", "Gluteus minimus"), (50, 155, 170)),
    "tensor_fasciae_latae": _hip(
        "Tensor fasciae latae", codes.MDC.MusculusTensorFasciaeLatae, (155, 230, 140)
    ),
    "piriformis": _hip("Piriformis", codes.MDC.MusculusPiriformis, (245, 230, 20)),
    "quadratus_femoris": _hip("Quadratus femoris", codes.MDC.MusculusQuadratusFemoris, (200, 95, 20)),
    "obturator_internus": _hip(
        "Obturator internus", private_code("OBTURATOR_INT", "Obturator internus muscle"), (50, 155, 245)
    ),
    "obturator_externus": _hip(
        "Obturator externus", private_code("OBTURATOR_EXT", "Obturator externus muscle"), (140, 65, 125)
    ),
    "anterior_thigh_muscles": _thigh(
        "Anterior muscles", private_code("THIGH_ANTERIOR", "Anterior thigh muscles"), (214, 106, 92)
    ),
    "medial_thigh_muscles": _thigh(
        "Medial muscles", private_code("THIGH_MEDIAL", "Medial thigh muscles"), (92, 164, 214)
    ),
    "posterior_thigh_muscles": _thigh(
        "Posterior muscles", private_code("THIGH_POSTERIOR", "Posterior thigh muscles"), (226, 190, 84)
    ),
    "gluteal_muscles": _hip("Gluteal muscles", private_code("GLUTEAL", "Gluteal muscles"), (150, 118, 206)),
    "thigh_muscles": _thigh(
        "All muscles",
        private_code("THIGH_MUSCLES", "Thigh and gluteal muscles that are measured"),
        (200, 200, 200),
    ),
}
"""The segments of the thigh, then what several of them are together."""

_FAT = private_code("BELOW_FAT_HU", "Share of voxels below the attenuation limit of fat")
_LEAN = private_code("NOT_BELOW_FAT_HU", "Voxels at or above the attenuation limit of fat")

THIGH_QUANTITIES: Mapping[str, Quantity] = {
    "volume_per_height2": Quantity(
        "Volume / height²", private_code("VOLUME_PER_HT2", "Volume per squared body height")
    ),
    "share_of_total": Quantity(
        "Share of all muscles",
        private_code("SHARE_OF_TOTAL", "Share of all muscles of the side"),
    ),
    # DICOM's fat fraction says nothing of how it came about; the method tells it from one of MR.
    "fat_fraction": Quantity("Fat fraction", codes.DCM.FatFraction, method=_FAT),
    "lean_volume": Quantity("Lean volume", private_code("LEAN_VOLUME", "Volume without fat"), method=_LEAN),
    "covered_length": Quantity(
        "Covered length", private_code("COVERED_LENGTH", "Length inside the field of view along the body")
    ),
    "cross_sectional_area": Quantity(
        "Cross-sectional area", private_code("CROSS_SECTION", "Cross-sectional area at half of femur length")
    ),
    "asymmetry_index": Quantity(
        "Asymmetry", private_code("ASYMMETRY", "Left minus right volume over their mean")
    ),
    "prior_volume": Quantity("Volume before", private_code("PRIOR_VOLUME", "Volume in the prior study")),
    "volume_change": Quantity(
        "Change", private_code("VOLUME_CHANGE", "Volume minus volume in the prior study")
    ),
    "disparity_ratio": Quantity(
        "Disparity ratio", private_code("DISPARITY_RATIO", "Loss of volume over volume in the prior study")
    ),
    "volume_change_per_month": Quantity(
        "Change per month",
        private_code("VOLUME_PER_MONTH", "Change of volume per month"),
    ),
    "fat_fraction_change": Quantity(
        "Change of fat fraction", private_code("FAT_CHANGE", "Fat fraction minus that in the prior study")
    ),
}
