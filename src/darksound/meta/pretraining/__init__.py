"""Pretraining on synthetic birds: dry songs, scenes, losses and the loop."""
