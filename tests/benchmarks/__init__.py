"""Benchmarks: commands to run by hand. Their figures depend on the machine, so no test reads them.

python -m tests.benchmarks.throughput    epochs a second, beside a tutorial and scikit-learn
python -m tests.benchmarks.overhead      where a trial's time goes; memory of a long search
python -m tests.benchmarks.quality       scores of the default search, to compare two versions
python -m tests.benchmarks.prediction    memory and time of predictions for a large file
python -m tests.benchmarks.whole_way     tune, retrain, predict on rows that were held back
python -m tests.benchmarks.kill          kills searches, and compares them with unharmed ones
python -m tests.benchmarks.board         TensorBoard and the report on 500 trials of 50 epochs
"""
