"""`nhictl guard`: enforcement points, which fail closed in their hosts' own terms."""
