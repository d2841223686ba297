"""Ollama's client for Node, as it is; its cases are in node/ollama.mjs."""

import pytest
from rig import case, node

CLIENT = "ollama-node"


@pytest.mark.parametrize(
    "name",
    [
        case("chat", "/api/chat", "whole", "options"),
        case("chat_streamed", "/api/chat", "stream"),
        case("format", "/api/chat", "format"),
        case("generate", "/api/generate", "whole", "stream"),
        case("lists", "/api/tags, /api/show, /api/ps, /api/version", "list", "show", "ps"),
        case("unknown_model", "any", "404 unknown model"),
        case("leaves", "any", "client leaves in mid-stream", by_stub=True),
    ],
)
def test_ollama(network, name):
    node("ollama.mjs", name, OG_URL=network.url, OG_STUB=network.stub.url)
