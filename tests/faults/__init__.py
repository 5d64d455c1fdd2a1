"""Faults injected into runs: each ends in one clear error or none, and the next run comes to the same bytes."""
