"""How well a tower tells people apart, by one protocol: all its figures, and pairs of faces that show them.

Takes distances or embeddings with names; knows no photo, no library and no network. The caller chooses the protocol and
its faces: facesearch_train for labelled photos, `tuning.judging` for a library.
"""
