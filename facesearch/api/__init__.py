"""The Python interface: a library with its detector and tower, opened and loaded when they are needed."""
