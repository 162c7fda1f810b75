"""What the tables of codes are made of."""

from dataclasses import dataclass

import highdicom as hd
from pydicom.sr.coding import Code

PRIVATE_SCHEME = "99COXA"
PRIVATE_SCHEME_NAME = "Coxa codes for hip and thigh CT"


def private_code(value: str, meaning: str) -> Code:
    """Code for what neither DICOM nor SNOMED CT names.

    Args:
        value: at most 16 characters; never used again for something else.
        meaning: at most 64 characters.
    """
    return Code(value, PRIVATE_SCHEME, meaning)


@dataclass(frozen=True)
class Structure:
    """What a segment shows, or several segments together.

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


@dataclass(frozen=True)
class Quantity:
    """What was measured.

    Attributes:
        label: for people.
        name: concept name.
        derivation: how one value came of many voxels, PS3.16 CID 7464.
        method: PS3.16 CID 7473 or 7474, or private.
        finding: what it describes, where it is measured over several segments that have no name together.
    """

    label: str
    name: Code
    derivation: Code | None = None
    method: Code | None = None
    finding: Code | None = None
