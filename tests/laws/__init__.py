"""The laws of the calculus, as properties of generated sagas in a recorded world."""
