"""Shows runs in the terminal: progress, results, summary, records."""
