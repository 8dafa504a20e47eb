"""Clients for language models, with their requests and completions.

A client is any object with ``complete(request)``, or a function from a `Request` to a `Completion`
or a str. `ManagedClient` adds a cache, a budget, retries and threads to a client.
"""

from skdict._llm import (
    ClientError,
    Completion,
    ManagedClient,
    OpenAIClient,
    Request,
    TransformersClient,
)

__all__ = [
    "ClientError",
    "Completion",
    "ManagedClient",
    "OpenAIClient",
    "Request",
    "TransformersClient",
]
