"""What a library learns from the names in it: calibration, a taught head, and how well a tower judges."""
