"""Embeddings that were made elsewhere: their layouts, and joining them to ROIs."""
