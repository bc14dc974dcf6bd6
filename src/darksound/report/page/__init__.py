"""The report page: one HTML file to view, hear, name and merge clusters."""
