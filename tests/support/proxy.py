"""A TCP proxy for tests that can be a bad network: cut, or a black hole that swallows and never says so."""

import socket
import ssl
import threading


class Proxy:
    """Listens on a free port of loopback and forwards to `target` (host, port); `tls`, an ssl.SSLContext: ends TLS."""

    def __init__(self, target, tls=None):
        self.target, self.tls = target, tls
        self.lock = threading.Lock()
        self.pairs = []
        self.swallow = False
        self.hang_up = 0  # so many clients are still to be hung up on, without a word
        self.budget = None  # bytes still to be given to clients before it swallows
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with self.lock:
            self.hang_up, hangs_up = max(0, self.hang_up - 1), self.hang_up > 0
        if hangs_up:
            client.close()
            return
        try:
            if self.tls:
                client = self.tls.wrap_socket(client, server_side=True)
            server = socket.create_connection(self.target)
        except (OSError, ssl.SSLError):
            client.close()
            return
        with self.lock:
            self.pairs.append((client, server))
        threading.Thread(target=self.pump, args=(client, server, False), daemon=True).start()
        self.pump(server, client, True)

    def pump(self, source, sink, to_client):
        try:
            while data := source.recv(65536):
                if to_client and self.budget is not None:
                    data, self.budget = data[: self.budget], max(0, self.budget - len(data))
                    self.swallow = self.budget == 0
                    sink.sendall(data)
                elif not self.swallow:
                    sink.sendall(data)
        except (OSError, ssl.SSLError):
            pass
        if not self.swallow:
            self.hang_up_on(source, sink)

    @staticmethod
    def hang_up_on(*pair):
        for s in pair:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Every connection ends; new ones are served."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            self.hang_up_on(*pair)

    def heal(self):
        self.swallow, self.budget = False, None

    def close(self):
        self.swallow = False
        self.listener.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
