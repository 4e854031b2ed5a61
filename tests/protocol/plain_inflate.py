"""A slow and simple reader of DEFLATE (RFC 1951), bit by bit, and of messages (RFC 7692).

It shares nothing with zlib, so it can tell what a compressed message is, or that it is none.
"""

from __future__ import annotations

from typing import NamedTuple

TAIL = b"\x00\x00\xff\xff"

_LENGTHS = [*range(3, 11), *range(11, 19, 2), *range(19, 35, 4), *range(35, 67, 8),
            *range(67, 131, 16), *range(131, 258, 32), 258]  # fmt: skip
_LENGTH_BITS = [0] * 8 + [bits for bits in range(1, 6) for _ in range(4)] + [0]
_DISTANCE_BITS = [0, 0, 0, 0, *(bits for bits in range(1, 14) for _ in range(2))]
_DISTANCES = [1 + sum(1 << bits for bits in _DISTANCE_BITS[:code]) for code in range(30)]
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


class Invalid(Exception):
    """Bytes that are not valid DEFLATE."""


class _NeedsMore(Exception):
    """The end of the bits."""


class State(NamedTuple):
    """The result of inflating bytes, and the position of their end."""

    inflated: bytes
    between_blocks: bool
    after_final: bool
    empty_stored_at: int
    """Where the length of the last block stands, if that is a stored one without bytes; or -1."""


class _Codes:
    """A Huffman code, made from the lengths of its symbols."""

    def __init__(self, lengths: list[int], *, may_lack: bool) -> None:
        code, self._symbols = 0, dict[tuple[int, int], int]()
        left = 1
        for length in range(1, 16):
            code <<= 1
            left <<= 1
            for symbol, bits in enumerate(lengths):
                if bits == length:
                    self._symbols[length, code] = symbol
                    code += 1
                    left -= 1
            if left < 0:
                raise Invalid
        used = [bits for bits in lengths if bits]
        if left and not (may_lack and (not used or max(used) == 1)):
            raise Invalid

    def read(self, bits: _Bits) -> int:
        code = 0
        for length in range(1, 16):
            code = code << 1 | bits.take(1)
            if (length, code) in self._symbols:
                return self._symbols[length, code]
            if not any(size > length for size, _ in self._symbols):
                break
        raise Invalid


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def take(self, count: int) -> int:
        if self.at + count > 8 * len(self._data):
            raise _NeedsMore
        value = 0
        for place in range(count):
            value |= (self._data[self.at >> 3] >> (self.at & 7) & 1) << place
            self.at += 1
        return value

    def align(self) -> None:
        self.at = -(-self.at // 8) * 8


_FIXED = (
    _Codes([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8, may_lack=False),
    _Codes([5] * 32, may_lack=False),
)


def _dynamic(bits: _Bits) -> tuple[_Codes, _Codes]:
    literals, distances, count = bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4
    if literals > 286 or distances > 30:
        raise Invalid
    sizes = [0] * 19
    for place in _ORDER[:count]:
        sizes[place] = bits.take(3)
    codes, lengths = _Codes(sizes, may_lack=False), list[int]()
    while len(lengths) < literals + distances:
        symbol = codes.read(bits)
        if symbol < 16:
            lengths.append(symbol)
            continue
        if symbol == 16 and not lengths:
            raise Invalid
        lengths += [lengths[-1] if symbol == 16 else 0] * _times(bits, symbol)
        if len(lengths) > literals + distances:
            raise Invalid
    if not lengths[256]:
        raise Invalid
    return (
        _Codes(lengths[:literals], may_lack=True),
        _Codes(lengths[literals:], may_lack=True),
    )


def _times(bits: _Bits, symbol: int) -> int:
    if symbol == 16:
        return 3 + bits.take(2)
    return 3 + bits.take(3) if symbol == 17 else 11 + bits.take(7)


def _compressed(bits: _Bits, codes: tuple[_Codes, _Codes], out: bytearray) -> None:
    literals, distances = codes
    while (symbol := literals.read(bits)) != 256:
        if symbol < 256:
            out.append(symbol)
            continue
        if symbol > 285:
            raise Invalid
        length = _LENGTHS[symbol - 257] + bits.take(_LENGTH_BITS[symbol - 257])
        code = distances.read(bits)
        if code > 29:
            raise Invalid
        distance = _DISTANCES[code] + bits.take(_DISTANCE_BITS[code])
        if distance > len(out) or distance > 1 << 15:
            raise Invalid
        for _ in range(length):
            out.append(out[-distance])


def inflate(data: bytes) -> State:
    """Inflate `data` as far as possible. Raises Invalid."""
    bits, out = _Bits(data), bytearray()
    final, empty = False, -1
    try:
        while bits.at < 8 * len(data):
            now_final, kind = bits.take(1), bits.take(2)
            now_empty = -1
            if kind == 0:
                bits.align()
                here = bits.at // 8
                size, inverse = bits.take(16), bits.take(16)
                if size ^ inverse != 0xFFFF:
                    raise Invalid
                for _ in range(size):
                    out.append(bits.take(8))
                now_empty = -1 if size else here
            elif kind == 3:
                raise Invalid
            else:
                _compressed(bits, _FIXED if kind == 1 else _dynamic(bits), out)
            final, empty = bool(now_final), now_empty
            if final:
                bits.align()
    except _NeedsMore:
        return State(bytes(out), False, False, -1)
    return State(bytes(out), bits.at == 8 * len(data), final, empty)


def inflate_message(payload: bytes) -> bytes:
    """Inflate a whole message (RFC 7692 §7.2.2). Raises Invalid for an end against §7.2.1.

    One that ends with a final block may lack what follows it there.
    """
    alone = inflate(payload)
    if not payload or (alone.between_blocks and alone.after_final):
        return alone.inflated
    whole = inflate(payload + TAIL)
    if not whole.between_blocks or whole.empty_stored_at != len(payload):
        raise Invalid
    return whole.inflated
