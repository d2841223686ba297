"""What the tests of the AMQP client stand on: a RabbitMQ of their own, whose TLS port asks for a certificate, the client as a program, and AMQP by hand."""

import signal
import struct
import time

import pytest
from driver import Driver
from proxy import Proxy
from services import Rabbit, free_port
from tls import Authority

HEARTBEAT_MS = 2000


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory, authority):
    """One for all tests. Its TLS port asks for a client's certificate."""
    cert, key = authority.sign("server")
    port = free_port()
    server = Rabbit(
        tmp_path_factory.mktemp("amqp") / "rabbit",
        extra_conf=f"listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {authority.cert}\n"
        f"ssl_options.certfile = {cert}\nssl_options.keyfile = {key}\n"
        "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n",
    )
    server.tls_port = port
    server.start()
    yield server
    server.signal(signal.SIGCONT)
    server.stop()


@pytest.fixture
def rabbit(broker):
    yield broker
    broker.signal(signal.SIGCONT)


@pytest.fixture
def proxy(rabbit):
    with Proxy(("127.0.0.1", rabbit.port)) as p:
        yield p


@pytest.fixture
def name(request):
    """A queue's name for this test alone."""
    return "test." + "".join(c if c.isalnum() else "-" for c in request.node.name)


def client(rabbit, port=None, **config):
    config = {
        "endpoints": f"127.0.0.1:{port or rabbit.port}",
        "user": rabbit.admin,
        "password": rabbit.password,
        "heartbeat_ms": HEARTBEAT_MS,
        **config,
    }
    return Driver("amqp_driver", *(f"{key}={value}" for key, value in config.items()))


def stats(c):
    c.say("stats")
    return c.until("stats")


def stats_when(c, holds, timeout=60):
    """Asks until `holds(stats)`."""
    end = time.monotonic() + timeout
    while not holds(s := stats(c)):
        assert time.monotonic() < end, s
        time.sleep(0.05)
    return s


def settled(s):
    return s["confirmed"] + s["nacked"] + s["returned"] + s["lost"]


def first_down(rabbit, *words, port=None, **config):
    with client(rabbit, port, **config) as c:
        for line in words:
            c.say(line)
        return c.until("down")


# AMQP by hand, for what the client would not do


def shortstr(s):
    return struct.pack("B", len(s)) + s


def longstr(s):
    return struct.pack(">I", len(s)) + s


def frame(kind, channel, payload):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def method(channel, class_id, method_id, arguments=b""):
    return frame(1, channel, struct.pack(">HH", class_id, method_id) + arguments)
