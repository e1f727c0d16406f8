"""The long counts, tests marked `endurance`: how much of them runs, and how they tell their figures."""

import os
from collections.abc import Callable

SHARE = float(os.environ.get("PLOG_ENDURANCE", "0.1"))
FIGURES = "figures"
Tell = Callable[[str], None]
