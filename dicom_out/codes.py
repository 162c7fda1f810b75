"""Every code and colour of Coxa's objects, in one table each.

Codes come from the DICOM Content Mapping Resource (PS3.16) where it has them, else from SNOMED CT where the
concept could be confirmed. What neither names is coded in the private scheme 99COXA; its code values are
stable and never used again for something else. What only the thigh has stands in ``thigh_codes``.
"""

from collections.abc import Mapping

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dicom_out.coding import Quantity, Structure, private_code
from dicom_out.thigh_codes import THIGH_QUANTITIES, THIGH_STRUCTURES
from inference.result import Severity, Side

RESEARCH_USE_ONLY = "Research use only - not for diagnosis"


def _hip_tissue(label: str, property_type: Code, rgb: tuple[int, int, int]) -> Structure:
    return Structure(label, codes.SCT.Tissue, property_type, codes.SCT.Hip, rgb)


STRUCTURES: Mapping[str, Structure] = {
    "cortical_bone": _hip_tissue("Cortical bone", Code("87791003", "SCT", "Cortex of bone"), (247, 236, 205)),
    "trabecular_bone": _hip_tissue(
        "Trabecular bone", private_code("TRABECULAR_BONE", "Trabecular bone"), (176, 132, 224)
    ),
    "haematopoietic_bone_marrow": _hip_tissue(
        "Haematopoietic bone marrow", Code("75330005", "SCT", "Red bone marrow"), (222, 36, 108)
    ),
    "marrow_adipose_tissue": _hip_tissue(
        "Marrow adipose tissue", Code("5023006", "SCT", "Yellow bone marrow"), (255, 209, 71)
    ),
    "muscle": _hip_tissue("Muscle", codes.SCT.SkeletalMuscle, (205, 92, 66)),
    "intermuscular_adipose_tissue": _hip_tissue(
        "Intermuscular adipose tissue", private_code("IMAT", "Intermuscular adipose tissue"), (38, 198, 176)
    ),
    "subcutaneous_adipose_tissue": _hip_tissue(
        "Subcutaneous adipose tissue", Code("67769002", "SCT", "Subcutaneous fatty tissue"), (84, 140, 220)
    ),
    **THIGH_STRUCTURES,
}
"""By ``Segment.name`` or ``Measurement.structure``."""

LATERALITY: Mapping[Side | None, Code] = {
    Side.LEFT: codes.SCT.Left,
    Side.RIGHT: codes.SCT.Right,
    None: codes.SCT.Bilateral,
}
"""By side of a segment or of a structure; PS3.16 CID 244."""


QUANTITIES: Mapping[str, Quantity] = {
    "area": Quantity("Area", codes.SCT.Area),
    "volume": Quantity("Volume", codes.SCT.Volume, method=codes.DCM.SumOfSegmentedVoxelMethodForVolume),
    "mean_hu": Quantity("Mean attenuation", codes.DCM.AttenuationCoefficient, derivation=codes.SCT.Mean),
    "mean_hu_per_height2": Quantity(
        "Mean attenuation / height²",
        private_code("HU_PER_HEIGHT2", "Attenuation coefficient per squared body height"),
        derivation=codes.SCT.Mean,
    ),
    "hbm_to_tbm": Quantity(
        "HBM / TBM",
        private_code("HBM_TO_TBM", "Haematopoietic to total bone marrow"),
        finding=codes.SCT.BoneMarrow,
    ),
    "mat_to_tbm": Quantity(
        "MAT / TBM",
        private_code("MAT_TO_TBM", "Marrow adipose tissue to total bone marrow"),
        finding=codes.SCT.BoneMarrow,
    ),
    **THIGH_QUANTITIES,
}
"""By ``Measurement.quantity``."""

UNITS: Mapping[str, Code] = {
    "cm2": Code("cm2", "UCUM", "square centimeter"),
    "cm3": codes.UCUM.CubicCentimeter,
    "cm3/m2": Code("cm3/m2", "UCUM", "cubic centimeter per square meter"),
    "cm3/mo": Code("cm3/mo", "UCUM", "cubic centimeter per month"),
    "mm": codes.UCUM.Millimeter,
    "%": codes.UCUM.Percent,
    "d": codes.UCUM.Day,
    "[hnsf'U]": codes.UCUM.HounsfieldUnit,
    "[hnsf'U]/m2": Code("[hnsf'U]/m2", "UCUM", "Hounsfield unit per square meter"),
    "1": codes.UCUM.NoUnits,
}
"""By ``Measurement.unit``."""

UNIT_LABELS: Mapping[str, str] = {
    "cm2": "cm²",
    "cm3": "cm³",
    "cm3/m2": "cm³/m²",
    "cm3/mo": "cm³/month",
    "mm": "mm",
    "%": "%",
    "d": "days",
    "[hnsf'U]": "HU",
    "[hnsf'U]/m2": "HU/m²",
    "1": "",
}
"""By ``Measurement.unit``, for people."""

SEVERITIES: Mapping[Severity, Code] = {
    Severity.NOTE: private_code("NOTE", "Note"),
    Severity.WARNING: private_code("WARNING", "Warning"),
}


def quality_code(flag_code: str) -> Code:
    """Code of a quality flag: the flag's own code in capitals, its words as meaning."""
    return private_code(flag_code.upper(), flag_code.replace("_", " ").capitalize()[:64])
