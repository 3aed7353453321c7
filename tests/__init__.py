"""What sagalib promises, test by test."""
