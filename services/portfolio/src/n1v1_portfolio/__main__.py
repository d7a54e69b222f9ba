"""python -m n1v1_portfolio"""

import sys

from n1v1_portfolio.main import main

sys.exit(main())
