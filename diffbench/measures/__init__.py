"""Measures: pure functions from arrays to records."""
