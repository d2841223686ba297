"""A stub engine for tests and benches: speaks OpenAI's chat completions and completions and Ollama's native API, streams tokens at a
fixed pace, and fails in every way that an engine can. It records its requests, and which of them were aborted by the client.

What a request gets is said in its prompt, `[[stub tokens=20 pace_ms=10 fault=cut after=5]]`, over the defaults that POST /stub/set
changed, over DEFAULTS below. As a program: `stub_engine.py [--port 0] [key=value …]`, prints `listening on <port>`. Tests use the class.

  tokens, pace_ms   how many, and the time between them (token i is due at i * pace_ms after the first)
  token             the text of each; a number follows it
  bytes             length to which each token is filled
  headers_ms        time before the answer's head; first_ms: between that and the first token
  status, message   of an answer that is no stream
  content_type      of the stream
  call              the name of a function: the answer is a call of it, in pieces, with {"city":"Paris"} (OpenAI's chat)
  thought           a word that the model thinks before it answers (OpenAI's chat)
  finish            why it ends (OpenAI's finish_reason)
  null              1: the stream begins with an event that says null, as llama.cpp's does for several prompts
  usage, done       0: left out (usage; the [DONE] at the end)
  fault, after      after so many tokens: stall (nothing more comes), cut (the connection is closed), end (a clean end before the
                    answer's), garbage (no JSON), binary (no text), long_line (10 MB without an end), error (an error event), linger ([DONE],
                    and the connection stays open); before the head: stall_headers, close
                    crash kills who asked (its pid is in the file `victim`), as a prompt that crashes its worker
  times             fault and status are of the first so many requests of this prompt alone; 0: of all
  counted           a path: these are counted in files beside it (<counted>.0 …), by all engines that are told the same one
  mark              1: each run's tokens begin with a mark of that run, so that two answers to one prompt differ
  record            a file that gets a line of JSON for each run as it begins (at, prompt), and for each kill (between two times, before
                    and after it: since, until): it outlives the engine
  models            names, separated by commas; slots: what /props says (0: no /props), and context; health: its status
  dimensions        of an embedding (0: it embeds nothing, 501); base64: 0: it takes no notice of encoding_format
  counts            how it counts tokens (of which each word is one): llama (input_tokens), old_llama (a template and /tokenize), vllm
                    (/tokenize of messages), none
"""

import argparse
import asyncio
import base64
import json
import os
import re
import secrets
import signal
import struct
import sys
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from services import Process, free_port, wait_for  # noqa: E402

DEFAULTS = {
    "tokens": 8, "pace_ms": 0, "token": "tok", "bytes": 0, "headers_ms": 0, "finish": "stop", "first_ms": 0, "status": 200,
    "message": "the stub says no", "content_type": "", "usage": 1, "done": 1, "fault": "", "after": 0, "times": 0,
    "models": "smollm2-135m", "slots": 2, "health": 200, "mark": 0, "record": "", "victim": "", "counted": "",
    "context": 0, "dimensions": 4, "base64": 1, "counts": "llama",
    "call": "", "thought": "", "null": 0,
}  # fmt: skip
LOG_MAX = 20000
COUNTING = {
    "llama": ("/v1/chat/completions/input_tokens", "/tokenize"),
    "old_llama": ("/apply-template", "/tokenize"),
    "vllm": ("/tokenize",),
}
CUT = object()


def directives(text):
    found = {}
    for group in re.findall(r"\[\[stub ([^\]]*)\]\]", text):
        for pair in group.split():
            key, _, value = pair.partition("=")
            found[key] = value
    return found


def typed(values):
    """Each value with the type of its default; an unknown key is an error of the test."""
    return {key: type(DEFAULTS[key])(value) for key, value in values.items()}


def made_now(path):
    """Makes the file; False where it was there."""
    try:
        open(path, "x").close()
        return True
    except FileExistsError:
        return False


def prompt_of(body):
    if "messages" not in body:
        return str(body.get("prompt", body.get("input", "")))
    content = body["messages"][-1].get("content") if body["messages"] else ""
    return content if isinstance(content, str) else json.dumps(content)


def vector(text, dimensions):
    """The same for the same text: exact in 32 bits, so that a test can compare."""
    return [(sum(str(text).encode()) % 97 + i) / 128 for i in range(dimensions)]


def packed(numbers):
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def words(text):
    return len(str(text).split())


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Dialect:
    """How one of the four endpoints writes its events."""

    def __init__(self, path, body):
        self.chat = path in ("/v1/chat/completions", "/api/chat")
        self.ollama = path.startswith("/api/")
        self.model = body.get("model", "")

    def content_type(self):
        return "application/x-ndjson" if self.ollama else "text/event-stream"

    def frame(self, value):
        return compact(value) + b"\n" if self.ollama else b"data: " + compact(value) + b"\n\n"

    def token(self, text, first):
        if self.ollama:
            line = {"model": self.model, "created_at": "2026-01-01T00:00:00Z", "done": False}
            line.update({"message": {"role": "assistant", "content": text}} if self.chat else {"response": text})
            return self.frame(line)
        choice = {"index": 0, "finish_reason": None}
        choice.update({"delta": {"role": "assistant", "content": text} if first else {"content": text}} if self.chat else {"text": text})
        return self.frame(self.chunk([choice]))

    def thought(self, text):
        delta = {"role": "assistant", "content": None, "reasoning_content": text}
        return self.frame(self.chunk([{"index": 0, "delta": delta, "finish_reason": None}]))

    def call(self, name):
        first = {"index": 0, "id": "call_0", "type": "function", "function": {"name": name, "arguments": ""}}
        pieces = [first, *({"index": 0, "function": {"arguments": part}} for part in ('{"city":', '"Paris"}'))]
        deltas = [{"role": "assistant", "content": None}, *({"tool_calls": [piece]} for piece in pieces)]
        return b"".join(self.frame(self.chunk([{"index": 0, "delta": d, "finish_reason": None}])) for d in deltas)

    def chunk(self, choices):
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        return {"id": "stub-1", "object": kind, "created": 1, "model": self.model, "choices": choices}

    def end(self, tokens, prompt_tokens, want):
        if self.ollama:
            line = {"model": self.model, "created_at": "2026-01-01T00:00:00Z", "done": True, "done_reason": "stop"}
            line.update({"message": {"role": "assistant", "content": ""}} if self.chat else {"response": ""})
            line.update({"prompt_eval_count": prompt_tokens, "eval_count": tokens} if want["usage"] else {})
            return self.frame(line)
        choice = {"index": 0, "finish_reason": "tool_calls" if want["call"] else want["finish"]}
        choice.update({"delta": {}} if self.chat else {"text": ""})
        out = self.frame(self.chunk([choice]))
        if want["usage"]:
            usage = {"prompt_tokens": prompt_tokens, "completion_tokens": tokens, "total_tokens": prompt_tokens + tokens}
            out += self.frame({**self.chunk([]), "usage": usage})
        return out + (b"data: [DONE]\n\n" if want["done"] else b"")

    def error(self, message):
        return self.frame({"error": message if self.ollama else {"message": message, "code": 500}})


class Connection(asyncio.Protocol):
    def __init__(self, stub):
        self.stub, self.buffer, self.task, self.record = stub, b"", None, None

    def connection_made(self, transport):
        self.transport = transport
        self.stub.connections.add(self)

    def connection_lost(self, _):
        self.stub.connections.discard(self)
        if self.task:
            self.task.cancel()
        if self.record and not self.record["finished"]:
            self.record["aborted"] = True
            self.record["aborted_s"] = time.monotonic()

    def data_received(self, data):
        self.buffer += data
        self.next_request()

    def next_request(self):
        head, mark, rest = self.buffer.partition(b"\r\n\r\n")
        if self.task or not mark:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if headers.get("expect", "").lower() == "100-continue" and not rest and length:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        method, path, _ = lines[0].split(" ", 2)
        self.task = asyncio.ensure_future(self.serve(method, path, headers, rest[:length]))
        self.task.add_done_callback(self.served)

    def served(self, task):
        self.task = None
        if task.cancelled():
            return
        if task.exception():
            raise task.exception()
        self.next_request()

    def answer(self, status, value, content_type="application/json"):
        body = value if isinstance(value, bytes) else compact(value)
        self.transport.write(
            b"HTTP/1.1 %d Stub\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
            % (status, content_type.encode(), len(body))
            + body
        )

    def chunk(self, data):
        if data:
            self.transport.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def serve(self, method, path, headers, body):
        stub = self.stub
        names = [name for name in stub.defaults["models"].split(",") if name]
        if path == "/stub/log":
            self.answer(200, list(stub.log))
        elif path == "/stub/set":
            stub.defaults.update(typed(json.loads(body)))
            self.answer(200, stub.defaults)
        elif path == "/stub/reset":
            stub.defaults = dict(DEFAULTS)
            stub.log.clear()
            self.answer(200, {})
        elif path == "/health":
            self.answer(stub.defaults["health"], {"error": {"message": "Loading model"}})
        elif path == "/v1/models":
            self.answer(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in names]})
        elif path == "/api/tags":
            self.answer(200, {"models": [{"name": name, "model": name} for name in names]})
        elif path == "/props" and stub.defaults["slots"]:
            self.answer(200, {"total_slots": stub.defaults["slots"], "default_generation_settings": {"n_ctx": stub.defaults["context"]}})
        elif method == "POST" and path in ("/v1/embeddings", "/api/embed"):
            await self.embed(path, headers, json.loads(body))
        elif method == "POST" and path in COUNTING.get(stub.defaults["counts"], ()):
            self.count(path, headers, json.loads(body))
        elif method == "POST" and path == "/api/show" and json.loads(body)["model"] in names:
            self.answer(200, {"details": {}})
        elif method == "POST" and path in ("/v1/chat/completions", "/v1/completions", "/api/chat", "/api/generate"):
            await self.complete(path, headers, json.loads(body))
        else:
            self.answer(404, {"error": {"message": f"no {path} here"}})

    def is_among_the_first(self, want, prompt):
        if want["counted"]:
            return any(made_now(f"{want['counted']}.{i}") for i in range(want["times"]))
        return sum(prompt_of(r["body"]) == prompt for r in self.stub.log) <= want["times"]

    def note(self, path, headers, body):
        self.record = {
            "path": path, "body": body, "authorization": headers.get("authorization", ""), "tokens_sent": 0,
            "received_s": time.monotonic(), "finished": False, "aborted": False,
            "traceparent": headers.get("traceparent", ""),
            "tracestate": headers.get("tracestate", ""),
        }  # fmt: skip
        self.stub.log.append(self.record)
        del self.stub.log[:-LOG_MAX]
        return self.record

    async def embed(self, path, headers, body):
        want = {**self.stub.defaults, **typed(directives(prompt_of(body)))}
        record = self.note(path, headers, body)
        await asyncio.sleep(want["headers_ms"] / 1000)
        record["finished"] = True
        if not want["dimensions"] or want["status"] != 200:
            status = 501 if want["status"] == 200 else want["status"]
            self.answer(status, {"error": {"message": want["message"], "code": status}})
            return
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        vectors = [vector(text, want["dimensions"]) for text in texts]
        tokens = sum(map(words, texts))
        if path == "/api/embed":
            self.answer(200, {"model": body["model"], "embeddings": vectors, "prompt_eval_count": tokens})
            return
        if body.get("encoding_format") == "base64" and want["base64"]:
            vectors = list(map(packed, vectors))
        data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        self.answer(200, {"object": "list", "data": data, "model": body["model"], "usage": usage})

    def count(self, path, headers, body):
        self.note(path, headers, body)["finished"] = True
        said = " ".join(str(m["content"]) for m in body.get("messages", []))
        if path == "/apply-template":
            self.answer(200, {"prompt": f"<start> {said} <end>"})
        elif path == "/tokenize":
            tokens = list(range(words(said or body.get("content", ""))))
            self.answer(200, {"count": len(tokens), "tokens": tokens} if said else {"tokens": tokens})
        else:
            self.answer(200, {"input_tokens": words(said) + 2, "object": "response.input_tokens"})

    async def complete(self, path, headers, body):
        record = self.note(path, headers, body)
        want = {**self.stub.defaults, **typed(directives(prompt_of(body)))}
        if want["times"] and not self.is_among_the_first(want, prompt_of(body)):
            want.update(fault="", status=200)
        put_on_record(want, at=time.monotonic(), prompt=prompt_of(body)[:300])
        if want["mark"]:
            want["token"] = f"{secrets.token_hex(4)}-{want['token']}"
        if want["fault"] == "stall_headers":
            await asyncio.sleep(3600)
        if want["fault"] == "close":
            self.transport.abort()
            return
        await asyncio.sleep(want["headers_ms"] / 1000)
        if want["status"] != 200:
            record["finished"] = True
            self.answer(want["status"], {"error": {"message": want["message"], "code": want["status"]}})
            return
        dialect = Dialect(path, body)
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
            % (want["content_type"] or dialect.content_type()).encode()
        )
        await asyncio.sleep(want["first_ms"] / 1000)
        if await self.stream(dialect, want, record, len(prompt_of(body).split())) is not CUT:
            record["finished"] = True
            self.transport.write(b"0\r\n\r\n")

    async def stream(self, dialect, want, record, prompt_tokens):
        start = time.monotonic()
        if want["null"]:
            self.chunk(dialect.frame(None))
        if want["thought"]:
            self.chunk(dialect.thought(want["thought"]))
        if want["call"]:
            self.chunk(dialect.call(want["call"]))
        for i in range(0 if want["call"] else want["tokens"]):
            if want["fault"] not in ("", "linger") and i == want["after"]:
                return await self.fail(dialect, want)
            due = start + i * want["pace_ms"] / 1000 - time.monotonic()
            if due > 0:
                await asyncio.sleep(due)
            elif i % 64 == 0:
                await asyncio.sleep(0)
            text = f"{want['token']}{i} "
            self.chunk(dialect.token(text.ljust(want["bytes"], "x"), i == 0))
            record["tokens_sent"] = i + 1
            record.setdefault("first_token_s", time.monotonic())
        if want["fault"] == "linger":
            self.chunk(dialect.end(want["tokens"], prompt_tokens, want))
            await asyncio.sleep(3600)
        self.chunk(dialect.end(want["tokens"], prompt_tokens, want))
        return None

    async def fail(self, dialect, want):
        fault = want["fault"]
        if fault == "crash":
            since = time.monotonic()
            os.kill(int(Path(want["victim"]).read_text()), signal.SIGKILL)
            put_on_record(want, since=since, until=time.monotonic())
        if fault in ("stall", "crash"):
            await asyncio.sleep(3600)
        if fault == "cut":
            await asyncio.sleep(0.02)  # what was written goes out first
            self.transport.abort()
            return CUT
        if fault == "long_line":
            for _ in range(160):
                self.chunk(b"x" * 65536)
                await asyncio.sleep(0)
        elif fault == "garbage":
            self.chunk(dialect.frame({}).replace(b"{}", b"{not json"))
        elif fault == "binary":
            self.chunk(bytes(range(256)) * 4 + b"\n\n")
        elif fault == "error":
            self.chunk(dialect.error(want["message"]))
        elif fault != "end":
            raise ValueError(f"no fault '{fault}'")
        return None


def put_on_record(want, **line):
    if want["record"]:
        with open(want["record"], "ab") as file:
            file.write(compact(line) + b"\n")


class Stub:
    def __init__(self, defaults):
        self.defaults, self.log, self.connections = {**DEFAULTS, **typed(defaults)}, [], set()


class StubEngine(Process):
    """The stub as a process of its own, for tests."""

    def __init__(self, folder, port=None, **defaults):
        super().__init__()
        self.port, self.defaults = port or free_port(), defaults
        self.log_file = Path(folder) / f"stub-{self.port}.log"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        pairs = [f"{key}={value}" for key, value in self.defaults.items()]
        self.spawn([sys.executable, __file__, "--port", str(self.port), *pairs], log=self.log_file)
        wait_for("the stub engine", self.ready, 20, self.process)
        return self

    def ready(self):
        try:
            return self.call("/stub/log") is not None
        except OSError:
            return False

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=data), timeout=10) as answer:
            return json.loads(answer.read())

    def set(self, **values):
        return self.call("/stub/set", values)

    def reset(self):
        return self.call("/stub/reset", {})

    def requests(self, having=""):
        """Those whose prompt holds this text."""
        return [r for r in self.call("/stub/log") if having in prompt_of(r["body"])]

    def stop(self):
        self.end(signal.SIGTERM, 5)

    def kill_now(self):
        self.end(signal.SIGKILL, 5)


async def serve(port, stub):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", port, backlog=1024)
    print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, default=0)
    options.add_argument("defaults", nargs="*", metavar="key=value")
    args = options.parse_args()
    asyncio.run(serve(args.port, Stub(dict(pair.split("=", 1) for pair in args.defaults))))


if __name__ == "__main__":
    main()
