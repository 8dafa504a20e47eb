"""Progress bar of training, in rows."""

from tqdm.auto import tqdm

from skdict.decomposition._observers._base import Observer


class Progress(Observer):
    """Observer that shows a progress bar with loss, FVU, L0 and the number of dead features."""

    def before_fit(self, fit):
        """Open the bar."""
        total = fit.schedule.max_iter * fit.schedule.n_rows
        self._bar = tqdm(total=total, unit="row", unit_scale=True)

    def after_read(self, fit, entry):
        """Advance the bar to the rows trained on, including those before a checkpoint."""
        schedule = fit.schedule
        done = schedule.n_iter * schedule.n_rows + schedule.rows_here
        self._bar.update(done - self._bar.n)
        self._bar.set_postfix(
            loss=f"{entry['loss']:.4g}",
            fvu=f"{entry['fvu']:.4g}",
            l0=f"{entry['l0']:.1f}",
            dead=entry["n_dead"],
        )

    def close(self):
        """Close the bar."""
        self._bar.close()
