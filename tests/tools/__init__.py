"""Programs that make what the repository carries, so that tests can make it again and compare."""
