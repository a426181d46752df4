"""Photos on disk to batches: datasets and packed sets, aligned crops, who is who, a teacher's embeddings, pairs."""
