"""Commands in messages, as a person pastes them into a shell."""

import shlex


def quoted(word: object) -> str:
    """
    Return the text of *word* as one word of a command line, in quotes only where a shell needs them.

    That is `shlex.quote`, but for "#": it begins a comment only where it begins a word, and URLs of sweeps
    are easier to read without quotes.
    """
    text = str(word)
    plain = text[:1] + text[1:].replace("#", "")
    return text if plain and shlex.quote(plain) == plain else shlex.quote(text)
