"""Each fault played against a real server, and the times and bytes that it costs."""

import sys
from pathlib import Path

# The programs beside this folder are run as files, so each finds the others by a bare name.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
