"""tourniquet-verify: check a bundle of proofs with nothing but this file and two pinned keys.

1. Read the keys that you pinned, and the bundle; each key of the log signs the change to the next.
2. The checkpoint: signed by the log's key of that size, and cosigned by the pinned witness.
3. The earlier checkpoint: signed so too, the one that you kept, and the beginning of the other.
4. Every entry: its leaf is in the tree; what is shown of it is what the leaf commits to.
5. What is here without a gap, and which entries are under the key of a patient who is shown.
6. Every report: signed by the log. What it says is the log's word, marked with a bar.
Standards: C2SP signed-note, tlog-checkpoint, cosignature/v1; RFC 6962, 2.1, read backwards.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from collections import Counter
from datetime import UTC, datetime
from itertools import groupby, pairwise
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BUNDLE_BYTES_MOST = 64 * 1024 * 1024
LOG, WITNESS = 1, 4  # the algorithm bytes of C2SP signed-note
HEADER_COMMITMENT = b"tourniquet vault header commitment v1\0"
CONTENT_COMMITMENT = b"tourniquet journal entry v1\0"
STEP = "tourniquet log key v1"


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def demand(holds, what):
    if not holds:  # every error is a ValueError, and ends the check
        raise ValueError(what)


def typed(value, kind):
    demand(isinstance(value, kind), f"a {kind.__name__} is missing")
    return value


def decode(value, length=None):
    """Base64 in the one form in which it is written, of a length that is known."""
    found = base64.b64decode(typed(value, str), validate=True)
    demand(base64.b64encode(found).decode() == value, "a text is not base64 in its one form")
    demand(length in (None, len(found)), f"a part has {len(found)} bytes, not {length}")
    return found


def take(row, names):
    """The members of a JSON object that has these and no others."""
    demand(set(typed(row, dict)) == set(names.split()), f"not, and only, {names}")
    return [row[name] for name in names.split()]


def once(pairs):
    """A JSON object in which no member comes twice, so that all readers see the same."""
    demand(len(dict(pairs)) == len(pairs), "a member comes twice")
    return dict(pairs)


def parse_key(line, kind, where):
    """A verifier key from its line: (name, key id, public key)."""
    name, key_id, encoded, *_ = [*line.strip().split("+", 2), "", ""]
    content = decode(encoded)
    found = sha256(name.encode(), b"\n", content)[:4]
    fits = name and found.hex() == key_id and len(content) == 33 and content[0] == kind
    demand(fits, f"{where} holds no key of the right kind")
    return name, found, content[1:]


def check_note(note, key, kind):
    """A note's text once the pinned key's signature holds; and a cosignature's time, else None."""
    parts = re.fullmatch("(.*\n)\n((?:— [^ \n]+ [^ \n]+\n)+)", typed(note, str), re.DOTALL)
    demand(parts, "a note is not in its form")
    said, (name, key_id, public) = parts[1], key
    rows = re.findall("— ([^ \n]+) ([^ \n]+)\n", parts[2])
    own = [decode(one)[4:] for who, one in rows if who == name and decode(one)[:4] == key_id]
    demand(len(own) == 1, f"the note is not signed once by {name}")
    seconds, signature, signed = None, own[0], said.encode()
    if kind == WITNESS:
        seconds, signature = int.from_bytes(signature[:8], "big"), signature[8:]
        demand(seconds <= 253402300799, "a cosignature is from after the year 9999")
        signed = f"cosignature/v1\ntime {seconds}\n{said}".encode()
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except InvalidSignature:
        raise ValueError(f"the signature of {name} does not hold") from None
    return said, seconds


def follow_keys(log, steps):
    """The log's keys from the pinned one on, each with the size behind which it signs."""
    keys = [(float("-inf"), log)]
    for step in steps:
        lines = check_note(step, keys[-1][1], LOG)[0].split("\n")
        demand(len(lines) == 7 and lines[:2] == [STEP, log[0]], "a change of the key is none")
        keys.append((int(lines[2]), parse_key(lines[5], LOG, "a change of the key")))
        demand(keys[-2][0] < keys[-1][0], "changes of the key are out of order")
    return keys


def check_checkpoint(note, keys, witness):
    """Size and root of a checkpoint, and in words when the witness saw it."""
    _, size, _ = typed(note, str).split("\n", 2)
    log = [key for behind, key in keys if behind < int(size)][-1]  # the one in charge of this size
    lines = check_note(note, log, LOG)[0].split("\n")
    demand(len(lines) == 4 and lines[0] == log[0], "the checkpoint is not one of this log")
    demand(str(int(size)) == size and 0 <= int(size) < 2**63, "its size is none")
    if not witness:
        return int(size), decode(lines[2], 32), ", seen by no witness"
    moment = datetime.fromtimestamp(check_note(note, witness, WITNESS)[1], UTC)
    return int(size), decode(lines[2], 32), f", seen by {witness[0]} at {moment}"


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
    where, leaf = f"position {position}", decode(leaf, 117)
    proof = [decode(one, 32) for one in typed(proof, list)]
    demand(leaf[:9] == b"\1" + position.to_bytes(8, "big"), f"{where}: another's leaf")
    found = inclusion_root(sha256(b"\0", leaf), position - 1, size, proof)
    demand(found == root, f"{where} is not in the tree with that root")
    if shown is None:
        demand(content is None, f"{where}: content without a header")
        return position, f"{position}: in the tree; nothing of it is shown", None, None, None
    salt, chain, key_id, header = take(shown, "salt chain key_id header")
    key_id, header = decode(key_id, 16), typed(header, str).encode()
    found = sha256(HEADER_COMMITMENT, decode(salt, 32), decode(chain, 32), key_id, header)
    demand(found == leaf[9:41], f"{where}: the header is not the leaf's")
    fields = typed(json.loads(header, object_pairs_hook=once), dict)
    demand(fields.get("position") == position, f"{where}: its header is another's")
    kind, at, actor = (typed(fields.get(name), str) for name in ("kind", "recorded_at", "actor"))
    line = f"{position}: {kind} recorded {at} by {actor}"
    if content is None:
        return position, f"{line}; its content is not shown", kind, key_id, None
    salt, subject, body = take(content, "salt subject body")
    name, body = typed(subject, str).encode(), decode(body)
    demand(len(name) < 2**16, f"{where}: a subject of {len(name)} bytes")
    found = sha256(CONTENT_COMMITMENT, decode(salt, 32), len(name).to_bytes(2, "big"), name, body)
    demand(found == leaf[41:73], f"{where}: the content is not the leaf's")
    line += f", about {subject or 'nobody'}: {body.decode('utf-8', 'replace')}"
    return position, line, kind, key_id, subject


def verify(bundle, log, witness, say, kept=None):
    """Check a bundle; raises ValueError at the first thing that does not hold."""
    demand(isinstance(bundle, dict), "this is no bundle")
    rows = take({"keys": [], **bundle}, "form checkpoint before consistency entries reports keys")
    form, note, before, proof, entries, reports, steps = rows
    demand(form == "tourniquet bundle v1", "this is no bundle of a known form")
    keys = follow_keys(log, typed(steps, list))
    size, root, seen = check_checkpoint(note, keys, witness)
    say(f"HOLDS: {log[0]} had {size} entries{seen}; root {root.hex()}.")
    proof = [decode(one, 32) for one in typed(proof, list)]
    demand(before is not None or (not proof and kept is None), "no earlier checkpoint")
    if before is not None:
        old, old_root, seen = check_checkpoint(before, keys, witness)
        demand(0 < old <= size, "the earlier checkpoint is empty, or larger than the later one")
        mine = check_checkpoint(before if kept is None else kept, keys, None)[:2]
        demand(mine == (old, old_root), f"the earlier checkpoint is not yours of {mine[0]} entries")
        first, whole = consistency_roots(old_root, old, size, proof)
        demand((first, whole) == (old_root, root), "the proof does not lead from tree to tree")
        say(f"HOLDS: the first {old} entries are untouched since the earlier checkpoint{seen}:")
        say(f"  none changed, moved or taken away. Added since: {size - old}. Root: {first.hex()}.")
    found = [check_entry(row, size, root) for row in typed(entries, list)]
    demand(all(a[0] < b[0] for a, b in pairwise(found)), "entries out of order, or one twice")
    for row in found:
        say(f"HOLDS: {row[1]}")
    for _, run in groupby(enumerate(found), key=lambda pair: pair[1][0] - pair[0]):
        rows = [row for _, row in run]
        kinds = Counter(row[2] or "of which nothing is shown" for row in rows)
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        say(f"HOLDS: from {rows[0][0]} to {rows[-1][0]} every entry is here: {counts}.")
    for subject, key_id in sorted({(row[4], row[3]) for row in found if row[4]}):
        others = [str(row[0]) for row in found if row[3] == key_id and row[4] is None]
        say(f"Headers here under the key of {subject}, content not: {', '.join(others) or 'none'}.")
    for report in typed(reports, list):
        say("SIGNED by the log, whose word it is:")
        for line in check_note(report, keys[-1][1], LOG)[0][:-1].split("\n"):
            say(f"  | {line}")
    other = "NOT COMPARED with a checkpoint of yours (--before): the past could be another one."
    say(other if kept is None else "HOLDS: the earlier checkpoint is the one that you kept.")


def main():
    parser = argparse.ArgumentParser(prog="tourniquet-verify", description=__doc__.split("\n")[0])
    parser.add_argument("bundle")
    parser.add_argument("--log-key", required=True, help="file with the log's pinned verifier key")
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--witness-key", help="file with the witness's pinned verifier key")
    either.add_argument("--no-witness", action="store_true", help="believe the log alone")
    parser.add_argument("--before", help="file with a checkpoint that you kept")
    asked = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")
    said, alone, wrong, status = [], [], "NOT CHECKED", 2
    try:
        files = (asked.log_key, asked.witness_key, asked.before)
        log, witness, kept = (None if f is None else Path(f).read_text("utf-8") for f in files)
        log = parse_key(log, LOG, asked.log_key)
        witness = None if witness is None else parse_key(witness, WITNESS, asked.witness_key)
        with open(asked.bundle, "rb") as file:
            data = file.read(BUNDLE_BYTES_MOST + 1)
        alone = [] if witness else ["NO WITNESS: who has the log's key could have made all of it."]
        said, wrong, status = [*alone], "DOES NOT HOLD", 1
        demand(len(data) <= BUNDLE_BYTES_MOST, f"more than {BUNDLE_BYTES_MOST} bytes")
        verify(json.loads(data.decode(), object_pairs_hook=once), log, witness, said.append, kept)
        end, status = "Everything in the bundle holds.", 0
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        end = f"{wrong}: {error or type(error).__name__}"
    for line in (*said, *alone, end):  # what a bundle says can't write a line, or move a cursor
        print("".join(one if one.isprintable() else "?" for one in line))
    sys.exit(status)


if __name__ == "__main__":
    main()
