"""Handing a study's jobs to a cluster: which go together, and whether its machines can take them."""
