"""tourniquet-verify: check a bundle of proofs with nothing but this file and two pinned keys.

It needs Python's standard library and `cryptography`, and nothing of Tourniquet: read it, run it.

1. Read the keys that you pinned, and the bundle, within limits.
2. The checkpoint: signed by the log, and cosigned by the witness, each with its pinned key.
3. The earlier checkpoint, where there is one: signed so too, and the beginning of the other.
4. Every entry: its leaf is in the tree; what is shown of it is what the leaf commits to.
5. Every report: signed by the log.

What it can't show: that no entry is about a patient but those in the bundle. It says so.
Standards: C2SP signed-note, tlog-checkpoint, cosignature/v1; RFC 6962; RFC 9162, 2.1.3 and 2.1.4.
"""

import argparse
import base64
import binascii
import hashlib
import json
import sys
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BUNDLE_BYTES_MOST, KEY_BYTES_MOST = 256 * 1024 * 1024, 4096
LOG, WITNESS = 1, 4  # the algorithm bytes of C2SP signed-note
LEAF_BYTES, HEAD_BYTES = 117, 73
HEADER_COMMITMENT = b"tourniquet vault header commitment v1\0"
CONTENT_COMMITMENT = b"tourniquet journal entry v1\0"


class Fault(Exception):
    """Something does not hold, or is not in its form."""


def demand(holds, what):
    if not holds:
        raise Fault(what)


def decode(text):
    """Base64 in the one form in which it is written."""
    demand(isinstance(text, str), "a text in base64 is missing")
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Fault("a text is not base64") from None
    demand(base64.b64encode(found).decode() == text, "a text is not base64 in its one form")
    return found


def get(row, name, kind):
    """A member of a JSON object, of the kind that it must be."""
    demand(isinstance(row, dict) and name in row, f"{name} is missing")
    value = row[name]
    demand(isinstance(value, kind) and not isinstance(value, bool), f"{name} is not in its form")
    return value


def read_key(path, kind):
    """A pinned verifier key: (name, key id, public key)."""
    with open(path, encoding="utf-8") as file:
        line = file.read(KEY_BYTES_MOST).strip()
    name, _, rest = line.partition("+")
    key_id, _, encoded = rest.partition("+")
    content = decode(encoded)
    demand(len(content) == 33 and content[0] == kind, f"{path} holds no key of the right kind")
    found = hashlib.sha256(name.encode() + b"\n" + content).digest()[:4]
    demand(name and found.hex() == key_id, f"{path}: name, id and key do not fit")
    return name, found, content[1:]


def check_note(note, key, kind):
    """A note's text once the pinned key's signature holds; and a cosignature's time, else None."""
    text, blank, rest = note.rpartition("\n\n")
    demand(blank and rest.endswith("\n"), "a note is not in its form")
    text, signatures = text + "\n", []
    for line in rest[:-1].split("\n"):
        parts = line.split(" ")
        demand(len(parts) == 3 and parts[0] == "—", "a signature is not in its form")
        signatures.append((parts[1], decode(parts[2])))
    name, key_id, public = key
    own = [value[4:] for who, value in signatures if (who, value[:4]) == (name, key_id)]
    demand(len(own) == 1, f"the note is not signed once by {name}")
    seconds, signature, signed = None, own[0], text.encode()
    if kind == WITNESS:
        seconds, signature = int.from_bytes(signature[:8], "big"), signature[8:]
        signed = f"cosignature/v1\ntime {seconds}\n{text}".encode()
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except InvalidSignature:
        raise Fault(f"the signature of {name} does not hold") from None
    return text, seconds


def check_checkpoint(note, log, witness):
    """Size and root of a checkpoint, and when the witness saw it (None: not asked)."""
    text, _ = check_note(note, log, LOG)
    lines = text.split("\n")
    demand(len(lines) == 4 and lines[0] == log[0], "the checkpoint is not one of this log")
    digits = lines[1].isascii() and lines[1].isdigit() and len(lines[1]) < 19
    demand(digits and str(int(lines[1])) == lines[1], "its size is no number")
    root = decode(lines[2])
    demand(len(root) == 32, "its root is not 32 bytes")
    seconds = check_note(note, witness, WITNESS)[1] if witness else None
    return int(lines[1]), root, seconds


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def hashes(rows):
    demand(isinstance(rows, list) and len(rows) <= 128, "a proof is not in its form")
    found = [decode(row) for row in rows]
    demand(all(len(one) == 32 for one in found), "a part of a proof is not 32 bytes")
    return found


def check_inclusion(leaf, index, size, root, proof):
    """RFC 9162, 2.1.3.2."""
    demand(0 <= index < size, f"position {index + 1} is not in a tree of {size}")
    at, last, found = index, size - 1, hashlib.sha256(b"\x00" + leaf).digest()
    for part in proof:
        demand(last > 0, "a proof is too long")
        if at & 1 or at == last:
            found = node(part, found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = node(found, part)
        at, last = at >> 1, last >> 1
    demand(last == 0 and found == root, f"position {index + 1} is not in the tree with that root")


def check_consistency(old, old_root, size, root, proof):
    """RFC 9162, 2.1.4.2."""
    demand(0 < old <= size, "the earlier checkpoint is empty, or larger than the later one")
    if old == size:
        demand(not proof and old_root == root, "two trees of one size have other roots")
        return
    parts = ([old_root] if old & (old - 1) == 0 else []) + proof
    demand(parts, "the proof is too short")
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = parts[0]
    for part in parts[1:]:
        demand(last > 0, "the proof is too long")
        if at & 1 or at == last:
            before, after = node(part, before), node(part, after)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            after = node(after, part)
        at, last = at >> 1, last >> 1
    demand(last == 0 and before == old_root, "the proof does not have the earlier root")
    demand(after == root, "the later tree does not begin with the earlier one: rewritten")


def check_entry(row, size, root):
    """One line that says what an entry is, once its leaf, header and content were checked."""
    position = get(row, "position", int)
    leaf = decode(get(row, "leaf", str))
    demand(len(leaf) == LEAF_BYTES and leaf[0] == 1, f"position {position}: the leaf's form")
    demand(int.from_bytes(leaf[1:9], "big") == position, f"position {position}: another's leaf")
    check_inclusion(leaf, position - 1, size, root, hashes(get(row, "proof", list)))
    if row.get("header") is None:
        demand(row.get("content") is None, f"position {position}: content without a header")
        return position, f"{position}: in the tree; nothing of it is shown"
    shown = get(row, "header", dict)
    header = get(shown, "header", str).encode()
    parts = [decode(get(shown, name, str)) for name in ("salt", "chain", "key_id")]
    demand([len(part) for part in parts] == [32, 32, 16], f"position {position}: header's parts")
    found = hashlib.sha256(HEADER_COMMITMENT + b"".join(parts) + header).digest()
    demand(found == leaf[9:41], f"position {position}: the header is not the leaf's")
    fields = json.loads(header)
    demand(get(fields, "position", int) == position, f"position {position}: another's header")
    kind, at, actor = (fields.get(name) for name in ("kind", "recorded_at", "actor"))
    line = f"{position}: {kind} recorded {at} by {actor}"
    if row.get("content") is None:
        return position, f"{line}; its content is not shown"
    content = get(row, "content", dict)
    subject, salt = get(content, "subject", str).encode(), decode(get(content, "salt", str))
    body = decode(get(content, "body", str))
    demand(len(salt) == 32 and len(subject) < 65536, f"position {position}: content's parts")
    whole = CONTENT_COMMITMENT + salt + len(subject).to_bytes(2, "big") + subject + body
    found = hashlib.sha256(whole).digest()
    demand(found == leaf[41:HEAD_BYTES], f"position {position}: the content is not the leaf's")
    about = subject.decode("utf-8", "replace") or "nobody"
    return position, f"{line}, about {about}: {body.decode('utf-8', 'replace')}"


def verify(bundle, log, witness, say):
    """Check a bundle; raises Fault at the first thing that does not hold."""
    demand(get(bundle, "form", str) == "tourniquet bundle v1", "this is no bundle of a known form")
    size, root, seconds = check_checkpoint(get(bundle, "checkpoint", str), log, witness)
    seen = f", seen by {witness[0]} at {datetime.fromtimestamp(seconds, UTC)}" if witness else ""
    say(f"HOLDS: {log[0]} had {size} entries{seen}; root {root.hex()}.")
    if bundle.get("before") is not None:
        old, old_root, at = check_checkpoint(get(bundle, "before", str), log, witness)
        check_consistency(old, old_root, size, root, hashes(get(bundle, "consistency", list)))
        when = f" of {datetime.fromtimestamp(at, UTC)}" if witness else ""
        say(f"HOLDS: the first {old} entries are untouched since the earlier checkpoint{when}:")
        say(f"  none changed, moved or taken away. Added since: {size - old}.")
    found = [check_entry(row, size, root) for row in get(bundle, "entries", list)]
    positions = [position for position, _ in found]
    demand(positions == sorted(set(positions)), "entries out of order, or one twice")
    for _, line in found:
        say(f"HOLDS: {line}")
    for note in get(bundle, "reports", list):
        demand(isinstance(note, str), "a report is not in its form")
        say("HOLDS: signed by the log:\n" + check_note(note, log, LOG)[0].rstrip())
    if positions:
        missing = positions[-1] - positions[0] + 1 - len(positions)
        say(f"Shown: {len(positions)} entries from {positions[0]} to {positions[-1]}, of which")
        say(f"  {missing} are not here. That no other is about a patient can't be shown.")


def tell(text):
    """Print what a terminal can't be led astray by."""
    print("".join(one if one.isprintable() or one == "\n" else "?" for one in text))


def main():
    parser = argparse.ArgumentParser(prog="tourniquet-verify", description=__doc__.split("\n")[0])
    parser.add_argument("bundle")
    parser.add_argument("--log-key", required=True, help="file with the log's pinned verifier key")
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--witness-key", help="file with the witness's pinned verifier key")
    either.add_argument("--no-witness", action="store_true", help="believe the log alone")
    asked = parser.parse_args()
    try:
        log = read_key(asked.log_key, LOG)
        seen = read_key(asked.witness_key, WITNESS) if asked.witness_key else None
        with open(asked.bundle, "rb") as file:
            content = file.read(BUNDLE_BYTES_MOST + 1)
        demand(len(content) <= BUNDLE_BYTES_MOST, "the bundle is too long")
        if seen is None:
            print("NO WITNESS: whoever has the log's key could have written all of this anew.")
        verify(json.loads(content), log, seen, tell)
    except (Fault, OSError, ValueError, RecursionError, OverflowError) as error:
        tell(f"DOES NOT HOLD: {error}")
        sys.exit(1)
    print("Everything in the bundle holds.")


if __name__ == "__main__":
    main()
