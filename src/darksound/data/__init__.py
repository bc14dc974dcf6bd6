"""What is learnt from: the ROI table, its sources, images and episodes."""
