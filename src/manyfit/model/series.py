"""Which values of a long series of training are kept."""


def steps_of(n_values: int, n_kept: int) -> list[int]:
    """
    Return the places in a series of *n_values* of the *n_kept* values that are kept of it.

    Evenly spread, the first and the last included.
    """
    if n_kept >= n_values or n_kept < 2:
        return list(range(n_kept))
    return [round(i * (n_values - 1) / (n_kept - 1)) for i in range(n_kept)]
