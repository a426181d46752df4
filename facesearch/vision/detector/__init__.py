"""Pixels to faces: box, five landmarks, score."""
