"""The tuner `gp`: a Gaussian process that knows mixed spaces.

`encoding` turns points of a search space into numbers, `kernel` says how similar two points are,
`targets` what is learned from their scores, `model` is the Gaussian process, `acquisition` searches
for the most promising point, and `oracle` puts them together.
"""
