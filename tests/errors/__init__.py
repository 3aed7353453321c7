"""What the library raises, and what its messages say and do not say."""
