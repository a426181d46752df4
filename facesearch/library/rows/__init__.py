"""A library's rows in SQLite: the truth, from which everything else can be rebuilt.

Nothing in here knows about photos' pixels, detectors or towers, and nothing is ever pickled.
"""
