"""Language models to ask: clients, what they are asked and what they answer.

A client is any object with ``complete(request)``, or a function from a `Request` to a `Completion`
or a str. `ManagedClient` adds a cache, a budget, retries and threads to one.
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
