"""Hyperband whose new configurations a Gaussian process proposes.

`brackets` says which trial comes next, `fidelity` what the results of all rungs tell of a full
training, and `oracle` puts them together with the pieces of `src.tuners.gp`.
"""
