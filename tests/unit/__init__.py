"""The behaviour of each part, by examples."""
