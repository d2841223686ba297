"""OpenAI's SDK for Node, as it is; its cases are in node/openai.mjs."""

import pytest
from rig import case, node

CLIENT = "openai-node"
CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    "name",
    [
        case("whole", CHAT, "whole", "max_tokens", "system_fingerprint"),
        case("stream", CHAT, "stream"),
        case("stream_usage", CHAT, "stream_options.include_usage"),
        case("max_completion_tokens", CHAT, "max_completion_tokens"),
        case("stop", CHAT, "stop"),
        case("n", CHAT, "n"),
        case("logprobs", CHAT, "logprobs, top_logprobs"),
        case("json_schema", CHAT, "response_format json_schema"),
        case("completions", "/v1/completions", "whole", "stream"),
        case("embeddings", "/v1/embeddings", "one text", "several texts", "encoding_format base64"),
        case("tools", CHAT, "tools", "tools, streamed", by_stub=True),
        case("responses", "/v1/responses", "whole", "stream"),
        case("files", "/v1/files", "create, retrieve, content, delete", "list, page by page", "expires_after"),
        case("batches", "/v1/batches", "create, retrieve, output", "list, page by page"),
        case("batch_cancelled", "/v1/batches", "cancel", by_stub=True),
        case("models", "/v1/models", "list", "retrieve"),
        case("unknown_model", "any", "404 unknown model"),
        case("bad_request", "any", "400"),
        case("without_a_key", "any", "401"),
        case("request_id", "any", "request id"),
        case("broken_stream", "any", "error in mid-stream", by_stub=True),
        case("gives_up", "any", "client time-out", by_stub=True),
        case("leaves", "any", "client leaves in mid-stream", by_stub=True),
    ],
)
def test_openai(network, name):
    node("openai.mjs", name, OG_URL=network.url, OG_LOCKED_URL=network.locked_url, OG_STUB=network.stub.url)
