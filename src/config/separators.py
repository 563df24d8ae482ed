"""Separators of the fields in a CSV file; a module of its own, so that no reader needs pydantic."""

# In the order in which the separator is guessed. The comma comes late: with another separator, it
# may be a decimal comma in every field.
SEPARATORS = {"tab": "\t", "semicolon": ";", "bar": "|", "comma": ",", "blanks": r"\s+"}
"""By the names that `data.separator` may have."""
