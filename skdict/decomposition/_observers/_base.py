"""What an observer may do."""


class Observer:
    """Does nothing at each moment of a `Fit`; subclasses override what they need."""

    def before_fit(self, fit):
        """Act before the first epoch."""

    def before_epoch(self, fit):
        """Act before the first batch of an epoch."""

    def after_read(self, fit, entry):
        """Act after `entry` was appended to the history; it may be changed."""

    def after_epoch(self, fit):
        """Act after an epoch was counted."""

    def after_fit(self, fit):
        """Act after the last epoch, unless training failed."""

    def close(self):
        """Release what `before_fit` took, however training ended."""

    def state(self):
        """Return what `restore` needs, as a dict that fits in JSON."""
        return {}

    def restore(self, state):
        """Resume from the `state` at the end of an epoch."""
