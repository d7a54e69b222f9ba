"""python -m n1v1_market_data"""

import sys

from n1v1_market_data.main import main

sys.exit(main())
