"""Estimators, scorers and selections for the tests: importable, as a runner needs them."""

import os
import signal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression


class Picky(ClassifierMixin, BaseEstimator):
    """Predicts the largest class; fails, warns, dies or fails to predict where `mood` says so."""

    def __init__(self, mood="fine"):
        self.mood = mood

    def fit(self, X, y, sample_weight=None):
        import warnings

        if self.mood == "raises":
            raise ValueError("this mood cannot be fitted")
        if self.mood == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.mood == "warns":
            warnings.warn("a mood to beware of", RuntimeWarning, stacklevel=1)
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        self.classes_ = np.unique(y)
        self.best_ = max(self.classes_, key=lambda c: (weights * (y == c)).sum())
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        if self.mood == "mute":
            raise RuntimeError("this mood cannot predict")
        return np.full(X.shape[0], self.best_)


class Counting(BaseEstimator):
    """A transformer that adds 1 to the very rows that it is given."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        X += 1
        return X


class Weighted(LogisticRegression):
    """A subclass: rules for its parent must not be applied to it."""

    def predict(self, X):
        return np.roll(super().predict(X), 1)


def accuracy_and_size(estimator, X, y):
    """Score as a callable with several names does."""
    return {"accuracy": float((estimator.predict(X) == y).mean()), "n": X.shape[0]}


def plain(estimator, X, y):
    """Score as a plain callable does: it sees the fitted estimator."""
    return float((estimator.predict(X) == y).mean()) + 0 * len(estimator.get_params())


def most_accurate(results):
    """Choose the last of the best candidates."""
    return int(np.flatnonzero(results["rank_test_score"] == 1)[-1])


def words(estimator, X, y):
    """Return what is no score."""
    return "good"


def half_failing(estimator, X, y):
    """Score all but candidates with C = 1."""
    if getattr(estimator, "C", None) == 1:
        raise KeyError("no score for this one")
    return 0.5


class Slow(Picky):
    """Takes some time to fit."""

    def __init__(self, seconds=0.0, n=0, folder="", mood="fine"):
        super().__init__(mood)
        self.seconds = seconds
        self.n = n
        self.folder = folder

    def fit(self, X, y):
        import time
        from pathlib import Path

        if self.folder:
            with (Path(self.folder) / "fits").open("a") as file:
                file.write(f"{self.n}\n")
        time.sleep(self.seconds)
        return super().fit(X, y)
