"""Lets the tests import ``tests`` however pytest was started."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))
