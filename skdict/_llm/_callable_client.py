"""A function of the user's as a client."""

from skdict._llm._errors import ClientError


class CallableClient:
    """A function of the user's as a client.

    Parameters
    ----------
    function : callable
        From a `Request` to a `Completion` or a str.
    """

    def __init__(self, function):
        self.function = function

    def __repr__(self):
        return f"CallableClient({getattr(self.function, '__qualname__', self.function)})"

    def __sklearn_clone__(self):
        return self

    @property
    def identity(self):
        """What the function says that tells it from others, or None."""
        return getattr(self.function, "identity", None)

    def complete(self, request):
        """Return what the function says.

        Parameters
        ----------
        request : Request
            The question.

        Returns
        -------
        Completion or str

        Raises
        ------
        ClientError
            If it raises TimeoutError or ConnectionError; these are tried again. `ManagedClient`
            raises it, too, where something other than a `Completion` or a str is returned.
        """
        try:
            return self.function(request)
        except (TimeoutError, ConnectionError) as error:
            raise ClientError(f"{type(error).__name__}: {error}", transient=True) from error
