"""Clusterers: from few dimensions to clusters."""
