"""What results take on the disk, by kind of file.

python benchmarks/disk.py [results/NAME]
"""

import sys
from collections import Counter
from pathlib import Path

from diffbench.study import layout

MEGABYTE = 1e6


def kind_of(path: str) -> str:
    """The kind of a result, else the folder or the name that it stands under."""
    if place := layout.place_of(path):
        return f"{place[0].stage} ({Path(path).suffix})"
    name = Path(path).name
    return name if name == Path(layout.RUN_STATE).name else path.partition("/")[0]


def main(results: Path) -> None:
    """Print a line per kind, largest first."""
    files, sizes = Counter[str](), Counter[str]()
    for path in results.rglob("*"):
        if path.is_file():
            kind = kind_of(path.relative_to(results).as_posix())
            files[kind] += 1
            sizes[kind] += path.stat().st_size
    for kind, size in sizes.most_common():
        print(f"{kind:24} {files[kind]:6} files {size / MEGABYTE:9.3f} MB")
    print(f"{'all':24} {files.total():6} files {sizes.total() / MEGABYTE:9.3f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/digits"))
