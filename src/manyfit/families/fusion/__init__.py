"""Fusion rules: one file for each way to share work among related fits; see `manyfit.contracts.fusion`."""
