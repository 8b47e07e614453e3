"""Pure values and functions: no clock, disk, environment, print or network. Time and randomness come in as values."""
