"""Archives of arrays that may be damaged."""

import struct
import zipfile
import zlib

UNREADABLE = (
    *(OSError, ValueError, EOFError, OverflowError, MemoryError, RecursionError, RuntimeError),
    *(SyntaxError, KeyError, struct.error, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error),
)
"""What damaged archives and headers raise; RuntimeError for encrypted ones."""
