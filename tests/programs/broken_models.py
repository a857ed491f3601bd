"""Makes broken copies of a GGUF file by editing it in place: every length stays, only what it says changes."""

import struct

SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9


class Header:
    """Offsets of what a GGUF v3 header holds: keys, values, and the tensors' dimensions and data offsets."""

    def __init__(self, data):
        self.data = data
        self.at = 24
        n_tensors, n_keys = struct.unpack_from("<QQ", data, 8)
        self.values = {}  # key -> (offset of the key's text, offset of the value, type)
        self.tensors = []  # (name, offset of the first dimension, number of dimensions, offset of the data offset)
        for _ in range(n_keys):
            key_at, key = self.string()
            kind = self.number("<I")
            self.values[key] = (key_at, self.at, kind)
            self.skip_value(kind)
        for _ in range(n_tensors):
            _, name = self.string()
            n_dims = self.number("<I")
            dims_at = self.at
            self.at += 8 * n_dims + 4
            self.tensors.append((name, dims_at, n_dims, self.at))
            self.at += 8

    def number(self, form):
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def string(self):
        length = self.number("<Q")
        start = self.at
        self.at += length
        return start, bytes(self.data[start : self.at]).decode()

    def skip_value(self, kind):
        if kind == STRING:
            self.string()
        elif kind == ARRAY:
            item, count = self.number("<I"), self.number("<Q")
            for _ in range(count):
                self.skip_value(item)
        else:
            self.at += SCALAR_BYTES[kind]


def truncated(data):
    return data[: len(data) // 2]


def cut_in_header(data):
    return data[:100]


def wrong_magic(data):
    return b"GGXX" + data[4:]


def huge_counts(data):
    """Says that 2^60 tensors follow."""
    return data[:8] + struct.pack("<Q", 1 << 60) + data[16:]


def lying_tensor_size(data):
    """The first matrix claims a million times its rows."""
    edited = bytearray(data)
    header = Header(data)
    dims_at = next(dims_at for _, dims_at, n_dims, _ in header.tensors if n_dims >= 2)
    (rows,) = struct.unpack_from("<Q", data, dims_at + 8)
    struct.pack_into("<Q", edited, dims_at + 8, rows * 1_000_000)
    return bytes(edited)


def overflowing_tensor_size(data):
    """Dimensions whose product wraps around 2^64."""
    edited = bytearray(data)
    dims_at = next(dims_at for _, dims_at, n_dims, _ in Header(data).tensors if n_dims >= 2)
    struct.pack_into("<QQ", edited, dims_at, 1 << 40, 1 << 40)
    return bytes(edited)


def data_outside_file(data):
    edited = bytearray(data)
    struct.pack_into("<Q", edited, Header(data).tensors[0][3], 1 << 40)
    return bytes(edited)


def unknown_architecture(data):
    edited = bytearray(data)
    _, value_at, _ = Header(data).values["general.architecture"]
    (length,) = struct.unpack_from("<Q", data, value_at)
    edited[value_at + 8 : value_at + 8 + length] = b"z" * length
    return bytes(edited)


def without_tokenizer(data):
    """Renames the tokenizer's keys, so that nobody finds them."""
    edited = bytearray(data)
    for key, (key_at, _, _) in Header(data).values.items():
        if key.startswith("tokenizer."):
            edited[key_at] = ord("x")
    return bytes(edited)
