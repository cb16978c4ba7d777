"""The Flesch-Kincaid grade of plain text: 7 is about what a reader of 12 can follow.

Source: Kincaid and others, 1975: 0.39 words a sentence + 11.8 syllables a word - 15.59.
Syllables are counted by groups of vowels, which is near enough for short English words.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Za-z']+")
_VOWELS = re.compile(r"[aeiouy]+")


def syllables(word: str) -> int:
    """The number of syllables, at least one."""
    small = word.lower().strip("'")
    groups = len(_VOWELS.findall(small))
    if small.endswith("e") and not small.endswith(("le", "ee")) and groups > 1:
        groups -= 1
    if small.endswith("ed") and not small.endswith(("ted", "ded")) and groups > 1:
        groups -= 1
    return max(groups, 1)


def grade(text: str) -> float:
    """The grade of a text. A line break after a blank line ends a sentence too."""
    sentences = [part for part in re.split(r"[.!?:]+(?:\s|$)|\n\n", text) if _WORD.search(part)]
    words = _WORD.findall(text)
    return (
        0.39 * len(words) / len(sentences)
        + 11.8 * sum(syllables(word) for word in words) / len(words)
        - 15.59
    )
