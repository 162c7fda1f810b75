"""A Result in, DICOM objects out. Reads no pixels from disk, opens no sockets."""
