"""``python -m place_order``."""

import sys

try:
    from place_order.app import main
except ModuleNotFoundError as missing:
    sys.exit(f"place_order needs {missing.name}: pip install 'sagalib[examples]'")

sys.exit(main())
