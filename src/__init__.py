"""The tuning template: configuration, data, search and reporting behind `python -m src.tune`."""
