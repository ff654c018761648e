"""A server on loopback that gives prepared answers, for what a whole server cannot be made to do."""

import http.server
import json
import threading
from types import TracebackType
from typing import Any

Answer = tuple[int, Any] | None


class ScriptedServer:
    """Answers GET and POST requests with `answers` in turn, the last of them for ever; None hangs up without an answer."""

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[dict[str, Any]] = []
        waiting, requests = list(answers), self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                requests.append({})
                self.answer()

            def do_POST(self) -> None:
                requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.answer()

            def answer(self) -> None:
                answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                if answer is None:
                    self.close_connection = True
                    return
                status, body = answer
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "ScriptedServer":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


def refusal(code: str, status: int = 400, **more: Any) -> Answer:
    """A failure as DynamoDB and SQS report it."""
    return status, {"__type": f"com.amazonaws#{code}", "message": f"{code} for a test", **more}
