"""`python -m nc_latent_tod` is `nc-latent-tod`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line. Until its command begins, Ctrl-C ends the process at once, without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else somebody has it ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from nc_latent_tod.cli import main as run

    run()


if __name__ == "__main__":
    main()
