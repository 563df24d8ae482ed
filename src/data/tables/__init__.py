"""Tables of a user's own: reading, inference of what each column is, encoding for training."""
