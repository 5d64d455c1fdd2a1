"""Studies: those that come along, with a line each."""

from diffbench.bundled import studies, summary_of


def run() -> None:
    """Print the names of the studies that come along and what each of them is; `diffbench run NAME` runs one."""
    for name, path in studies().items():
        print(f"{name:<12} {summary_of(path)}")
