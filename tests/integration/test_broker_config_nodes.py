"""og-broker-config invite, join and revoke against a real RabbitMQ: nodes on other hosts."""

import sys
import time
from pathlib import Path

import pika
import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from cluster import Cluster, logs_in  # noqa: E402
from services import api  # noqa: E402
from test_broker_config import cluster, mode  # noqa: E402, F401


def invite(cluster, node):
    out, _ = cluster.run("invite", node, "--endpoints", "broker.example:5672")
    assert out.startswith(f"og://broker.example:5672/{cluster.name}?worker=worker-{node.lower()}:")
    assert out.count("\n") == 1
    return out.strip()


def test_a_node_joins(cluster, tmp_path):
    cluster.run("apply")
    line = invite(cluster, "NodeB")
    there = Cluster(tmp_path / "there", "somewhere-else")
    (there.root / "config.ini").write_text("# my own\n[node]\nname = NodeB ; it is\n\n[broker]\nheartbeat = 7s\n")
    out, _ = there.run("accept", line)
    assert out == f"joined {cluster.name} at broker.example:5672\n"
    assert (there.root / "config.ini").read_text() == (
        "# my own\n[node]\nname = NodeB ; it is\n\n"
        "[broker]\nheartbeat = 7s\nendpoints = broker.example:5672\ntls = no\n\n"
        f"[cluster]\nid = {cluster.name}\n"
    )
    for role in ("worker", "producer"):
        assert mode(there.root / "secrets" / f"{role}.credentials") == 0o600
        user, password = there.credentials(role)
        assert user == f"{role}-nodeb"
        assert logs_in(cluster, user, password)
    assert cluster.run("check") == ("", "")
    # The same line again changes nothing.
    before = (there.root / "config.ini").read_text()
    there.run("accept", line)
    assert (there.root / "config.ini").read_text() == before


def test_an_invited_node_gets_the_permissions_of_this_version(cluster):
    cluster.run("apply")
    invite(cluster, "nodeb")
    path = f"/api/permissions/{cluster.name}/worker-nodeb"
    right = api("GET", path)
    api("PUT", path, {"configure": ".*", "write": ".*", "read": ".*"})
    cluster.run("check", expect=1)
    cluster.run("apply")
    assert api("GET", path) == right
    assert cluster.run("check") == ("", "")


def test_a_second_invitation_voids_the_first(cluster):
    cluster.run("apply")
    first, second = invite(cluster, "nodeb"), invite(cluster, "nodeb")
    assert first != second
    _, err = cluster.run("invite", "nodeb", "--endpoints", "x:1")
    assert "was invited before" in err
    password = first.split("worker=worker-nodeb:")[1].split("&")[0]
    assert not logs_in(cluster, "worker-nodeb", password)


def test_a_revoked_node_is_out_at_once(cluster, tmp_path):
    cluster.run("apply")
    there = Cluster(tmp_path / "there", "x")
    there.run("accept", invite(cluster, "nodeb"))
    open_connection = cluster.connect(*there.credentials("worker"))
    cluster.run("revoke", "nodeb")
    end = time.monotonic() + 10
    with pytest.raises(pika.exceptions.AMQPError):
        while time.monotonic() < end:
            open_connection.process_data_events(0.1)
    for role in ("worker", "producer"):
        assert not logs_in(cluster, *there.credentials(role))
    assert cluster.run("check") == ("", "")
    _, err = cluster.run("revoke", "nodeb", expect=3)
    assert "no node 'nodeb' was invited" in err


def test_names_that_cannot_be(cluster):
    cluster.run("apply")
    for name in ("a b", "ä", "local", "Local", "a_b", "x" * 70, ""):
        cluster.run("invite", name, "--endpoints", "h:1", expect=3)
    assert {u["name"] for u in api("GET", "/api/users")}.isdisjoint({"worker-a b", "worker-a_b"})


def test_an_invitation_to_a_cluster_that_is_not_there(cluster):
    _, err = cluster.run("invite", "nodeb", "--endpoints", "h:1", expect=3)
    assert "run og-broker-config apply" in err


def test_an_address_that_only_this_host_sees_is_warned_of(cluster):
    cluster.run("apply")
    _, err = cluster.run("invite", "nodeb")
    assert "--endpoints" in err


def test_a_damaged_join_string(cluster):
    for line in ("og://h:1", "http://x", "og://h:1/c?worker=worker-a:b"):
        _, err = cluster.run("accept", line, expect=3)
        assert "this is no join string" in err


def test_a_join_string_of_a_broker_with_tls_needs_its_authority(cluster, tmp_path):
    line = "og://h:5671/c?worker=worker-a:b&producer=producer-a:b&tls=1"
    there = Cluster(tmp_path / "there", "x")
    _, err = there.run("accept", line, expect=3)
    assert "--ca FILE" in err
    there.run("accept", line, "--ca", "/etc/ca.pem")
    text = (there.root / "config.ini").read_text()
    assert "tls = yes\n" in text and "ca = /etc/ca.pem\n" in text
