"""A Gaussian process that knows mixed spaces, as an oracle.

`encoding` turns points of a search space into numbers, `kernel` says how alike two points are,
`targets` what is learned from their scores, `model` is the Gaussian process, `acquisition` looks
for the point that promises most, and `oracle` puts them together.
"""
