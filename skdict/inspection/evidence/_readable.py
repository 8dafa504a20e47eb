"""The text of tokens, as it can be shown."""


def readable(text):
    """Return text with the lone bytes of split characters replaced by U+FFFD."""
    return text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")


def readable_token(vocabulary, token_id):
    """Return the readable piece of a token; ``<id>`` without a vocabulary."""
    return readable(f"<{token_id}>" if vocabulary is None else vocabulary[token_id])
