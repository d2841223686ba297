"""The AMQP client and a RabbitMQ that will not have it: refusing, too old, none at all, behind TLS."""

import socket
import ssl
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from amqp_rig import (  # noqa: E402, F401
    authority,
    broker,
    client,
    first_down,
    longstr,
    method,
    name,
    rabbit,
    shortstr,
    stats_when,
)
from proxy import Proxy  # noqa: E402
from tls import Authority  # noqa: E402


def test_wrong_password(rabbit):
    down = first_down(rabbit, password="wrong")
    assert down["kind"] == "fatal"
    assert f"127.0.0.1:{rabbit.port}" in down["why"] and f"user '{rabbit.admin}'" in down["why"]
    assert "password" in down["why"]


def test_wrong_vhost(rabbit):
    down = first_down(rabbit, vhost="nowhere")
    assert down["kind"] == "fatal"
    assert "vhost 'nowhere'" in down["why"] and f"127.0.0.1:{rabbit.port}" in down["why"]


def test_vhost_without_permission(rabbit):
    rabbit.api("PUT", "/api/users/stranger", {"password": "secret", "tags": ""})
    down = first_down(rabbit, user="stranger", password="secret")
    assert down["kind"] == "fatal" and "vhost '/'" in down["why"] and "'stranger'" in down["why"]


def test_queue_with_other_arguments(rabbit, name):
    with client(rabbit) as c:
        c.say("queue", name, "durable", "max=5")
        c.until("up")
        down = first_down(rabbit, f"queue {name} durable max=6")
        assert down["kind"] == "fatal" and "PRECONDITION_FAILED" in down["why"] and name in down["why"]


def test_missing_queue_of_another_is_waited_for(rabbit, name):
    with client(rabbit) as c:
        c.say("consume", name, 1, "ack")
        down = c.until("down")
        assert down["kind"] == "retry" and "NOT_FOUND" in down["why"]
        with client(rabbit) as other:
            other.say("queue", name, "durable")
            other.until("up")
        c.until("up")


def test_exclusive_queue_is_a_leader_lock(rabbit, name):
    with client(rabbit) as second:
        with client(rabbit) as first:
            first.say("queue", name, "exclusive")
            first.until("up")
            first.say("stats")  # the queue is declared: its answer came before
            assert first.until("stats")["up"]
            second.until("up")
            second.say("queue", name, "exclusive")
            down = second.until("down")
            assert down["kind"] == "busy" and "RESOURCE_LOCKED" in down["why"]
            again = second.until("down")
            assert 0.7 <= (again["at"] - down["at"]) / 1000 <= 2
        since = time.monotonic()
        second.until("up")
        assert time.monotonic() - since < 3


def answering(data):
    """A port where a server says `data` to whoever connects, and listens."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            s.sendall(data)
            threading.Thread(target=lambda c: c.recv(65536) and c.recv(65536), args=(s,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listener


def connection_start(version):
    table = shortstr(b"product") + b"S" + longstr(b"RabbitMQ") + shortstr(b"version") + b"S" + longstr(version)
    return method(0, 10, 10, b"\0\x09" + longstr(table) + longstr(b"PLAIN") + longstr(b"en_US"))


def test_broker_that_is_too_old(rabbit):
    with answering(connection_start(b"3.9.27")) as old:
        down = first_down(rabbit, port=old.getsockname()[1])
    assert down["kind"] == "fatal" and "3.9.27" in down["why"] and "3.10" in down["why"]


def test_what_is_no_broker(rabbit):
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as other:
        assert "does not speak AMQP" in first_down(rabbit, port=other.getsockname()[1])["why"]


# TLS


def tls_config(authority, host="127.0.0.1", port=0, client_cert=None, **more):
    config = {"endpoints": f"{host}:{port}", "tls": 1, "ca": authority.cert, **more}
    if client_cert:
        config["cert"], config["key"] = client_cert
    return config


@pytest.fixture(scope="module")
def client_cert(authority):
    return authority.sign("client")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tls(rabbit, authority, client_cert, name, host):
    with client(rabbit, **tls_config(authority, host, rabbit.tls_port, client_cert)) as c:
        c.say("queue", name, "quorum")
        c.say("consume", name, 10, "ack")
        c.until("up")
        c.say("publish", "-", name, 500, 1000)
        c.say("publish", "-", name, 3, 5000000)
        s = stats_when(c, lambda s: s["unique"] == 503)
        assert (s["confirmed"], s["corrupt"]) == (503, 0)


def test_tls_without_the_client_certificate_that_is_asked_for(rabbit, authority):
    down = first_down(rabbit, **tls_config(authority, port=rabbit.tls_port))
    assert "certificate required" in down["why"] and down["kind"] == "fatal"


def test_tls_with_a_stranger_as_ca(rabbit, tmp_path, client_cert):
    down = first_down(rabbit, **tls_config(Authority(tmp_path, "other"), port=rabbit.tls_port, client_cert=client_cert))
    assert down["kind"] == "fatal" and "certificate" in down["why"]


def ending_tls(rabbit, cert):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*cert)
    return Proxy(("127.0.0.1", rabbit.port), context)


@pytest.mark.parametrize(
    "cert", [{"names": "DNS:elsewhere.example,IP:127.0.0.2"}, {"expired": True}], ids=["host", "expired"]
)
def test_tls_with_a_certificate_that_will_not_do(rabbit, authority, request, cert):
    words = {"host": "mismatch", "expired": "expired"}[request.node.callspec.id]
    with ending_tls(rabbit, authority.sign(f"bad-{words}", **cert)) as proxy:
        down = first_down(rabbit, **tls_config(authority, port=proxy.port))
        assert down["kind"] == "fatal" and words in down["why"]
        if words == "mismatch":
            down = first_down(rabbit, **tls_config(authority, "localhost", proxy.port))
            assert down["kind"] == "fatal" and words in down["why"]
            with client(rabbit, **tls_config(authority, port=proxy.port, verify_host=0)) as c:
                c.until("up")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_1_is_refused(rabbit, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("old"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Proxy(("127.0.0.1", rabbit.port), context) as proxy:
        down = first_down(rabbit, **tls_config(authority, port=proxy.port))
    assert down["kind"] == "fatal" and "TLS" in down["why"]


def test_plain_client_on_the_tls_port(rabbit):
    down = first_down(rabbit, port=rabbit.tls_port)
    assert "TLS port" in down["why"] or "does not speak AMQP" in down["why"]


def test_tls_client_on_the_plain_port(rabbit, authority):
    assert "TLS" in first_down(rabbit, **tls_config(authority, port=rabbit.port))["why"]


@pytest.mark.parametrize(
    "config, words",
    [
        ({"endpoints": "host:port"}, "'port' is no port"),
        ({"endpoints": ""}, "no broker endpoint"),
        ({"tls": 1}, "CA"),
        ({"tls": 1, "ca": "/nonexistent"}, "/nonexistent"),
    ],
)
def test_configuration_that_cannot_be_used(rabbit, config, words):
    c = client(rabbit, **config)
    refused = c.next()
    assert (refused["event"], refused["kind"]) == ("invalid", "invalid") and words in refused["why"]
    assert c.process.wait(10) == 2
