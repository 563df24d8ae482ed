"""What may stand between the fields of a line of a CSV file."""

# In the order in which it is tried. The comma comes late: with another separator it may be a
# decimal comma in every field.
SEPARATORS = {"tab": "\t", "semicolon": ";", "bar": "|", "comma": ",", "blanks": r"\s+"}
"""By the names that `data.separator` may have."""
