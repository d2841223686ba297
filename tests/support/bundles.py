"""Several messages in one (docs/PROTOCOL.md, Bundles)."""

import struct

import pika


def opened(body):
    """The properties and body of each part."""
    while body:
        size, length = struct.unpack_from(">II", body)
        yield pika.BasicProperties().decode(body[8 : 8 + size]), body[8 + size : 8 + size + length]
        body = body[8 + size + length :]


def parts(properties, body):
    """The same of any message: itself, where it is no bundle."""
    return list(opened(body)) if properties.type == "bundle" else [(properties, body)]
