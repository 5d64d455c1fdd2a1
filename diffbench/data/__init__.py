"""Image sets and their training subsets."""
