"""Photos on disk to batches: datasets and packed sets, aligned crops, labels, a teacher's embeddings, pairs."""
