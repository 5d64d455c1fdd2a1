"""The runner of benchmarks: what it reads of their lines, what it writes, and that one failure stops no other."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

PRINTS = """
print("images 1x8x8, batch 64")
print("  ours   12.5 ms")
print("  peer | one   25.0 ms, diffbench takes 0.50 (0.45 to 0.56) times as long, 2.00 (1.90 to 2.10) outside")
print("  peer two     left out: two is not installed")
print("write a file of 48 MB: 1.25 x without")
print("ratio       3.50")
"""


def run(tmp_path: Path, **scripts: str) -> tuple[subprocess.CompletedProcess[str], list[dict], str]:
    """The process, the rows and the Markdown of a run of made-up scripts."""
    paths = [tmp_path / f"{name}.py" for name in scripts]
    for path, text in zip(paths, scripts.values(), strict=True):
        path.write_text(text)
    command = [sys.executable, str(BENCHMARKS / "run"), "--smoke", "--out", str(tmp_path / "out"), *map(str, paths)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads((tmp_path / "out/benchmarks.json").read_text())
    assert report["smoke"] is True
    assert report["date"]
    assert report["machine"]["cores"] >= 1
    assert report["versions"]["numpy"]
    return process, report["rows"], (tmp_path / "out/benchmarks.md").read_text()


def test_ratios_and_peers_that_are_left_out_have_rows(tmp_path: Path) -> None:
    process, rows, markdown = run(tmp_path, prints=PRINTS)
    assert process.returncode == 0, process.stderr
    assert [(row["ratio"], row["low"], row["high"]) for row in rows] == [
        (0.5, 0.45, 0.56),
        (2.0, 1.9, 2.1),
        (None, None, None),
        (1.25, None, None),
        (3.5, None, None),
    ]
    assert rows[0]["figure"].startswith("images 1x8x8, batch 64: peer | one 25.0 ms, diffbench takes … times as long")
    assert (rows[2]["figure"], rows[2]["note"]) == ("peer two", "not run: two is not installed")
    table = [line for line in markdown.splitlines() if line.startswith("| prints.py")]
    assert len(table) == 5
    assert "peer \\| one" in table[0]


def test_a_failure_is_told_and_stops_no_other(tmp_path: Path) -> None:
    process, rows, _ = run(tmp_path, breaks="raise SystemExit('no such thing')", silent="print('done')", prints=PRINTS)
    assert process.returncode == 1
    assert "failed: breaks.py" in process.stderr
    assert rows[0]["note"] == "failed with exit code 1: no such thing"
    assert rows[1]["note"] == "no ratio; last line: done"
    assert len(rows) == 7
