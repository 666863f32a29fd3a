"""Tables of a sweep for analysis elsewhere: declared columns, plain decimals, a dictionary of what they mean."""
