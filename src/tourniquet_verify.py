"""tourniquet-verify: check a bundle of proofs with nothing but this file and two pinned keys.

1. Read the keys that you pinned, and the bundle, within limits.
2. The checkpoint: signed by the log, and cosigned by the witness, each with its pinned key.
3. The earlier checkpoint, where there is one: signed so too, and the beginning of the other.
4. Every entry: its leaf is in the tree; what is shown of it is what the leaf commits to.
5. What is here without a gap, and which entries are under the key of a patient who is shown.
6. Every report: signed by the log. What it says is the log's word, marked with a bar.

Standards: C2SP signed-note, tlog-checkpoint, cosignature/v1; RFC 6962, 2.1, read backwards.
"""

import argparse
import base64
import hashlib
import json
import sys
from collections import Counter
from datetime import UTC, datetime
from itertools import groupby, pairwise

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BUNDLE_BYTES_MOST, KEY_BYTES_MOST = 64 * 1024 * 1024, 4096
LOG, WITNESS = 1, 4  # the algorithm bytes of C2SP signed-note
LEAF_BYTES, SECONDS_MOST = 117, 253402300799  # the last second of the year 9999
HEADER_COMMITMENT = b"tourniquet vault header commitment v1\0"
CONTENT_COMMITMENT = b"tourniquet journal entry v1\0"


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def demand(holds, what):
    if not holds:  # every error is a ValueError, and ends the check
        raise ValueError(what)


def text(value):
    demand(isinstance(value, str), "a text is missing")
    return value


def decode(value, length=None):
    """Base64 in the one form in which it is written, of a length that is known."""
    found = base64.b64decode(text(value), validate=True)
    demand(base64.b64encode(found).decode() == value, "a text is not base64 in its one form")
    demand(length in (None, len(found)), f"a part has {len(found)} bytes, not {length}")
    return found


def take(row, names):
    """The members of a JSON object that has these and no others."""
    demand(isinstance(row, dict) and set(row) == set(names.split()), f"not, and only, {names}")
    return [row[name] for name in names.split()]


def hashes(rows):
    demand(isinstance(rows, list), "a proof is missing")
    return [decode(row, 32) for row in rows]


def once(pairs):
    """A JSON object in which no member comes twice, so that all readers see the same."""
    demand(len(dict(pairs)) == len(pairs), "a member comes twice")
    return dict(pairs)


def read_key(path, kind):
    """A pinned verifier key: (name, key id, public key)."""
    with open(path, encoding="utf-8") as file:
        line = file.read(KEY_BYTES_MOST).strip()
    name, _, rest = line.partition("+")
    key_id, _, encoded = rest.partition("+")
    content = decode(encoded)
    demand(len(content) == 33 and content[0] == kind, f"{path} holds no key of the right kind")
    found = sha256(name.encode(), b"\n", content)[:4]
    demand(name and found.hex() == key_id, f"{path}: name, id and key do not fit")
    return name, found, content[1:]


def check_note(note, key, kind):
    """A note's text once the pinned key's signature holds; and a cosignature's time, else None."""
    said, blank, rest = text(note).rpartition("\n\n")
    demand(blank and rest.endswith("\n"), "a note is not in its form")
    lines = [line.split(" ") for line in rest[:-1].split("\n")]
    demand(all(len(one) == 3 and one[0] == "—" for one in lines), "a signature's form")
    signatures = [(who, decode(value)) for _, who, value in lines]
    said, (name, key_id, public) = said + "\n", key
    own = [value[4:] for who, value in signatures if (who, value[:4]) == (name, key_id)]
    demand(len(own) == 1, f"the note is not signed once by {name}")
    seconds, signature, signed = None, own[0], said.encode()
    if kind == WITNESS:
        seconds, signature = int.from_bytes(signature[:8], "big"), signature[8:]
        demand(seconds <= SECONDS_MOST, "the time of a cosignature is none")
        signed = f"cosignature/v1\ntime {seconds}\n{said}".encode()
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except InvalidSignature:
        raise ValueError(f"the signature of {name} does not hold") from None
    return said, seconds


def check_checkpoint(note, log, witness):
    """Size and root of a checkpoint, and in words when the witness saw it."""
    lines = check_note(note, log, LOG)[0].split("\n")
    demand(len(lines) == 4 and lines[0] == log[0], "the checkpoint is not one of this log")
    size = int(lines[1])
    demand(str(size) == lines[1] and 0 <= size < 2**63, "its size is none")
    seen = ", seen by no witness"
    if witness:
        seconds = check_note(note, witness, WITNESS)[1]
        seen = f", seen by {witness[0]} at {datetime.fromtimestamp(seconds, UTC)}"
    return size, decode(lines[2], 32), seen


def inclusion_root(found, index, size, proof):
    """The root that a proof, lowest hash first, gives to the hash of leaf `index` of `size`."""
    demand((size == 1) == (not proof), "a proof is too long or too short")
    if size == 1:
        return found
    *rest, last = proof
    half = 1 << (size - 1).bit_length() - 1  # the largest power of two below size
    if index < half:
        return sha256(b"\1", inclusion_root(found, index, half, rest), last)
    return sha256(b"\1", last, inclusion_root(found, index - half, size - half, rest))


def consistency_roots(old_root, old, size, proof):
    """The roots of the first `old` leaves and of all; in a right half the proof brings the old."""
    if old == size:
        demand(len(proof) == (1 if old_root is None else 0), "a proof is too long or too short")
        return proof * 2 or [old_root, old_root]
    demand(proof, "a proof is too short")
    *rest, last = proof
    half = 1 << (size - 1).bit_length() - 1  # the largest power of two below size
    if old <= half:
        before, after = consistency_roots(old_root, old, half, rest)
        return before, sha256(b"\1", after, last)
    before, after = consistency_roots(None, old - half, size - half, rest)
    return sha256(b"\1", last, before), sha256(b"\1", last, after)


def check_entry(row, size, root):
    """Position of an entry, what to say of it, kind, key id, subject; None what is not shown."""
    position, leaf, proof, shown, content = take(row, "position leaf proof header content")
    demand(type(position) is int and 0 < position <= size, "a position is not in the tree")
    where, leaf = f"position {position}", decode(leaf, LEAF_BYTES)
    demand(leaf[:9] == b"\1" + position.to_bytes(8, "big"), f"{where}: another's leaf")
    found = inclusion_root(sha256(b"\0", leaf), position - 1, size, hashes(proof))
    demand(found == root, f"{where} is not in the tree with that root")
    if shown is None:
        demand(content is None, f"{where}: content without a header")
        return position, f"{position}: in the tree; nothing of it is shown", None, None, None
    salt, chain, key_id, header = take(shown, "salt chain key_id header")
    key_id, header = decode(key_id, 16), text(header).encode()
    found = sha256(HEADER_COMMITMENT, decode(salt, 32), decode(chain, 32), key_id, header)
    demand(found == leaf[9:41], f"{where}: the header is not the leaf's")
    fields = json.loads(header, object_pairs_hook=once)
    demand(isinstance(fields, dict) and fields.get("position") == position, f"{where}: its header")
    kind, at, actor = (text(fields.get(name)) for name in ("kind", "recorded_at", "actor"))
    line = f"{position}: {kind} recorded {at} by {actor}"
    if content is None:
        return position, f"{line}; its content is not shown", kind, key_id, None
    salt, subject, body = take(content, "salt subject body")
    name, body = text(subject).encode(), decode(body)
    found = sha256(CONTENT_COMMITMENT, decode(salt, 32), len(name).to_bytes(2, "big"), name, body)
    demand(found == leaf[41:73], f"{where}: the content is not the leaf's")
    line += f", about {subject or 'nobody'}: {body.decode('utf-8', 'replace')}"
    return position, line, kind, key_id, subject


def tell_whole(found, say):
    """Say where nothing is missing, and what else is under the key of a patient who is shown."""
    for _, run in groupby(enumerate(found), key=lambda pair: pair[1][0] - pair[0]):
        rows = [row for _, row in run]
        kinds = Counter(row[2] or "of which nothing is shown" for row in rows)
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        say(f"HOLDS: from {rows[0][0]} to {rows[-1][0]} every entry is here: {counts}.")
    for subject, key_id in sorted({(row[4], row[3]) for row in found if row[4]}):
        others = [str(row[0]) for row in found if row[3] == key_id and row[4] is None]
        say(f"Headers here under the key of {subject}, content not: {', '.join(others) or 'none'}.")


def verify(bundle, log, witness, say):
    """Check a bundle; raises ValueError at the first thing that does not hold."""
    members = take(bundle, "form checkpoint before consistency entries reports")
    form, note, before, proof, entries, reports = members
    demand(form == "tourniquet bundle v1", "this is no bundle of a known form")
    demand(isinstance(entries, list) and isinstance(reports, list), "entries or reports: no list")
    size, root, seen = check_checkpoint(note, log, witness)
    say(f"HOLDS: {log[0]} had {size} entries{seen}; root {root.hex()}.")
    demand(before is not None or proof == [], "a proof without an earlier checkpoint")
    if before is not None:
        old, old_root, seen = check_checkpoint(before, log, witness)
        demand(0 < old <= size, "the earlier checkpoint is empty, or larger than the later one")
        first, whole = consistency_roots(old_root, old, size, hashes(proof))
        demand(first == old_root, "the proof does not have the earlier root")
        demand(whole == root, "the later tree does not begin with the earlier one: rewritten")
        say(f"HOLDS: the first {old} entries are untouched since the earlier checkpoint{seen}:")
        say(f"  none changed, moved or taken away. Added since: {size - old}.")
    found = [check_entry(row, size, root) for row in entries]
    demand(all(a[0] < b[0] for a, b in pairwise(found)), "entries out of order, or one twice")
    for row in found:
        say(f"HOLDS: {row[1]}")
    tell_whole(found, say)
    for report in reports:
        say("SIGNED by the log, whose word it is:")
        for line in check_note(report, log, LOG)[0][:-1].split("\n"):
            say(f"  | {line}")


def tell(line):
    """Print one line: what a bundle says can neither write lines of its own nor move a cursor."""
    print("".join(one if one.isprintable() else "?" for one in line))


def main():
    parser = argparse.ArgumentParser(prog="tourniquet-verify", description=__doc__.split("\n")[0])
    parser.add_argument("bundle")
    parser.add_argument("--log-key", required=True, help="file with the log's pinned verifier key")
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--witness-key", help="file with the witness's pinned verifier key")
    either.add_argument("--no-witness", action="store_true", help="believe the log alone")
    asked = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        log = read_key(asked.log_key, LOG)
        witness = read_key(asked.witness_key, WITNESS) if asked.witness_key else None
        with open(asked.bundle, "rb") as file:
            content = file.read(BUNDLE_BYTES_MOST + 1)
    except (OSError, ValueError) as error:
        tell(f"NOT CHECKED: {error}")
        sys.exit(2)
    alone = [] if witness else ["NO WITNESS: who has the log's key could have written it all anew."]
    said, end, status = [*alone], "Everything in the bundle holds.", 0
    try:
        demand(len(content) <= BUNDLE_BYTES_MOST, f"more than {BUNDLE_BYTES_MOST} bytes")
        verify(json.loads(content.decode(), object_pairs_hook=once), log, witness, said.append)
    except (ValueError, RecursionError, MemoryError) as error:
        end, status = f"DOES NOT HOLD: {error or type(error).__name__}", 1
    for line in (*said, *alone, end):
        tell(line)
    sys.exit(status)


if __name__ == "__main__":
    main()
