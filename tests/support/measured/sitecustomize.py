"""Measures a command that a test starts, because Python imports a module of this name when it starts.

Only `duetime` is measured, because the tests execute the other packages within their own processes.
"""

import atexit

from tests.support.coverage import measure, write

atexit.register(write, measure("duetime"))
