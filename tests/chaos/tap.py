"""A proxy that counts what passes, frame by frame, and can do something at an exact one: kill the scheduler between a publish and its
confirm, or around the third call to Redis."""

from proxy import Proxy

METHOD, BODY, HEARTBEAT = 1, 3, 8
NAMES = {(60, 40): "publish", (60, 80): "ack", (60, 120): "nack", (60, 60): "deliver"}


def amqp_frames(to_client):
    """Takes bytes by send(), gives a list of (name, bytes); what is no whole frame yet is kept."""
    rest, first, out = b"", not to_client, []
    while True:
        rest += yield out
        out = []
        if first and len(rest) >= 8:
            out.append(("header", rest[:8]))
            rest, first = rest[8:], False
        while not first and len(rest) >= 7 and len(rest) >= (size := 8 + int.from_bytes(rest[3:7], "big")):
            frame, rest = rest[:size], rest[size:]
            name = "body" if frame[0] == BODY else "other"
            if frame[0] == METHOD:
                name = NAMES.get((int.from_bytes(frame[7:9], "big"), int.from_bytes(frame[9:11], "big")), "other")
            if to_client and name == "ack":
                name = "confirm"
            out.append((name, frame))


def redis_commands(to_client):
    """Commands are arrays of strings; of the answers each piece as it came."""
    rest, out = b"", []
    while True:
        rest += yield out
        out = []
        if to_client:
            out, rest = [("reply", rest)], b""
        while not to_client and (size := command_size(rest)):
            out.append(("command", rest[:size]))
            rest = rest[size:]


def command_size(data):
    """0 where it is not whole."""
    end = data.find(b"\r\n")
    if end < 0:
        return 0
    at = end + 2
    for _ in range(int(data[1:end])):
        end = data.find(b"\r\n", at)
        if end < 0:
            return 0
        at = end + 2 + int(data[at + 1 : end]) + 2
    return at if at <= len(data) else 0


class Tap(Proxy):
    def __init__(self, target, parser):
        self.parser, self.step, self.hit = parser, None, ""
        super().__init__(target)

    def arm(self, name, n, before, action):
        """At the n-th unit of that name from now on `action` is called, before it is passed on or just after; then `hit` says so."""
        self.hit, self.step = "", [name, n, before, action]

    def pump(self, source, sink, to_client):
        units = self.parser(to_client)
        next(units)
        try:
            while data := source.recv(65536):
                if self.swallow:
                    continue
                found = units.send(data)
                if not self.step:
                    sink.sendall(b"".join(unit for _, unit in found))
                    continue
                for name, unit in found:
                    self.pass_on(name, unit, sink)
        except OSError:
            pass
        if not self.swallow:
            self.hang_up_on(source, sink)

    def pass_on(self, name, unit, sink):
        with self.lock:
            step = self.step
            due = step and step[0] == name
            if due:
                step[1] -= 1
                due = step[1] == 0
                self.step = None if due else step
        if due and step[2]:
            step[3]()
            self.hit = f"before a {name}"
        sink.sendall(unit)
        if due and not step[2]:
            step[3]()
            self.hit = f"after a {name}"
