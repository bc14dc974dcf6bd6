"""Reducers: from embeddings to the few dimensions that are clustered."""
