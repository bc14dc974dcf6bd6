"""Pretraining of a backbone on synthetic birds: batches of songs, scenes, and the training."""
