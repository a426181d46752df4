"""A library's vectors in FAISS: a cache of the rows, rebuilt whenever it does not fit. Nothing is ever pickled."""
