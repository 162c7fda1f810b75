"""Small CT instances on disk, in every transfer syntax."""

import os
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom.dsutils import split_dataset

STUDY, SERIES = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.1.1"
CAN_BE_ENCODED_HERE = (RLELossless, JPEGLSLossless)


def ct(number: int = 1, *, study: str = STUDY, series: str = SERIES, **changes: object) -> Dataset:
    """A CT image of 16 x 16 pixels; its UID follows from its number."""
    image = Dataset()
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = f"{series}.{number}"
    image.Modality = "CT"
    image.PatientName = "Nobody^Known"
    image.StudyInstanceUID, image.SeriesInstanceUID = study, series
    image.Rows = image.Columns = 16
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
    image.PixelData = np.arange(256, dtype="<u2").tobytes()
    image["PixelData"].VR = "OW"
    for keyword, value in changes.items():
        setattr(image, keyword, value)
    return image


def write(image: Dataset, path: Path, syntax: UID = ExplicitVRLittleEndian) -> Path:
    """A DICOM file. Where no encoder is at hand the frame is noise: nothing that receives looks into it."""
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax if not syntax.is_compressed else ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    if syntax in CAN_BE_ENCODED_HERE:
        image.compress(syntax, generate_instance_uid=False)
    elif syntax.is_encapsulated:
        image.file_meta.TransferSyntaxUID = syntax
        image.PixelData = encapsulate([os.urandom(200)])
        image["PixelData"].VR = "OB"
        image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = syntax
    image.save_as(path, enforce_file_format=True)
    return path


def data_set_of(path: Path) -> bytes:
    """The bytes behind the file meta information."""
    return path.read_bytes()[split_dataset(path)[1] :]
