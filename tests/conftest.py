"""The hypothesis profiles: HYPOTHESIS_PROFILE is `quick`, `ci` (the default) or `long`."""

import os

from hypothesis import HealthCheck, settings

# No deadline and no check for slowness in any profile: a busy machine is not a broken law.
_any = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)

# The gates draw the same examples each time; `long` is for finding new ones.
settings.register_profile("quick", _any, max_examples=25, derandomize=True)
settings.register_profile("ci", _any, max_examples=100, derandomize=True)
settings.register_profile("long", _any, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
