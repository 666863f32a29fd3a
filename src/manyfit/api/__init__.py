"""The Python face of manyfit, above the layers that do the work."""
