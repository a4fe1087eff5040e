"""`python -m report` is `fuel-report`."""

import sys

from report.cli import main

sys.exit(main())
