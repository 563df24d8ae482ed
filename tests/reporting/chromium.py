"""A headless Chromium that tests ask for what a page shows, through the DevTools protocol."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Any, Self

PROGRAM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--remote-debugging-pipe", "--window-size=1400,1000"),
)
# The protocol's pipes are the file descriptors 3 and 4, whatever they are here.
START = """
import os, sys
ends = [os.dup(int(number)) for number in sys.argv[1:3]]
ends = [os.dup2(end, 20 + index) for index, end in enumerate(ends)]
os.dup2(ends[0], 3), os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Chromium:
    """A browser with one page; a context manager that ends it."""

    def __enter__(self) -> Self:
        self._folder = tempfile.mkdtemp()
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        command = [sys.executable, "-c", START, str(theirs_in), str(theirs_out), PROGRAM]
        self._process = subprocess.Popen(
            [*command, *FLAGS, f"--user-data-dir={self._folder}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._pending = b""
        self._number = 0
        self._session = ""
        page = self.ask("Target.createTarget", url="about:blank")["targetId"]
        answer = self.ask("Target.attachToTarget", targetId=page, flatten=True)
        self._session = answer["sessionId"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, method: str, **parameters: Any) -> Any:
        """The answer to a command; raises `RuntimeError` for an error or if the browser ended."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, url: str) -> None:
        """Loads a page anew, even if no more than what follows the `#` is another."""
        self.ask("Page.navigate", url="about:blank")
        self.ask("Page.navigate", url=url)

    def value(self, script: str) -> Any:
        """What a script in the page returns."""
        code = f"(() => {{ {script} }})()"
        result = self.ask("Runtime.evaluate", expression=code, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"])[:500])
        return result["result"].get("value")

    def wait_for(self, script: str, seconds: float = 30.0) -> Any:
        """The value of a script as soon as it is true."""
        end = time.monotonic() + seconds
        while True:
            value = self.value(script)
            if value or time.monotonic() > end:
                assert value, f"never true: {script}"
                return value
            time.sleep(0.2)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._pending:
            part = os.read(self._in, 65536)
            if not part:
                raise RuntimeError("the browser has ended")
            self._pending += part
        text, _, self._pending = self._pending.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message
