"""What a library keeps on disk: rows in SQLite (the truth) and vectors in FAISS (a cache that can always be rebuilt).

Nothing in here knows about photos' pixels, detectors or towers, and nothing is ever pickled.
"""
