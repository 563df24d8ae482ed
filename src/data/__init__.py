"""Sources of rows, their task, splits and preprocessing; `loading.load_data` is the way in."""
