"""What learners take as their input: images or vectors of ROIs, cached on disk, read by row."""
