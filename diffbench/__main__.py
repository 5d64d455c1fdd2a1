"""Entry point of `python -m diffbench`."""

import sys

from diffbench.cli import main

sys.exit(main())
