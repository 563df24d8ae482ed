"""Predictions of an exported model for the rows of a file, in pieces that fit into memory."""
