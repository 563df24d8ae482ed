"""What proposes trials: oracles, the search space, pruners."""
