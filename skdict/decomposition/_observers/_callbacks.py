"""Support for the callback protocol of scikit-learn 1.9 and later."""

from functools import partial

from skdict.decomposition._observers._base import Observer

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:
        """Placeholder for versions of scikit-learn without callbacks; has no `set_callbacks`."""

    def with_callbacks(method):
        """Return the method unchanged."""
        return method


class EpochCallbacks(Observer):
    """Observer that calls the callbacks of an estimator around the fit and each epoch.

    Parameters
    ----------
    estimator : estimator
        Estimator that holds the callbacks, if `set_callbacks` was called.
    X : array-like
        Training rows.
    y : array-like or None
        Their targets.
    fitted_attributes : callable
        Function from the `Fit` to the attributes of the estimator if training stopped now.
    """

    def __init__(self, estimator, X, y, fitted_attributes):
        self._said = {"estimator": estimator, "X": X, "y": y}
        self._fitted_attributes = fitted_attributes
        self._begin = getattr(estimator, "_init_callback_context", None)
        self._fit_task = self._epoch_task = None

    def before_fit(self, fit):
        """Announce the start of the fit."""
        if self._begin:
            self._fit_task = self._begin(max_subtasks=fit.schedule.max_iter)
            self._fit_task.call_on_fit_task_begin(**self._said)

    def before_epoch(self, fit):
        """Announce the start of an epoch."""
        if self._fit_task:
            self._epoch_task = self._fit_task.subcontext(task_name="epoch")
            self._epoch_task.call_on_fit_task_begin(**self._said)

    def after_epoch(self, fit):
        """Announce the end of an epoch, and stop the fit if a callback asks for it."""
        if self._fit_task and self._end(self._epoch_task, fit):
            fit.stopped = True

    def end_fit(self, fit):
        """Announce the end of the fit, after the fitted attributes are set."""
        if self._fit_task:
            self._end(self._fit_task, fit)

    def _end(self, task, fit):
        attributes = partial(self._fitted_attributes, fit)
        return task.call_on_fit_task_end(**self._said, reconstruction_attributes=attributes)
