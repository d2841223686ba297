"""og-gateway's files go by themselves: what was said at their upload, what a batch says of its output, what the setting says; and
what a gateway that died left: half written, or without a record."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import ask, serving, stub, stub_text  # noqa: E402, F401
from services import wait_for  # noqa: E402
from test_gateway_batches import CHAT, line, lines_of, start, wait_batch  # noqa: E402
from test_gateway_files import TYPE, upload  # noqa: E402

KEEP_S = 6
SOON = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "2"}


@pytest.fixture(scope="module")
def gateway(serving):  # noqa: F811
    serving.start_store()
    return serving.begin(f"gateway.files_keep={KEEP_S}s", "gateway.files_max=40MiB")


def wait_gone(serving, gateway, file):  # noqa: F811
    assert file["expires_at"] > file["created_at"]
    wait_for(f"{file['id']} to expire", lambda: gateway.get(f"/v1/files/{file['id']}").status == 404, 30)
    assert time.time() >= file["expires_at"], "not before its time"
    assert not (serving.root / "files" / file["id"]).exists()
    assert gateway.get(f"/v1/files/{file['id']}/content").status == 404
    assert file["id"] not in {f["id"] for f in gateway.get("/v1/files").json["data"]}


def test_an_upload_says_how_long_it_stays(serving, gateway):
    made = upload(gateway, b"short", purpose="user_data", **SOON).json
    assert made["expires_at"] == made["created_at"] + 2
    assert gateway.get(f"/v1/files/{made['id']}").json == made
    stays = upload(gateway, b"stays", purpose="user_data").json
    assert "expires_at" not in stays
    wait_gone(serving, gateway, made)
    assert gateway.get(f"/v1/files/{stays['id']}/content").body == b"stays"


def test_what_is_wrong_is_named(gateway):
    for wrong in ({"expires_after[anchor]": "last_used", "expires_after[seconds]": "60"}, {"expires_after[seconds]": "60"}):
        refused = upload(gateway, b"x", purpose="batch", **wrong)
        assert (refused.status, refused.json["error"]["param"]) == (400, "expires_after"), refused.body
    wanted = {"input_file_id": "file-none", "endpoint": "/v1/chat/completions", "output_expires_after": {"seconds": 0}}
    refused = gateway.post("/v1/batches", wanted)
    assert (refused.status, refused.json["error"]["param"]) == (400, "output_expires_after")


def test_the_files_of_a_batch_go_as_the_setting_says(serving, gateway):
    made = start(gateway, [line("a", ask(stub_text(tokens=1))), "{"])
    source = gateway.get(f"/v1/files/{made['input_file_id']}").json
    assert source["expires_at"] == source["created_at"] + KEEP_S
    done = wait_batch(gateway, made, "completed")
    files = [gateway.get(f"/v1/files/{done[name]}").json for name in ("output_file_id", "error_file_id")]
    assert all(f["expires_at"] == f["created_at"] + KEEP_S for f in files)
    for file in (source, *files):
        wait_gone(serving, gateway, file)


def test_a_batch_says_how_long_its_output_stays(serving, gateway):
    keep = {"anchor": "created_at", "seconds": 3600}
    done = wait_batch(gateway, start(gateway, [line("a", ask(stub_text(tokens=1)))], output_expires_after=keep), "completed")
    file = gateway.get(f"/v1/files/{done['output_file_id']}").json
    assert file["expires_at"] == file["created_at"] + 3600


def test_room_is_free_again(serving, gateway):
    mib = 1 << 20
    made = upload(gateway, b"x" * (30 * mib), purpose="user_data", **SOON).json
    wait_gone(serving, gateway, made)
    again = upload(gateway, b"x" * (30 * mib), purpose="user_data")
    assert again.status == 200, again.body
    assert gateway.request("DELETE", f"/v1/files/{again.json['id']}").status == 200


def test_what_a_batch_puts_out_is_kept_where_there_is_no_room(gateway):
    """It was asked for while there was, and is paid; what counts for it is room for nothing else."""
    source = upload(gateway, (line("a", ask(stub_text(tokens=100))) + "\n").encode()).json
    used = sum(f["bytes"] for f in gateway.get("/v1/files").json["data"])
    rest = upload(gateway, b"x" * (40 * (1 << 20) - used), purpose="user_data").json
    done = wait_batch(gateway, gateway.post("/v1/batches", {"input_file_id": source["id"], "endpoint": CHAT}).json, "completed")
    assert [a["custom_id"] for a in lines_of(gateway, done["output_file_id"])] == ["a"]
    assert upload(gateway, b"x").status == 413
    assert gateway.request("DELETE", f"/v1/files/{rest['id']}").status == 200
    assert upload(gateway, b"x").status == 200


def parts(serving):  # noqa: F811
    return {p.name: p for p in (serving.root / "files").glob("*.part")}


def test_what_a_dead_gateway_left_is_swept(serving, gateway):
    """An upload that its gateway died in, and one between the file's name and its record; one that is being written stays, and so do
    files that are known, or young."""
    doomed = serving.gateway("doomed", "gateway.loopback_without_key=yes")
    with socket.create_connection(("127.0.0.1", doomed.port)) as s:
        head = f"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: {TYPE}\r\nContent-Length: 1000000\r\n\r\n"
        s.sendall(head.encode() + b'--7d1e9\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + b"x" * 100000)
        wait_for("it to be written", lambda: any(p.stat().st_size for p in parts(serving).values()))
        doomed.end(signal.SIGKILL, 5)
    (left,) = parts(serving).values()
    fresh = left.with_name("fresh.part")
    fresh.write_bytes(b"x")
    hours_ago = time.time() - 2 * 3600
    os.utime(left, (hours_ago, hours_ago))
    known = upload(gateway, b"known", purpose="user_data").json["id"]
    stray, young = (left.with_name(f"file-{digit * 32}") for digit in "0f")
    days_ago = time.time() - 2 * 86400
    for path in (stray, young):
        path.write_bytes(b"x")
    for path in (stray, left.with_name(known)):
        os.utime(path, (days_ago, days_ago))
    serving.gateway("sweeper")
    wait_for("both to be swept", lambda: not left.exists() and not stray.exists(), 20)
    assert fresh.exists() and young.exists() and gateway.get(f"/v1/files/{known}/content").body == b"known"
    fresh.unlink()
    young.unlink()


def test_what_a_batch_writes_is_no_leftover(serving, gateway):
    made = start(gateway, [line("a", ask(stub_text(tokens=100, pace_ms=80)))])
    wait_for("it to be written", lambda: len(parts(serving)) == 2)
    hours_ago = time.time() - 2 * 3600
    for path in parts(serving).values():
        os.utime(path, (hours_ago, hours_ago))
    wait_for("they to be touched", lambda: all(p.stat().st_mtime > hours_ago + 3600 for p in parts(serving).values()), 20)
    assert wait_batch(gateway, made, "completed")["request_counts"]["completed"] == 1
