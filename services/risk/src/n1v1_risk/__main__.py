"""python -m n1v1_risk"""

import sys

from n1v1_risk.main import main

sys.exit(main())
