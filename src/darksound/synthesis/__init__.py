"""Procedural birds: syllables, species' grammars, individuals, acoustics and recordings."""
