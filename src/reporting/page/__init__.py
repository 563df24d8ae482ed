"""The report as one HTML file, without scripts, and as a table in the terminal."""
