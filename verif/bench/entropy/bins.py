"""Bins payloads to and from the reference's trace: rows (kind, ctxIdx, value), one bin each."""

from hdl.entropy.payloads import BinKind


def flatten(payload: dict) -> list[tuple[int, int, int]]:
    """The bins of one payload; also checks what the payload promises."""
    kind, count = int(payload["kind"]), payload["count"]
    assert kind in (BinKind.REGULAR.value, BinKind.BYPASS.value, BinKind.TERMINATE.value)
    assert 1 <= count <= {0: 2, 1: 16, 2: 1}[kind], f"{count} bins of kind {kind}"
    assert payload["value"] & (0xFFFF >> count) == 0, "bits below the last bin"
    return [(kind, payload["ctx"][i] if kind == 0 else 0, (payload["value"] >> (15 - i)) & 1) for i in range(count)]


def pack(rows) -> list[dict]:
    """Payloads of up to two regular or sixteen bypass bins."""
    payloads, group = [], []
    for row in [tuple(int(v) for v in row) for row in rows] + [None]:
        full = bool(group) and len(group) == {0: 2, 1: 16, 2: 1}[group[0][0]]
        if group and (row is None or full or row[0] != group[0][0]):
            kind = group[0][0]
            ctx = ([ctx for _, ctx, _ in group[:2]] + [0])[:2] if kind == 0 else [0, 0]
            word = sum(value << (15 - i) for i, (_, _, value) in enumerate(group))
            payloads.append({"kind": kind, "count": len(group), "ctx": ctx, "value": word})
            group = []
        if row is not None:
            group.append(row)
    return payloads
