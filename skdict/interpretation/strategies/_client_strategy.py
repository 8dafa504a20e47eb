"""What strategies that ask a language model have in common."""

from sklearn.base import BaseEstimator

from skdict._llm import managed


class ClientStrategy(BaseEstimator):
    """A strategy that asks a language model by its `client`."""

    def __sklearn_clone__(self):
        # Copies share the client: its budget, its cache, its connection.
        return type(self)(**self.get_params(deep=False))

    def check(self):
        """Check parameters and client, before any work begins.

        Raises
        ------
        TypeError, ValueError
            If a parameter is of the wrong kind or out of bounds.
        ImportError, ClientError
            If the client lacks what it needs, such as a package or a key.
        """
        self._check_params()
        managed(self.client).check()
