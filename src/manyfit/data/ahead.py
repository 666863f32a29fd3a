"""Targets that lie ahead of their rows: the name of the column that says when."""


def ends_column(time: str) -> str:
    """Return the name of the column that has the time of each row's target, by the name of the time column."""
    return f"{time}_of_target"
