"""Steps of training the bundled story model, one per file, in the order of `run_90`."""
