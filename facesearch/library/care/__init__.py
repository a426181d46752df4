"""Looks after a library: verify, repair, forget."""
