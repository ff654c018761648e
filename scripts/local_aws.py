"""A server on loopback that speaks SQS, DynamoDB and S3 (moto's), for tries and tests. Everything is forgotten when it ends.

    scripts/local_aws                print the variables that lead every AWS client here, and serve until Ctrl-C
    scripts/local_aws COMMAND ...    run a command with these variables, then end with its exit code
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

PORT_VARIABLE = "LOCAL_AWS_PORT"  # a free port without it
_FORGET_EVERY_S = 10.0


def environment(port: int) -> dict[str, str]:
    """What leads AWS clients to this server and nowhere else. The keys are those of nobody."""
    return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}


def forget(reset: Callable[[], None]) -> None:
    """Let go, now and then, of what moto lists for its dashboard: every object of its own since the start, and so a copy of the
    whole table for each transaction. What it stores is elsewhere."""
    while True:
        time.sleep(_FORGET_EVERY_S)
        reset()


def main(command: list[str]) -> int:
    try:
        from moto.core.model_instances import reset_model_data
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
        from werkzeug.serving import make_server
    except ImportError:
        print("error: this needs moto: pip install 'moto[server]'.", file=sys.stderr)
        return 2
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", int(os.environ.get(PORT_VARIABLE, 0)), DomainDispatcherApplication(create_backend_app),
                         threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=forget, args=(reset_model_data,), daemon=True).start()
    variables = environment(server.port)
    if command:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # python and nc-latent-tod of the environment that this runs in come first.
        path = f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', '')}"
        return subprocess.run(command, env={**os.environ, **variables, "PATH": path}).returncode
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")
    sys.stdout.flush()
    print("Paste these lines into other terminals. Serving until Ctrl-C.", file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
