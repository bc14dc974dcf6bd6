"""The report page: one HTML file to view, play, name and merge clusters."""
