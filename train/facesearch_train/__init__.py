"""facesearch_train: train the tower that facesearch measures faces with."""
