"""What must not type-check: see the package above."""
