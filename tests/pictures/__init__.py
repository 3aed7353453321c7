"""The pictures that ``draw`` makes."""
