"""Play each fault against a real server, and measure its cost in time and memory."""

import sys
from pathlib import Path

# The programs beside this folder run as files, so they import each other by bare names.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
