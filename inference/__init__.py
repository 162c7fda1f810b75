"""A CT volume in, labels and measurements out. Knows nothing of networks that carry DICOM, queues or a PACS."""
