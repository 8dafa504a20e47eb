"""scikit-learn's callback protocol, from version 1.9 on."""

from functools import partial

from skdict.decomposition._observers._base import Observer

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:
        """Stands in where scikit-learn has no callbacks; there is then no `set_callbacks`."""

    def with_callbacks(method):
        """Return the method unchanged."""
        return method


class EpochCallbacks(Observer):
    """Tells the callbacks of an estimator when its fit and each epoch begin and end.

    Parameters
    ----------
    estimator : estimator
        Carries the callbacks, if `set_callbacks` was called.
    X : array-like
        The rows being fitted.
    fitted_attributes : callable
        Takes the `Fit` and returns what the estimator would hold if training stopped now.
    """

    def __init__(self, estimator, X, fitted_attributes):
        self._said = {"estimator": estimator, "X": X}
        self._fitted_attributes = fitted_attributes
        self._begin = getattr(estimator, "_init_callback_context", None)
        self._fit_task = self._epoch_task = None

    def before_fit(self, fit):
        """Announce the fit."""
        if self._begin:
            self._fit_task = self._begin(max_subtasks=fit.schedule.max_iter)
            self._fit_task.call_on_fit_task_begin(**self._said)

    def before_epoch(self, fit):
        """Announce an epoch."""
        if self._fit_task:
            self._epoch_task = self._fit_task.subcontext(task_name="epoch")
            self._epoch_task.call_on_fit_task_begin(**self._said)

    def after_epoch(self, fit):
        """Announce the end of an epoch, and stop the fit if a callback asks for it."""
        if self._fit_task and self._end(self._epoch_task, fit):
            fit.stopped = True

    def end_fit(self, fit):
        """Announce the end of the fit, once the estimator holds its results."""
        if self._fit_task:
            self._end(self._fit_task, fit)

    def _end(self, task, fit):
        attributes = partial(self._fitted_attributes, fit)
        return task.call_on_fit_task_end(**self._said, reconstruction_attributes=attributes)
