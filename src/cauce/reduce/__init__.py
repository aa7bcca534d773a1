"""Fewer rows, proven not worse: a memetic search keeps weighted rows, and held-out units decide whether they will do."""
