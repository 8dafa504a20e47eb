"""Effects of features on the predictions of a model."""
