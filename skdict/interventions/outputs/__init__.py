"""What features do to the predictions of a model."""
