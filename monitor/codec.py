"""RawArticle <-> bytes on the log, versioned. Pure.

A message is one version byte and a JSON object: readable with any Kafka tool, strict when decoded. Its key is what
will be the article's identity (URL, else source and the source's id), so that copies of one id keep their order while
one busy source still spreads over all partitions.
"""

from __future__ import annotations

import msgspec

from monitor.broker.protocol import Outgoing
from monitor.types import RawArticle, Rejected

VERSION = 1
EARLIEST_YEAR, LATEST_YEAR = 1971, 9998
"""A day more or less stays within what every program on the way can hold; no news is older."""

_encoder = msgspec.json.Encoder()
LARGEST = 900_000
"""Bytes of a message: Kafka takes no batch above 1 MiB."""
LONGEST_NAME = 8_000
"""Characters kept of what is no body where a message is too large; of a longer address none could be asked for."""
_decoder = msgspec.json.Decoder(RawArticle)


def encode(raw: RawArticle) -> Outgoing:
    """Whatever the text holds can be stored: a lone surrogate, which UTF-8 cannot carry, becomes U+FFFD.

    What would make a message of more than LARGEST bytes is cut: the log would refuse it, and all that comes with it.
    """
    message = _encode(raw)
    if len(message.value) + len(message.key) <= LARGEST:
        return message
    names = {
        name: value[:LONGEST_NAME] for name, value in msgspec.structs.asdict(raw).items() if isinstance(value, str)
    }
    body = raw.body
    while len(message.value) + len(message.key) > LARGEST:
        body = body[: len(body) // 2]
        message = _encode(msgspec.structs.replace(raw, **{**names, "body": body}))
    return message


def _encode(raw: RawArticle) -> Outgoing:
    identity = raw.url or f"{raw.source}\n{raw.source_id}"
    try:
        value = _encoder.encode(raw)
    except UnicodeEncodeError:
        value = _encoder.encode(_without_surrogates(raw))
    return Outgoing(identity.encode("utf-8", "replace"), bytes([VERSION]) + value)


def decode(value: bytes) -> RawArticle | Rejected:
    """The article, or why this message never becomes one."""
    if not value:
        return Rejected("empty message")
    if value[0] != VERSION:
        return Rejected(f"unknown message version {value[0]}; this worker reads {VERSION}: upgrade it and retry")
    try:
        raw = _decoder.decode(memoryview(value)[1:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # the last of brackets within brackets
        return Rejected(f"malformed message: {error}")
    times = [time for time in (raw.seen, raw.counted_at, raw.published) if time is not None]
    if any(time.tzinfo is None for time in times):
        return Rejected("malformed message: a time names no zone")
    if not all(EARLIEST_YEAR <= time.year <= LATEST_YEAR for time in times):
        return Rejected(f"malformed message: a time outside the years {EARLIEST_YEAR} to {LATEST_YEAR}")
    return raw


def _without_surrogates(raw: RawArticle) -> RawArticle:
    changed = {
        name: value.encode("utf-8", "replace").decode("utf-8")
        for name, value in msgspec.structs.asdict(raw).items()
        if isinstance(value, str)
    }
    return msgspec.structs.replace(raw, **changed)
