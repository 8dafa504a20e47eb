"""scikit-learn's callback protocol, where the installed version has one (1.9 on)."""

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:
        """Stands where scikit-learn has no callbacks: `set_callbacks` is then absent."""

    def with_callbacks(method):
        """Return the method as it is."""
        return method


class EpochCallbacks:
    """Tells the callbacks of an estimator when its fit and each epoch begin and end.

    Parameters
    ----------
    estimator : estimator
        Whose `set_callbacks` may have been called.
    X : array-like
        What is fitted.
    max_iter : int
        Most epochs to come.
    fitted_attributes : callable
        Returns what the estimator would hold if the fit stopped now; called on demand.
    """

    def __init__(self, estimator, X, max_iter, fitted_attributes):
        self._said = {"estimator": estimator, "X": X}
        self._fitted = {"reconstruction_attributes": fitted_attributes}
        begin = getattr(estimator, "_init_callback_context", None)
        self._fit = begin(max_subtasks=max_iter) if begin else None
        self._epoch = None
        if self._fit:
            self._fit.call_on_fit_task_begin(**self._said)

    def begin_epoch(self):
        """Say that an epoch begins."""
        if self._fit:
            self._epoch = self._fit.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._said)

    def end_epoch(self):
        """Say that the epoch has ended; return whether a callback wants to stop here."""
        return bool(self._fit) and self._epoch.call_on_fit_task_end(**self._said, **self._fitted)

    def end_fit(self):
        """Say that the fit has ended."""
        if self._fit:
            self._fit.call_on_fit_task_end(**self._said, **self._fitted)
