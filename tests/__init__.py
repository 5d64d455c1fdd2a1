"""Tests of diffbench. While they run, calls into the package are held to their annotated types and shapes."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""The type checker of pytest's --jaxtyping-packages: an int will do for a float, as type checkers have it."""
