"""A completions server on loopback that serves a checkpoint by plain forward passes, strict about the protocol.

It knows what servers differ in: whether they echo, know `prompt_logprobs`, heed `n`, ask for a key, or fail for a while.
"""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch

_KNOWN = {"model", "prompt", "n", "seed", "max_tokens", "temperature", "top_p", "stop", "logprobs", "echo", "prompt_logprobs"}


@dataclass
class Served:
    """A model and what its server can do; what it was asked is counted."""

    model: object
    tokenizer: object
    echoes: bool = True
    has_prompt_logprobs: bool = False
    heeds_n: bool = True
    has_logprobs: bool = True
    is_late: bool = False  # a prompt's tokens are scored by what comes after them, as llama-cpp-python 0.3.36 does
    key: str = ""
    context: int = 1024
    failures: list = field(default_factory=list)  # status codes of the next answers
    pause_s: float = 0.0
    requests: list = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    def answer(self, body):
        """(status, answer) of one request."""
        if unknown := set(body) - _KNOWN:
            return 400, f"unknown parameters: {sorted(unknown)}"
        if body["model"] != "tiny":
            return 404, f"The model {body['model']!r} does not exist."
        prompt = body["prompt"]
        ids = prompt if isinstance(prompt, list) else self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        if not ids or not all(isinstance(token, int) for token in ids):
            return 400, "prompt must be text or token ids"
        if len(ids) + body["max_tokens"] > self.context:
            return 400, f"This model's maximum context length is {self.context} tokens."
        count = body.get("n", 1) if self.heeds_n else 1
        drawn = [self._draw(ids, body, index) for index in range(count)]
        choices = [self._choice(index, ids, body, *one) for index, one in enumerate(drawn)]
        usage = {"prompt_tokens": len(ids), "completion_tokens": sum(len(one[0]) for one in drawn), "total_tokens": 0}
        return 200, {"id": "x", "object": "text_completion", "created": 0, "model": "tiny", "choices": choices, "usage": usage}

    @torch.inference_mode()
    def _logprobs(self, ids):
        return self.model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)  # (tokens, vocab)

    def _draw(self, ids, body, index):
        """(new ids, their log-probabilities, text, why it ended)"""
        random = torch.Generator().manual_seed(body.get("seed", 0) * 100 + index)
        new, scores, stops = [], [], body.get("stop") or []
        for _ in range(body["max_tokens"]):
            logprobs = self._logprobs(ids + new)[-1]
            new.append(_pick(logprobs, body.get("temperature", 1.0), body.get("top_p", 1.0), random))
            scores.append(float(logprobs[new[-1]]))
            text = self.tokenizer.decode(new)
            if new[-1] == self.tokenizer.eos_token_id or any(stop in text for stop in stops):
                text = text.removesuffix(self.tokenizer.eos_token)
                return new, scores, text[: min((text.find(stop) for stop in stops if stop in text), default=len(text))], "stop"
        return new, scores, self.tokenizer.decode(new), "length"

    def _choice(self, index, ids, body, new, scores, text, reason):
        tokens = [self.tokenizer.decode([token]) for token in new]
        choice = {"index": index, "text": text, "finish_reason": reason, "logprobs": None}
        known = self._logprobs(ids)
        late = int(self.is_late)
        of_prompt = [None, *(float(known[at - 1 + late][ids[at]]) for at in range(1, len(ids)))]
        offset = 0
        if body.get("echo") and self.echoes:
            tokens, scores = [self.tokenizer.decode([token]) for token in ids] + tokens, of_prompt + scores
            choice["text"] = self.tokenizer.decode(ids) + text
        if body.get("prompt_logprobs") is not None and self.has_prompt_logprobs:
            choice["prompt_logprobs"] = [None if score is None else {str(token): {"logprob": score, "rank": 1}}
                                         for token, score in zip(ids, of_prompt, strict=True)]
        if body.get("logprobs") is not None and self.has_logprobs:
            starts = []
            for token in tokens:
                starts.append(offset)
                offset += len(token)
            choice["logprobs"] = {"tokens": tokens, "token_logprobs": scores, "text_offset": starts, "top_logprobs": None}
        return choice


class CompletionsServer:
    """`with CompletionsServer(served) as url: ...`"""

    def __init__(self, served):
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    served.in_flight += 1
                    served.most_in_flight = max(served.most_in_flight, served.in_flight)
                    served.requests.append(body)
                    failure = served.failures.pop(0) if served.failures else None
                time.sleep(served.pause_s)
                try:
                    self._send(*self._answer(body, failure))
                finally:
                    with lock:
                        served.in_flight -= 1

            def _answer(self, body, failure):
                if failure:
                    return failure, "not now"
                if self.path != "/v1/completions":
                    return 404, "no such path"
                if served.key and self.headers["Authorization"] != f"Bearer {served.key}":
                    return 401, "Incorrect API key"
                return served.answer(body)

            def _send(self, status, answer):
                data = json.dumps(answer if status == 200 else {"error": {"message": answer, "code": None}}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def __exit__(self, *error):
        self._http.shutdown()
        self._http.server_close()


def _pick(logprobs, temperature, top_p, random):
    if temperature == 0:
        return int(logprobs.argmax())
    probabilities, order = (logprobs / temperature).softmax(-1).sort(descending=True)
    kept = probabilities * ((probabilities.cumsum(-1) - probabilities) < top_p)
    return int(order[torch.multinomial(kept, 1, generator=random)])
