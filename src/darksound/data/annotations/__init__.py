"""ROIs that somebody marked: Raven selection tables and Audacity label tracks."""
