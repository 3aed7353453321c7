"""A model of the whole calculus, written from its rules, and what holds the library to it."""
