"""og-gateway's files: what a client uploads, lists, reads back and removes; caps, tenants, what goes wrong."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import Gateway, Serving, serving, stub  # noqa: E402, F401
from services import wait_for  # noqa: E402

MIB = 1 << 20
TYPE = "multipart/form-data; boundary=7d1e9"


@pytest.fixture(scope="module")
def gateway(serving):  # noqa: F811
    serving.start_store()
    return serving.begin("gateway.file_max=40MiB", "gateway.files_max=100MiB")


def form(content, name="in.jsonl", **fields):
    parts = b"".join(
        f'--7d1e9\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields.items()
    )
    head = f'--7d1e9\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    return parts + head + content + b"\r\n--7d1e9--\r\n"


def upload(gateway, content, name="in.jsonl", **fields):
    fields = fields or {"purpose": "batch"}
    return gateway.post("/v1/files", form(content, name, **fields), headers={"content-type": TYPE})


def test_a_file_comes_back_as_it_went(serving, gateway):
    content = os.urandom(3 * MIB) + b"\r\n--7d1e-\r\n"
    answer = upload(gateway, content, "ü name.bin")
    made = answer.json
    assert answer.status == 200, answer.body
    assert made["object"] == "file" and made["purpose"] == "batch"
    assert made["bytes"] == len(content) and made["filename"] == "ü name.bin"
    other = serving.gateway("second", "gateway.loopback_without_key=yes")
    assert other.get(f"/v1/files/{made['id']}").json == made
    got = other.get(f"/v1/files/{made['id']}/content")
    assert got.body == content and got.headers["content-length"] == str(len(content))
    assert not [f for f in os.listdir(serving.root / "files") if f.endswith(".part")]


def test_they_are_listed_newest_first(gateway):
    ids = [upload(gateway, b"x", purpose="listed").json["id"] for _ in range(3)]
    page = gateway.get("/v1/files?limit=2&purpose=listed").json
    assert [f["id"] for f in page["data"]] == ids[:0:-1] and page["has_more"] is True
    after = gateway.get(f"/v1/files?limit=1&after={page['last_id']}").json
    assert [f["id"] for f in after["data"]] == ids[:1]
    assert [f["id"] for f in gateway.get("/v1/files?purpose=listed&order=asc").json["data"]] == ids
    assert gateway.get("/v1/files?limit=0").status == 400


def test_those_of_a_purpose_are_found_behind_many_others(gateway):
    wanted = [upload(gateway, b"x", purpose="rare").json["id"] for _ in range(3)]
    for _ in range(5):
        upload(gateway, b"x", purpose="common")
    page = gateway.get("/v1/files?limit=2&purpose=rare").json
    assert [f["id"] for f in page["data"]] == wanted[:0:-1] and page["has_more"] is True
    rest = gateway.get(f"/v1/files?limit=2&purpose=rare&after={page['last_id']}").json
    assert [f["id"] for f in rest["data"]] == wanted[:1] and rest["has_more"] is False
    assert gateway.get("/v1/files?limit=2&purpose=none").json["data"] == []


def test_a_removed_one_is_gone(serving, gateway):
    made = upload(gateway, b"gone").json["id"]
    assert gateway.request("DELETE", f"/v1/files/{made}").json == {"id": made, "object": "file", "deleted": True}
    assert gateway.get(f"/v1/files/{made}").status == gateway.get(f"/v1/files/{made}/content").status == 404
    assert gateway.request("DELETE", f"/v1/files/{made}").status == 404
    assert not (serving.root / "files" / made).exists()


def test_a_path_is_no_id(gateway):
    assert gateway.get("/v1/files/..%2F..%2Fconfig.ini/content").status == 404
    assert gateway.request("DELETE", "/v1/files/..%2Fconfig.ini").status == 404


def test_what_is_wrong_is_named(serving, gateway):
    assert upload(gateway, b"x", other="y").json["error"]["param"] == "purpose"
    refused = gateway.post("/v1/files", b"--7d1e9--\r\n", headers={"content-type": TYPE})
    assert refused.status == 400 and refused.json["error"]["param"] == "file"
    assert gateway.post("/v1/files", {"purpose": "batch"}).status == 400
    assert upload(gateway, b"x" * (41 * MIB)).status == 413
    wait_for("what was refused to be gone", lambda: not [f for f in os.listdir(serving.root / "files") if f.endswith(".part")])


@pytest.mark.parametrize("said", ['Content-Disposition: form-data', 'X-Nothing: 1', 'Content-Disposition: form-data; filename="x"'])
def test_a_part_without_a_name_is_nobodys(gateway, said):
    body = f"--7d1e9\r\n{said}\r\n\r\nstray\r\n".encode() + form(b"content", purpose="batch")
    made = gateway.post("/v1/files", body, headers={"content-type": TYPE})
    assert made.status in (200, 400)
    if made.status == 200:
        assert gateway.get(f"/v1/files/{made.json['id']}/content").body == b"content"
    assert gateway.get("/healthz").status == 200


@pytest.mark.parametrize("boundary", ["", '"', '""', '"x', "x" * 20000, ";"])
def test_a_strange_boundary_is_no_form(gateway, boundary):
    refused = gateway.post("/v1/files", b"--x\r\n", headers={"content-type": f"multipart/form-data; boundary={boundary[:9000]}"})
    assert refused.status == 400, refused.body
    assert gateway.get("/healthz").status == 200


def test_a_form_may_come_byte_by_byte(gateway):
    body = form(b"x", purpose="batch", **{"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"})
    head = f"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(head.encode())
        for i in range(len(body)):
            s.sendall(body[i : i + 1])
        answer = s.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 ") and b'"expires_at"' in answer, answer


def test_all_files_together_are_bounded(gateway):
    before = len(gateway.get("/v1/files?limit=1000").json["data"])
    made = [upload(gateway, b"x" * (35 * MIB)) for _ in range(3)]
    assert [a.status for a in made] == [200, 200, 413]
    assert "35MiB: all files together may have 100MiB (gateway.files_max)" in made[2].json["error"]["message"]
    assert len(gateway.get("/v1/files?limit=1000").json["data"]) == before + 2
    for a in made[:2]:
        gateway.request("DELETE", f"/v1/files/{a.json['id']}")
    assert upload(gateway, b"x" * (35 * MIB)).status == 200


def test_memory_stays_small(serving, gateway):
    def peak():
        status = Path(f"/proc/{gateway.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])

    before = peak()
    path = serving.root / "large"
    path.write_bytes(b"y" * (39 * MIB))
    done = subprocess.run(
        ["curl", "-s", "-F", "purpose=batch", "-F", f"file=@{path}", gateway.url + "/v1/files"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert '"bytes":40894464' in done.stdout.replace(" ", "") and peak() - before < 10 * 1024


def test_a_tenant_sees_its_own(serving, gateway):
    one, two = (gateway.control("keys_create", name=t, tenant=t)["secret"] for t in ("t1", "t2"))
    made = gateway.post("/v1/files", form(b"secret", purpose="batch"), headers={"content-type": TYPE, "authorization": f"Bearer {one}"})
    path = f"/v1/files/{made.json['id']}"
    mine, theirs = ({"authorization": f"Bearer {key}"} for key in (one, two))
    assert gateway.get(path, headers=mine).status == 200
    for suffix in ("", "/content"):
        assert gateway.get(path + suffix, headers=theirs).status == 404
    assert gateway.request("DELETE", path, headers=theirs).status == 404
    assert gateway.get("/v1/files", headers=theirs).json["data"] == []


def test_without_a_key_nothing_is_written(serving, gateway):
    locked = serving.gateway("locked")
    assert upload(locked, b"x" * MIB).status == 401
    serving.store.kill()
    try:
        wait_for("the gateway to notice", lambda: gateway.control()["gateway"]["store"] is False, 10)
        assert upload(gateway, b"x").status == 503
    finally:
        serving.start_store()
    wait_for("the store", lambda: upload(gateway, b"x").status == 200)
    assert len(os.listdir(serving.root / "files")) == len(gateway.get("/v1/files?limit=1000").json["data"]) + 1


def sent(gateway, path, body, content_type="application/json"):
    s = socket.create_connection(("127.0.0.1", gateway.port))
    s.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return s


def test_a_gateway_that_stops_waits_for_its_threads_without_its_store(serving, gateway):
    """What is synced and looked up there comes back when the store is closed: behind bodies that take one thread seconds to parse."""
    g = Gateway(
        serving.root, "threads", "gateway.loopback_without_key=yes", "gateway.drain=0s", environment={**serving.fleet.environment, "UV_THREADPOOL_SIZE": "1"}
    )
    serving.gateways.append(g.start())
    under_way = [sent(g, "/v1/chat/completions", b'{"x":[' + b"1," * 999_000 + b"1]}") for _ in range(4)]
    wait_for("the bodies", lambda: g.control()["gateway"]["requests"] == 4, 20)
    under_way.append(sent(g, "/v1/files", form(b"x", purpose="batch"), TYPE))
    under_way.append(sent(g, "/api/v1/webhooks", b'{"url":"http://8.8.8.8/"}'))
    wait_for("the others", lambda: g.control()["gateway"]["requests"] == 6, 20)
    g.process.send_signal(signal.SIGTERM)
    assert g.process.wait(60) == 0, g.text()[-3000:]
    for s in under_way:
        with s:
            assert s.recv(100) == b"", "it was cut before its answer"
