"""A file to upright RGB pixels: formats, colour, raw, and the processes that decode what might crash a decoder."""
