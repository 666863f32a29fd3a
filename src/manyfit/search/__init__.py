"""Drop-in search classes for scikit-learn; see `manyfit.search.classes`. Empty, so that runners start fast."""
