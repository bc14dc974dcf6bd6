"""Synthetic birds: syllables, song types, species, individuals, acoustics and recordings."""
