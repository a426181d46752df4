"""Pixels to faces to embeddings: detector, alignment, tower."""
