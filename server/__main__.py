"""Run the command line: `python -m server` is `tillcore`."""

import sys

from server.cli import main

sys.exit(main())
