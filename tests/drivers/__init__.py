"""What interrupts a run (cancellation, Ctrl-C, timeouts), and what is left when it has ended."""
