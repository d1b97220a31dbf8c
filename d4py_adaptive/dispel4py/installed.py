"""Importing this makes `import dispel4py` lead to d4py_adaptive, in scripts and notebooks.

import d4py_adaptive.dispel4py.installed
from dispel4py.new.simple_process import process_and_return
"""

from __future__ import annotations

from d4py_adaptive.dispel4py.standing_in import stand_in

stand_in()
