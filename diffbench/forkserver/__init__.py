"""One process that has imported what stages need, of which every job is a fork: start-up is paid once per run.

Client and request import next to nothing. Where there is no server, or another version of it, a stage runs in its own
process with the same result.
"""
