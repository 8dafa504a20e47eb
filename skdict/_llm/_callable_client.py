"""Client that calls a user-defined function."""

from skdict._llm._errors import ClientError


class CallableClient:
    """Client that calls a user-defined function.

    Parameters
    ----------
    function : callable
        Function from a `Request` to a `Completion` or a str.
    """

    def __init__(self, function):
        self.function = function

    def __repr__(self):
        return f"CallableClient({getattr(self.function, '__qualname__', self.function)})"

    def __sklearn_clone__(self):
        return self

    @property
    def identity(self):
        """Attribute `identity` of the function, or None."""
        return getattr(self.function, "identity", None)

    def complete(self, request):
        """Call the function.

        Parameters
        ----------
        request : Request
            Request to answer.

        Returns
        -------
        Completion or str
            Result of the function.

        Raises
        ------
        ClientError
            If the function raises TimeoutError or ConnectionError, which are retried.
            `ManagedClient` also raises it if the function returns neither a `Completion` nor a
            str.
        """
        try:
            return self.function(request)
        except (TimeoutError, ConnectionError) as error:
            raise ClientError(f"{type(error).__name__}: {error}", transient=True) from error
