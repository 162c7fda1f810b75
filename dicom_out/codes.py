"""Every code and colour of Coxa's objects, in one table each.

Codes come from the DICOM Content Mapping Resource (PS3.16) where it has them, else from SNOMED CT where the
concept could be confirmed. What neither names is coded in the private scheme 99COXA; its code values are
stable and never used again for something else.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import highdicom as hd
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from inference.result import Severity, Side

RESEARCH_USE_ONLY = "Research use only - not for diagnosis"

PRIVATE_SCHEME = "99COXA"
PRIVATE_SCHEME_NAME = "Coxa codes for hip and thigh CT"


def _private(value: str, meaning: str) -> Code:
    return Code(value, PRIVATE_SCHEME, meaning)


@dataclass(frozen=True)
class Structure:
    """What a segment shows.

    Attributes:
        label: for people.
        category: segmented property category, PS3.16 CID 7150; also the finding category of its measurements.
        property_type: segmented property type; also the finding of its measurements.
        region: anatomic region; also the finding site of its measurements.
        rgb: display colour, 0 to 255.
    """

    label: str
    category: Code
    property_type: Code
    region: Code
    rgb: tuple[int, int, int]

    @property
    def cielab(self) -> hd.color.CIELabColor:
        """Display colour as DICOM stores it (PS3.3 C.10.7.1.1)."""
        return hd.color.CIELabColor.from_rgb(*self.rgb)


def _hip_tissue(label: str, property_type: Code, rgb: tuple[int, int, int]) -> Structure:
    return Structure(label, codes.SCT.Tissue, property_type, codes.SCT.Hip, rgb)


STRUCTURES: Mapping[str, Structure] = {
    "cortical_bone": _hip_tissue("Cortical bone", Code("87791003", "SCT", "Cortex of bone"), (247, 236, 205)),
    "trabecular_bone": _hip_tissue(
        "Trabecular bone", _private("TRABECULAR_BONE", "Trabecular bone"), (176, 132, 224)
    ),
    "haematopoietic_bone_marrow": _hip_tissue(
        "Haematopoietic bone marrow", Code("75330005", "SCT", "Red bone marrow"), (222, 36, 108)
    ),
    "marrow_adipose_tissue": _hip_tissue(
        "Marrow adipose tissue", Code("5023006", "SCT", "Yellow bone marrow"), (255, 209, 71)
    ),
    "muscle": _hip_tissue("Muscle", codes.SCT.SkeletalMuscle, (205, 92, 66)),
    "intermuscular_adipose_tissue": _hip_tissue(
        "Intermuscular adipose tissue", _private("IMAT", "Intermuscular adipose tissue"), (38, 198, 176)
    ),
    "subcutaneous_adipose_tissue": _hip_tissue(
        "Subcutaneous adipose tissue", Code("67769002", "SCT", "Subcutaneous fatty tissue"), (84, 140, 220)
    ),
}
"""By ``Segment.name``."""

LATERALITY: Mapping[Side | None, Code] = {
    Side.LEFT: codes.SCT.Left,
    Side.RIGHT: codes.SCT.Right,
    None: codes.SCT.Bilateral,
}
"""By ``Segment.side``; PS3.16 CID 244."""


@dataclass(frozen=True)
class Quantity:
    """What was measured.

    Attributes:
        label: for people.
        name: concept name.
        derivation: how one value came of many voxels, PS3.16 CID 7464.
        method: PS3.16 CID 7473 or 7474.
        finding: what it describes, where it is measured over several segments.
    """

    label: str
    name: Code
    derivation: Code | None = None
    method: Code | None = None
    finding: Code | None = None


QUANTITIES: Mapping[str, Quantity] = {
    "area": Quantity("Area", codes.SCT.Area),
    "volume": Quantity("Volume", codes.SCT.Volume, method=codes.DCM.SumOfSegmentedVoxelMethodForVolume),
    "mean_hu": Quantity("Mean attenuation", codes.DCM.AttenuationCoefficient, derivation=codes.SCT.Mean),
    "mean_hu_per_height2": Quantity(
        "Mean attenuation / height²",
        _private("HU_PER_HEIGHT2", "Attenuation coefficient per squared body height"),
        derivation=codes.SCT.Mean,
    ),
    "hbm_to_tbm": Quantity(
        "HBM / TBM",
        _private("HBM_TO_TBM", "Haematopoietic to total bone marrow"),
        finding=codes.SCT.BoneMarrow,
    ),
    "mat_to_tbm": Quantity(
        "MAT / TBM",
        _private("MAT_TO_TBM", "Marrow adipose tissue to total bone marrow"),
        finding=codes.SCT.BoneMarrow,
    ),
}
"""By ``Measurement.quantity``."""

UNITS: Mapping[str, Code] = {
    "cm2": Code("cm2", "UCUM", "square centimeter"),
    "cm3": codes.UCUM.CubicCentimeter,
    "[hnsf'U]": codes.UCUM.HounsfieldUnit,
    "[hnsf'U]/m2": Code("[hnsf'U]/m2", "UCUM", "Hounsfield unit per square meter"),
    "1": codes.UCUM.NoUnits,
}
"""By ``Measurement.unit``."""

UNIT_LABELS: Mapping[str, str] = {
    "cm2": "cm²",
    "cm3": "cm³",
    "[hnsf'U]": "HU",
    "[hnsf'U]/m2": "HU/m²",
    "1": "",
}
"""By ``Measurement.unit``, for people."""

SEVERITIES: Mapping[Severity, Code] = {
    Severity.NOTE: _private("NOTE", "Note"),
    Severity.WARNING: _private("WARNING", "Warning"),
}


def quality_code(flag_code: str) -> Code:
    """Code of a quality flag: the flag's own code in capitals, its words as meaning."""
    return _private(flag_code.upper(), flag_code.replace("_", " ").capitalize()[:64])
