"""What runs a trial: the trial runner and its executors."""
