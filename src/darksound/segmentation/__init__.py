"""Segmentation: finding ROIs in long recordings, one block at a time."""
