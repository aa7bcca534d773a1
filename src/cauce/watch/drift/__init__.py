"""Has the population moved, and are the data whole: counts against those of training."""
