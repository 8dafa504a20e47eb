"""Search for active entries with cheap low-precision products that provably miss none."""
