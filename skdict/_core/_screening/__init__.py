"""The certified search for entries: cheap products, proven to miss none, and which kind to use."""
