"""Speaks DICOM, remembers, decides."""
