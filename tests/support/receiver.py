"""Who receives webhooks: an HTTP server that records what comes, checks its signature as Standard Webhooks says it, and answers as it is told."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_S = 5 * 60


def verified(secret, headers, body):
    """The event in a delivery, or an AssertionError: what a receiver has to do, and nothing of ours in it."""
    stamp = headers["webhook-timestamp"]
    assert abs(time.time() - int(stamp)) < TOLERANCE_S, "its time stamp is too old or too new"
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    said = f"{headers['webhook-id']}.{stamp}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()
    assert any(hmac.compare_digest(wanted, one) for one in headers["webhook-signature"].split()), "its signature is wrong"
    return json.loads(body)


class Delivery:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body

    @property
    def event(self):
        return json.loads(self.body)


class Receiver:
    """Each path is a receiver of its own: `tell(path, 500, 500, 200)` says what it answers, one after the other; else 200."""

    def __init__(self, host="127.0.0.1"):
        self.came, self.answers, self.lock = [], {}, threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status, headers = receiver.take(Delivery(self.path, self.headers, body))
                self.send_response(status)
                for name, value in {"content-length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer((host, 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, delivery):
        with self.lock:
            self.came.append(delivery)
            queue = self.answers.get(delivery.path, [])
            answer = queue.pop(0) if queue else 200
        if callable(answer):
            answer = answer()
        return answer if isinstance(answer, tuple) else (answer, {})

    def tell(self, path, *answers):
        """Each a status, a pair of it and headers, or what is called for either."""
        with self.lock:
            self.answers[path] = list(answers)

    def url(self, path, host="127.0.0.1"):
        return f"http://{host}:{self.server.server_port}{path}"

    def at(self, path):
        with self.lock:
            return [d for d in self.came if d.path == path]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
