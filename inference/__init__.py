"""A CT volume in, labels and measurements out. Knows nothing of DICOM networking, queues or a PACS."""
