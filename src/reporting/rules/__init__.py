"""The sentences of a report: each rule is a pure function of a run's tables."""
