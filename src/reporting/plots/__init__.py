"""The plots of a report: each takes a run's data and returns a `Drawing`, or None without any."""
