"""Which candidate of a search a task of its sweep means."""

from manyfit.model.keys import content_key


def candidate_key(search: str, number: int) -> str:
    """Return the key of candidate *number* of the search with this key."""
    return content_key(["search-candidate", search, number])
