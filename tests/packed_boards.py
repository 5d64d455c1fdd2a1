"""The leaderboard's table as a page holds it."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any


def unpacked(page: Path) -> dict[str, Any]:
    """What the page's scripts read of it."""
    held = re.search(r'id="board-data">([^<]*)</script>', page.read_text(encoding="utf-8"))
    assert held
    return json.loads(gzip.decompress(base64.b64decode(held[1])))
