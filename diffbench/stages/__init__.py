"""Stages of the DAG: each reads files, calls pure functions and writes one file. A stage is its module's `run`."""
