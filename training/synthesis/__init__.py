"""Synthetic CT with its ground truth, made from label maps of real people."""
