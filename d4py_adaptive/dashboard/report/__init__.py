"""Reports of a diagnosis: on a terminal and as one HTML file."""
