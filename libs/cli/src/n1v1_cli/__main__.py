"""python -m n1v1_cli is the n1v1 command."""

import sys

from n1v1_cli.main import main

sys.exit(main())
