"""What ``typings/`` adds: checked with that folder alone, see the package above."""
