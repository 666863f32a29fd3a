"""What transformers share that look at each row by itself and learn nothing but the number of columns."""

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from manyfit.models.signals.series import Floats, Series, as_series, in_blocks


class RowTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Transforms each row by itself. A subclass has a parameter `n_channels` and the two methods below."""

    n_channels: int

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None) -> "RowTransformer":
        """Look at the number of columns. Raises ValueError where they are no series."""
        as_series(self._validated(X, reset=True), self.n_channels)
        return self

    def transform(self, X: Any) -> Floats:
        """Return the transformed rows. Raises ValueError where they are no series."""
        check_is_fitted(self, "n_features_in_")
        series = as_series(self._validated(X, reset=False), self.n_channels)
        return in_blocks(series, lambda block: self._of_block(block).reshape(len(block.values), -1))

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names of the columns that `transform` gives."""
        check_is_fitted(self, "n_features_in_")
        names = _check_feature_names_in(self, input_features)
        return np.asarray(self._names(list(names)), dtype=object)

    def _validated(self, X: Any, *, reset: bool) -> Floats:
        found: Floats = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=reset)
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @abstractmethod
    def _of_block(self, series: Series) -> Floats:
        """Return the rows of *series*, by row and then in any shape."""

    @abstractmethod
    def _names(self, columns: list[str]) -> list[str]:
        """Return the names of the new columns, from those of the old ones."""
