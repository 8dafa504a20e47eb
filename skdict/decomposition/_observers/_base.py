"""Base class of the observers of training."""


class Observer:
    """Observer of a `Fit` that does nothing; subclasses override the methods they need."""

    def before_fit(self, fit):
        """Act before the first epoch."""

    def before_epoch(self, fit):
        """Act before the first batch of an epoch."""

    def after_read(self, fit, entry):
        """Act after `entry` is appended to the history; the entry may be modified."""

    def after_epoch(self, fit):
        """Act after an epoch is counted."""

    def after_fit(self, fit):
        """Act after the last epoch, unless training fails."""

    def close(self):
        """Release the resources acquired by `before_fit`, also if training fails."""

    def state(self):
        """Return the state for `restore`, as a dict that fits in JSON."""
        return {}

    def restore(self, state):
        """Resume from a `state` returned at the end of an epoch."""
