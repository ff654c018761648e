"""`python -m nc_latent_tod` is `nc-latent-tod`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line. Ctrl-C ends it without a traceback from the first moment on."""
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else somebody has it ignored
    if is_default:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from nc_latent_tod.cli import main as run

    if is_default:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
