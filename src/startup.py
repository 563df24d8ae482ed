"""Starts TensorFlow: without its start-up noise, with one thread."""

import os
import sys
import tempfile


def start_tensorflow() -> None:
    """Imports TensorFlow and Keras Tuner and starts the devices, holding back what they print.

    TensorFlow writes to the process's standard error before its own log level applies, so the file
    descriptor itself goes to a temporary file meanwhile. If the import fails, everything is shown.

    Operations get one thread each: on nets of this size two threads take longer than one, and the
    order of sums, and with it the last digits of a score, would depend on the machine. Where
    TensorFlow has computed something before, as in a notebook, its threads stay as they are.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            import keras_tuner  # noqa: F401
            import tensorflow as tf

            try:
                tf.config.threading.set_intra_op_parallelism_threads(1)
                tf.config.threading.set_inter_op_parallelism_threads(1)
            except RuntimeError:
                pass  # too late to choose
            tf.config.list_logical_devices()
            tf.get_logger().setLevel("ERROR")  # retracing, which many small models cannot avoid
        except BaseException:
            held.seek(0)
            os.write(original, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
