"""Tidy tables and claims, aggregated from the files of every stage."""
