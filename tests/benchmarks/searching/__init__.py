"""What `tests.benchmarks.search_quality` is made of."""
