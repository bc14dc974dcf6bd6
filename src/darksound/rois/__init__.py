"""Rois."""
