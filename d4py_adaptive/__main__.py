"""`python -m d4py_adaptive` is `d4py`."""

import sys

from d4py_adaptive.cli.main import main

sys.exit(main())
