"""The set of ROIs that all rooms exchange, and reviews of clusters."""
