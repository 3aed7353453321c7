"""The defects that a single process can have: each was seen in a library of the field."""
