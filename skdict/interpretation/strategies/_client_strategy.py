"""Base class of the strategies that query a language model."""

from sklearn.base import BaseEstimator

from skdict._llm import managed


class ClientStrategy(BaseEstimator):
    """Strategy that queries a language model through its `client`."""

    def __sklearn_clone__(self):
        # Clones share the client, and with it budget, cache and connection.
        return type(self)(**self.get_params(deep=False))

    def check(self):
        """Check the parameters and the client before any work starts.

        Raises
        ------
        TypeError, ValueError
            If a parameter has the wrong type or is out of range.
        ImportError, ClientError
            If the client lacks a requirement, such as a package or an API key.
        """
        self._check_params()
        self._managed().check()

    def _managed(self):
        """Return the client with cache and retries, the same one for all requests."""
        kept = vars(self).get("_kept")
        if kept is None or kept[0] is not self.client:
            self._kept = kept = self.client, managed(self.client)
        return kept[1]
