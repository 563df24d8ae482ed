"""A Gaussian process that knows mixed spaces: `oracle` puts the modules together."""
