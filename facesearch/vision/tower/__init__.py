"""The trained tower: crops to embeddings, its file and its card."""
