"""Benchmarks and long checks: commands to run by hand; `README.md` lists them."""
