"""What all commands share: exit codes, errors as one readable line, logging, and data as JSON or for people."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from nc_latent_tod.errors import NcLatentTodError, PermanentError, RetryableError
from nc_latent_tod.system.logs import OneLine, logs_are_json, write_json_lines
from nc_latent_tod.system.visible import visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console

log = logging.getLogger(__name__)

OK, UNEXPECTED, WRONG_INPUT, UNFINISHED, INTERRUPTED = 0, 1, 2, 3, 130
EXIT_CODES = ("Exit codes: 0 done; 1 unexpected error; 2 wrong use, job file or input: the same command can never work; "
              "3 unfinished: the same command may work or go on next time; 130, 143 stopped by a signal.")
_FULL = {errno.ENOSPC, errno.EDQUOT}
_ADVICE = {
    **dict.fromkeys(_FULL, "Free space, then run the same command again."),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "Change its permissions, or name another place."),
    errno.EROFS: "Name a place that can be written.",
    errno.ENOTDIR: "A folder is needed and a file is there: name another place.",
    errno.EISDIR: "A file is needed and a folder is there: name a file.",
}

QueueOption = Annotated[str, typer.Option("--queue", envvar="NC_LATENT_TOD_QUEUE_PATH", show_default=False,
                                          help="The queue: a folder, or an SQS queue by its name (*.fifo) or URL.")]
ManifestOption = Annotated[str, typer.Option("--manifest", envvar="NC_LATENT_TOD_MANIFEST_PATH",
                                             help="The manifest: a folder, or dynamo:TABLE, as in the job file.")]
ReuseOption = Annotated[str | None, typer.Option("--reuse-from", metavar="GROUP", show_default=False,
                                                 help="Take over the labels of this finished group where nothing has changed "
                                                      "that they were made from. Sets manifest.reuse_group_id.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def say(text: str, *, nl: bool = True) -> None:
    """Print text for people on stdout, whoever it is by. All that is printed goes through this, `print_json` or a console."""
    typer.echo(visible(text), nl=nl)


class Commands(TyperGroup):
    """A group of commands whose expected errors are one line on stderr and a documented exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--log-json` wherever it stands: it is of all commands."""
        end = args.index("--") if "--" in args else len(args)
        if "--log-json" in args[:end]:
            args = ["--log-json", *(arg for arg in args[:end] if arg != "--log-json"), *args[end:]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        print_anything()
        try:
            if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see `__main__`
                signal.signal(signal.SIGINT, signal.default_int_handler)
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except (NcLatentTodError, OSError) as error:
            if ctx.params.get("debug"):
                remark(traceback.format_exc(), level=logging.ERROR)
            remark(f"error: {told(error)}", level=logging.ERROR)
            raise typer.Exit(exit_code(error)) from None


def exit_code(error: Exception) -> int:
    """The exit code that `EXIT_CODES` documents for an error."""
    if isinstance(error, PermanentError):
        return WRONG_INPUT
    if isinstance(error, OSError) and error.errno in _ADVICE:
        return UNFINISHED if error.errno in _FULL else WRONG_INPUT
    return UNFINISHED if isinstance(error, RetryableError) else UNEXPECTED


def told(error: Exception) -> str:
    """An error in words; of what the system refuses, the file and what to do."""
    if not isinstance(error, OSError) or error.errno not in _ADVICE:
        return str(error)
    return (f"{error.filename}: " if error.filename else "") + f"{error.strerror}. {_ADVICE[error.errno]}"


def epilog(*examples: str) -> str:
    """The end of a command's help: examples and exit codes."""
    return "\n\n".join([*(f"Example: [bold]{example}[/bold]" for example in examples), EXIT_CODES])


def log_to(console: Console, *, verbose: bool, as_json: bool) -> None:
    """Send log records to stderr: warnings and errors, with `verbose` information too. Whole lines unless on a terminal.

    With `as_json` everything that goes to stderr is one JSON object a line, a traceback of an unexpected error too.
    """
    if as_json:
        write_json_lines()
        sys.excepthook = lambda kind, error, trace: log.critical("%s", error, exc_info=(kind, error, trace))
        handler: logging.Handler | None = None
    elif console.is_terminal:
        from rich.logging import RichHandler

        handler = RichHandler(console=console, show_path=False, markup=False)
        handler.setFormatter(OneLine("%(message)s"))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(message)s"))
    if handler:
        logging.basicConfig(level=logging.WARNING, force=True, handlers=[handler])
    logging.getLogger("nc_latent_tod").setLevel(logging.INFO if verbose else logging.WARNING)


def standard_output() -> Console:
    """Where results go."""
    from nc_latent_tod.cli.views.safe_console import SafeConsole

    return SafeConsole(highlight=False)


def standard_error() -> Console:
    """Where progress and remarks go, so that results can be piped."""
    from nc_latent_tod.cli.views.safe_console import SafeConsole

    return SafeConsole(stderr=True, highlight=False, force_terminal=False if logs_are_json() else None)


def program() -> str:
    """This program as it can be called from here."""
    return os.path.relpath(sys.argv[0]) if os.sep in sys.argv[0] else "nc-latent-tod"


def remark(text: str, *, level: int = logging.INFO) -> None:
    """Tell people something beside the results."""
    if logs_are_json():
        if not log.isEnabledFor(level):
            log.setLevel(level)
        log.log(level, "%s", text)
    else:
        print(visible(text), file=sys.stderr, flush=True)


def print_json(data: Any) -> None:
    """Print plain data as indented JSON; escaped where stdout cannot show it as it is."""
    text = visible_json(json.dumps(data, indent=2, ensure_ascii=False))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(data, indent=2)
    print(text)


def print_anything() -> None:
    """Show `?` for what stdout and stderr have no character for: another encoding than UTF-8, or half an emoji."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
