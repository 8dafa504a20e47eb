"""How the bundled story model is made: one step a file, in the order of `run_90`."""
