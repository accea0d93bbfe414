"""Keep the output and warnings of exporters out of stdout, stderr and warning summaries."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Discard warnings and all output to file descriptors 1 and 2 inside the block.

    A failing TorchScript export prints the whole graph to descriptor 1 from C++, which
    `contextlib.redirect_stdout` does not see.
    """
    with contextlib.ExitStack() as stack:
        nowhere = stack.enter_context(Path(os.devnull).open("wb"))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            saved = os.dup(descriptor)
            os.dup2(nowhere.fileno(), descriptor)
            stack.callback(_restore, stream, saved, descriptor)
        yield


def _restore(stream: TextIO, saved: int, descriptor: int) -> None:
    stream.flush()
    os.dup2(saved, descriptor)
    os.close(saved)
