"""python -m n1v1_execution"""

import sys

from n1v1_execution.main import main

sys.exit(main())
