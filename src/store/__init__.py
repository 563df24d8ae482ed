"""A run on disk: its folder, its state, its lock, weights and training states."""
