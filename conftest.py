"""Closes three gaps of nbval 0.11.0, for the strict and the lax mode alike.

A kernel that dies is reported within seconds instead of after the cell's time limit; a magic
that fails, fails its cell; a cell tagged ``raises-exception`` that raises nothing, fails.
"""

import os
import time
from queue import Empty

import matplotlib
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell

matplotlib.use("agg")  # tests draw without a screen, in this process only
os.environ.pop("MPLBACKEND", None)  # kernels choose the inline backend themselves


def await_reply(self, msg_id, timeout=None):
    """Waits for the kernel's answer to one request and asks every second if the kernel lives."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        try:
            message = self.get_message(stream="shell", timeout=1)
        except Empty:
            if not self.is_alive():
                raise RuntimeError("the kernel died while it ran this cell") from None
            if deadline is not None and time.monotonic() > deadline:
                raise
            continue
        if message["parent_header"].get("msg_id") == msg_id:
            self.reply_status = message["content"]["status"]
            if self.reply_status == "aborted":
                raise RuntimeError("the kernel aborted this cell")
            return


def runtest(self):
    """Runs a cell as nbval does, then holds it to what it says of itself."""
    nbval_runtest(self)
    raised = any(output["output_type"] == "error" for output in self.test_outputs)
    if "raises-exception" in self.cell.metadata.get("tags", []) and not raised:
        self.raise_cell_error("The cell is tagged raises-exception and raised nothing")
    if self.parent.kernel.reply_status == "error" and not raised:
        self.raise_cell_error("A magic in this cell failed, see its output on stderr")


nbval_runtest = IPyNbCell.runtest
IPyNbCell.runtest = runtest
RunningKernel.await_reply = await_reply
