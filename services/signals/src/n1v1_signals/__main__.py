"""python -m n1v1_signals"""

import sys

from n1v1_signals.main import main

sys.exit(main())
