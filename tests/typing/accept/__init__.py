"""What must type-check: see the package above."""
