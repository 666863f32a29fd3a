"""Transformers of signals: each row is a window, its columns are samples."""
