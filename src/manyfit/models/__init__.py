"""Estimators of manyfit's own, all of them as scikit-learn's: registered by name for sweep files."""
