"""Hyperband whose new configurations a Gaussian process proposes: `oracle` puts it together."""
