"""How much of the long counts runs: the tests marked `endurance`."""

import os

SHARE = float(os.environ.get("PLOG_ENDURANCE", "0.1"))
