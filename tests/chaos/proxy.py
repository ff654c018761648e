"""A proxy on loopback before a server that speaks SQS, DynamoDB and S3. It does to requests what networks and services do."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

from chaos.refusals import internal_error, skewed, throttled

LOST, UNANSWERED, DELAYED, DUPLICATED = "request lost", "answer lost", "delayed", "sent twice"
ERROR, THROTTLED, SKEWED = "answered 500", "throttled", "refused for its clock"
FAULTS = (LOST, UNANSWERED, DELAYED, DUPLICATED, ERROR)

_LONGEST_DELAY_S = 2.0
_CLOCK_TOLERANCE_S = {"s3": 900.0}  # of AWS; https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_CLOCK_TOLERANCE_ELSE_S = 300.0
_HOP_BY_HOP = {"connection", "expect", "keep-alive", "transfer-encoding", "content-length"}

Answer = tuple[int, list[tuple[str, str]], bytes]


class FaultyProxy:
    """Forwards requests to `target` from `with` to the end of the block: `rate` of them with a fault, `throttling` refused.

    `seed` fixes which request, counted over all connections, gets which fault; `faults` counts them by (service, kind).
    """

    def __init__(self, target: str, *, seed: int, rate: float = 0.1, throttling: float = 0.03) -> None:
        self._target, self._rate, self._throttling = urlsplit(target).netloc, rate, throttling
        self._rng, self._lock = random.Random(seed), threading.Lock()
        self.requests, self.faults = Counter[str](), Counter[tuple[str, str]]()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:  # the worker was killed
                    self.close_connection = True

            def log_message(self, *arguments: object) -> None:
                pass

            def _any(self) -> None:
                answer = proxy.answer(self.command, self.path, self.headers, _body(self))
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FaultyProxy:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: http.client.HTTPMessage, body: bytes) -> Answer | None:
        """The answer to one request, None where there is none: a fault by lot, else what the target says."""
        service = _service(headers)
        fault, delay_s = self._draw(service, headers)
        if fault == LOST:
            return None
        if fault in (ERROR, THROTTLED, SKEWED):
            return {ERROR: internal_error, THROTTLED: throttled, SKEWED: skewed}[fault](service)
        if fault == DELAYED:
            time.sleep(delay_s)
        answer = self._forward(method, path, headers, body)
        if fault == DUPLICATED:
            answer = self._forward(method, path, headers, body)
        return None if fault == UNANSWERED else answer

    def _draw(self, service: str, headers: http.client.HTTPMessage) -> tuple[str, float]:
        with self._lock:
            self.requests[service] += 1
            lot, kind, delay_s = self._rng.random(), self._rng.choice(FAULTS), self._rng.uniform(0.1, _LONGEST_DELAY_S)
            fault = kind if lot < self._rate else THROTTLED if lot < self._rate + self._throttling else ""
            if _skew_s(headers) > _CLOCK_TOLERANCE_S.get(service, _CLOCK_TOLERANCE_ELSE_S):
                fault = SKEWED
            if fault:
                self.faults[service, fault] += 1
        return fault, delay_s

    def _forward(self, method: str, path: str, headers: http.client.HTTPMessage, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self._target, timeout=60)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}
            connection.request(method, path, body=body, headers=kept)
            answer = connection.getresponse()
            headers_back = [(name, value) for name, value in answer.getheaders()
                            if name.lower() not in _HOP_BY_HOP or (method == "HEAD" and name.lower() == "content-length")]
            return answer.status, headers_back, answer.read()
        finally:
            connection.close()


def _service(headers: http.client.HTTPMessage) -> str:
    """sqs, dynamodb or s3, by the scope of the signature: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`."""
    parts = headers.get("Authorization", "").split("/")
    return parts[3] if len(parts) > 3 else "unsigned"


def _skew_s(headers: http.client.HTTPMessage) -> float:
    """Seconds between the date that the request was signed with and now."""
    signed = headers.get("X-Amz-Date")
    if not signed:
        return 0.0
    at = datetime.strptime(signed, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return abs((datetime.now(UTC) - at).total_seconds())


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    parts = []
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    while handler.rfile.readline().strip():
        pass
    return b"".join(parts)
