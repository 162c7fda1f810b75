"""How far training is: a bar in a terminal, plain lines in a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Report(Protocol):
    """Takes news of the training."""

    def __call__(self, done: float, seconds: float, news: str, *, worth_a_line: bool) -> None:
        """Tell.

        Args:
            done: share of the training, 0 to 1.
            seconds: it took so far.
            news: step, loss and the like.
            worth_a_line: whether a file shall get it too.
        """
        ...


@contextmanager
def shown(console: Console) -> Iterator[Report]:
    """A bar while the block runs; where the console is no terminal, lines."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress)


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("first step", total=1.0)

    def __call__(self, done: float, seconds: float, news: str, *, worth_a_line: bool) -> None:  # noqa: ARG002
        self._progress.update(self._task, completed=done, description=news)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, done: float, seconds: float, news: str, *, worth_a_line: bool) -> None:
        if worth_a_line:
            left = timedelta(seconds=round(seconds * (1 - done) / done)) if done > 0 else "unknown"
            self._console.print(f"{done:6.1%}  {news}  remaining {left}", highlight=False, soft_wrap=True)
