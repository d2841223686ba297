"""/api/v1 with keys: a tenant sees its own jobs alone, an administrator all; what only an administrator may order; nodes and the store."""

import os
import sys
import uuid
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import MODEL, Serving, ask, stub, stub_text  # noqa: E402, F401
from services import wait_for  # noqa: E402
from test_gateway_files import TYPE, form  # noqa: E402

V1 = "/api/v1"


@pytest.fixture(scope="module")
def rig(tmp_path_factory, stub):  # noqa: F811
    serving = Serving(tmp_path_factory.mktemp("gt") / "r", f"gt-{os.getpid()}", stub)
    yield serving.begin_with_keys()
    serving.close()


def key_of(rig, tenant, **more):
    made = rig.one.post(f"{V1}/keys", {"name": f"of {tenant}", "tenant": tenant, **more})
    assert made.status == 201, made.body
    return {"authorization": f"Bearer {made.json['secret']}"}


def test_a_tenant_sees_its_own_jobs_alone(rig):
    g, red, blue = rig.one, key_of(rig, "red"), key_of(rig, "blue")
    job = g.post(f"{V1}/jobs", ask(stub_text(tokens=200, pace_ms=50)), headers=red).json["id"]
    for path in ("", "/result", "/events", "/result?wait=1s"):
        refused = g.get(f"{V1}/jobs/{job}{path}", headers=blue)
        assert (refused.status, refused.json["error"]["type"]) == (404, "not_found"), path
    assert g.request("DELETE", f"{V1}/jobs/{job}", headers=blue).status == 404
    assert g.post(f"{V1}/jobs/{job}/cancel", b"", headers=blue).status == 404
    assert g.get(f"{V1}/jobs?tenant=red", headers=blue).json == {"jobs": []}
    for who in (red, None):
        assert g.get(f"{V1}/jobs/{job}", headers=who).json["tenant"] == "red"
        wait_for("it in the list", lambda: job in [j["id"] for j in g.get(f"{V1}/jobs", headers=who).json["jobs"]])  # noqa: B023
    assert g.post(f"{V1}/jobs/{job}/cancel", b"", headers=red).status == 200
    assert g.get(f"{V1}/jobs/{job}/result?wait=20s", headers=red).json["state"] == "cancelled"


def test_scopes_and_usage_count_here_too(rig):
    g, huge = rig.one, key_of(rig, "scoped", models=["Huge"])
    refused = g.post(f"{V1}/jobs", ask("x"), headers=huge)
    assert (refused.status, refused.json["error"]["type"]) == (403, "model_not_allowed")
    green = key_of(rig, "green")
    job = g.post(f"{V1}/jobs", ask(stub_text(tokens=3)), headers=green).json["id"]
    assert g.get(f"{V1}/jobs/{job}/result?wait=20s", headers=green).json["state"] == "done"

    def used():
        return g.get(f"{V1}/usage?tenant=green&by=tenant").json["usage"]

    wait_for("its bill", lambda: used() and used()[0]["completion_tokens"] == 3)


def test_a_key_sees_the_models_that_are_its_own(rig):
    g, huge, smol = rig.one, key_of(rig, "huge", models=["Huge"]), key_of(rig, "smol", models=["smol"])

    def listed(who, query=""):
        return [m["id"] for m in g.get("/v1/models" + query, headers=who).json["data"]]

    assert listed(huge) == [] and listed(huge, "?all=1") == ["Huge"]
    assert listed(smol) == listed(smol, "?all=1") == [MODEL, "smol"]
    assert listed(None, "?all=1") == [MODEL, "smol", "Huge"]
    for path, smols in (("/api/tags", [f"{MODEL}:latest", "smol:latest"]), ("/api/ps", [f"{MODEL}:latest"])):
        assert [[m["name"] for m in g.get(path, headers=who).json["models"]] for who in (huge, smol)] == [[], smols]
    for who, own, other in ((huge, "Huge", "smol:latest"), (smol, "smol:latest", "Huge")):
        assert [g.get(f"/v1/models/{m}", headers=who).status for m in (own, other)] == [200, 404]
        assert [g.post("/api/show", {"model": m}, headers=who).status for m in (own, other)] == [200, 404]
        assert g.post("/api/chat", {"model": other}, headers=who).status == 404, "as if to load it"
        assert g.post("/api/pull", {"model": other}, headers=who).status == 404


def test_only_an_administrator_orders(rig):
    g, plain = rig.one, key_of(rig, "plain")
    node = g.get(f"{V1}/nodes", headers=plain).json["nodes"][0]
    orders = [("POST", f"/tiers/{MODEL}/pause"), ("POST", f"/nodes/{node['id']}/drain"), ("GET", "/keys"), ("GET", "/usage"), ("GET", "/tenants")]
    for method, path in orders:
        assert g.request(method, V1 + path, b"" if method == "POST" else None, headers=plain).json["error"]["type"] == "not_allowed", path
    assert g.post(f"{V1}/tiers/smol/pause", b"").json == {"tier": MODEL, "paused": True}
    assert [t["paused"] for t in g.get(f"{V1}/queues", headers=plain).json["tiers"] if t["id"] == MODEL] == [True]
    assert g.post(f"{V1}/tiers/smol/resume", b"").json["paused"] is False
    assert g.get(f"{V1}/tiers/smol", headers=plain).json["id"] == MODEL and g.get(f"{V1}/tiers/none").status == 404
    assert g.post(f"{V1}/nodes/{node['name']}/drain", b"").json["nodes"] == [{"id": node["id"], "name": node["name"]}]
    wait_for("its order", lambda: g.post(f"{V1}/nodes/{node['id']}/heartbeat", b"", headers=plain).json["orders"] == ["drain"])
    assert g.post(f"{V1}/nodes/{node['name']}/undrain", b"").status == 200
    wait_for("no order", lambda: g.post(f"{V1}/nodes/{node['id']}/heartbeat", b"").json["orders"] == [])


def test_a_node_is_in_or_hears_how_it_gets_in(rig):
    g = rig.one
    node = g.get(f"{V1}/nodes").json["nodes"][0]
    assert g.post(f"{V1}/nodes/register", {"id": node["id"]}).json["node"]["name"] == node["name"]
    refused = g.post(f"{V1}/nodes/register", {"id": str(uuid.uuid4())})
    assert refused.status == 403 and refused.json["error"]["type"] == "invite_needed" and "accept" in refused.json["error"]["message"]
    assert g.post(f"{V1}/nodes/register", {}).status == 400
    assert g.post(f"{V1}/nodes/none/heartbeat", b"").status == 404 == g.get(f"{V1}/nodes/none").status


def test_dead_letters(rig):
    g, red, blue = rig.one, key_of(rig, "red"), key_of(rig, "blue")
    none = str(uuid.uuid4())
    assert g.get(f"{V1}/dead", headers=red).json == {"dead": [], "total": 0}
    for method, path in (("GET", none), ("DELETE", none), ("POST", f"{none}/requeue")):
        assert g.request(method, f"{V1}/dead/{path}", b"" if method == "POST" else None, headers=blue).status == 404
    assert g.post(f"{V1}/dead/drop?older=1h", b"", headers=red).json["dropped"] == 0
    assert g.get(f"{V1}/dead?limit=0").status == g.get(f"{V1}/dead?older=x").status == 400


def test_who_is_given_a_removed_tenants_name_finds_nothing_of_it(rig):
    g, made = rig.one, []
    for name in ("phoenix", "neighbour"):
        key = g.post(f"{V1}/keys", {"name": "k", "tenant": name}).json
        headers = {"authorization": f"Bearer {key['secret']}"}
        file = g.post("/v1/files", form(b"old", purpose="user_data"), headers={"content-type": TYPE, **headers})
        assert file.status == 200, file.body
        hook = g.post(f"{V1}/webhooks", {"url": "https://1.1.1.1/"}, headers=headers)
        assert hook.status == 201, hook.body
        response = g.post("/v1/responses", {"model": MODEL, "input": stub_text(tokens=1)}, headers=headers)
        assert response.status == 200, response.body
        made.append((key, [f"/v1/files/{file.json['id']}", f"{V1}/webhooks/{hook.json['id']}", f"/v1/responses/{response.json['id']}"]))
    (key, old), (_, others) = made
    assert g.request("DELETE", f"{V1}/tenants/phoenix").status == 409
    assert [g.get(path, headers={"authorization": f"Bearer {key['secret']}"}).status for path in old] == [200] * 3, "it has a key still"
    assert g.request("DELETE", f"{V1}/keys/{key['id']}").status == 200
    assert g.request("DELETE", f"{V1}/tenants/phoenix").status == 200
    assert g.request("DELETE", f"{V1}/tenants/phoenix").status == 409, "it is gone"
    again = key_of(rig, "phoenix")
    assert [g.get(path, headers=again).status for path in old] == [404] * 3
    assert [g.get(path, headers=again).json["data"] for path in ("/v1/files", f"{V1}/webhooks")] == [[], []]
    theirs = {"authorization": f"Bearer {made[1][0]['secret']}"}
    assert [g.get(path, headers=theirs).status for path in others] == [200] * 3


def test_keys_and_tenants(rig):
    g = rig.one
    made = g.post(f"{V1}/keys", {"name": "k", "tenant": "teal", "running": 2}).json
    assert made["id"] in [k["id"] for k in g.get(f"{V1}/keys?tenant=teal").json["keys"]]
    at = f"{V1}/keys/{made['id']}"
    changed = g.request("PATCH", at, {"running": 5, "models": [MODEL]})
    assert changed.status == 200 and (changed.json["key"]["running"], changed.json["key"]["models"]) == (5, [MODEL]), changed.body
    assert g.request("PATCH", at, {"admin": True}).status == 400 == g.request("PATCH", at, {"running": "5"}).status
    assert g.request("PATCH", f"{V1}/keys/{'0' * 12}", {"running": 5}).status == 404
    assert g.request("PATCH", at, {"running": 1}, headers=key_of(rig, "teal")).status == 403
    assert g.post(f"{V1}/keys/{made['id']}/rotate", b"").json["secret"] != made["secret"]
    assert g.request("PUT", f"{V1}/tenants/teal", {"weight": 3}).json["tenant"]["weight"] == 3
    assert g.request("DELETE", f"{V1}/tenants/teal").json["error"]["type"] == "conflict"
    assert g.request("DELETE", f"{V1}/keys/{made['id']}").status == 200
    assert g.request("DELETE", f"{V1}/keys/{'0' * 12}").status == 404 == g.get(f"{V1}/tenants/nobody").status
    assert g.post(f"{V1}/keys", {"tenant": "x"}).status == 400
