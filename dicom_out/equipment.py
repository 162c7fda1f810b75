"""Who made an object: General Equipment and the Contributing Equipment of the IHE AI Results profile."""

from datetime import datetime
from typing import TypedDict

import highdicom as hd
from pydicom.sr.codedict import codes

from dicom_out.codes import RESEARCH_USE_ONLY
from dicom_out.identity import device_serial_number, device_uid
from inference.result import Provenance

MANUFACTURER = "Coxa"


class GeneralEquipment(TypedDict):
    """Arguments of highdicom's objects for the Enhanced General Equipment module (PS3.3 C.7.5.2)."""

    manufacturer: str
    manufacturer_model_name: str
    software_versions: str
    device_serial_number: str


def general_equipment(provenance: Provenance) -> GeneralEquipment:
    """The model as the device that made the object."""
    model = provenance.model
    return GeneralEquipment(
        manufacturer=MANUFACTURER,
        manufacturer_model_name=model.name,
        software_versions=f"{model.version} (Coxa {provenance.software_version})",
        device_serial_number=device_serial_number(model),
    )


def contributing_equipment(provenance: Provenance, made: datetime) -> hd.ContributingEquipment:
    """The algorithm as IHE AI Results wants it named, with a Device UID that changes with the model."""
    equipment = hd.ContributingEquipment(
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        contribution_datetime=made,
        contribution_description=f"Algorithm that made the result. {RESEARCH_USE_ONLY}",
        **general_equipment(provenance),
    )
    equipment.DeviceUID = device_uid(provenance.model)
    return equipment
