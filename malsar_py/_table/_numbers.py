"""Numbers as people write them: separators, currencies, units, minus signs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_MINUS = "-\u2212\u2013"  # a hyphen, the sign, a dash
_CODES = "USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|BRL|MXN|SEK|NOK|DKK|PLN|CZK|ZAR"
# "$74.69", "80,000", "66,26", "45,000 kms", "USD 5", "€110.5M", "1 234,50 €", "(5)" below zero.
_DRESSED = re.compile(
    rf"(?P<open>\()?\s*(?P<minus>[{_MINUS}+])?\s*"
    rf"(?P<before>[A-Z]{{0,3}}[^{_MINUS}\w\s.,+()]|(?:{_CODES})|Rs\.?)?\s*"
    rf"(?P<inner>[{_MINUS}+])?\s*"
    r"(?P<digits>\d{1,3}(?:\s\d{3})+(?:[.,]\d+)?|\.?\d[\d,.'\u2019]*)(?P<times>[kKM])?"
    r"(?P<unit>\s*%|\s+[^\W\d]+\.?)?"
    rf"(?P<after>\s*[^{_MINUS}\w\s.,+()])?\s*(?P<close>\))?"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:[,'\u2019\s]\d{3})+(?:\.\d+)?")
_POINTS = re.compile(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?")
_GROUPS = re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+")
_TIMES = {None: 1.0, "k": 1e3, "K": 1e3, "M": 1e6}


def decimal_comma(texts: Sequence[str]) -> bool:
    """Whether commas are decimal points: some that cannot separate thousands, and no points."""
    digits = [_digits(text) for text in texts if "," in text or text.count(".") > 1]
    if any(_POINTS.fullmatch(d) for d in digits):
        return True
    commas = [text for text in texts if "," in text]
    if not commas or any(text.count(",") > 1 and "." not in text for text in commas):
        return False
    return any(not _THOUSANDS.fullmatch(_digits(text)) for text in commas)


def number(text: str, comma: bool = False) -> tuple[float | None, str]:
    """The text's number, also in dress, and its unit; None if it is none (``1_000`` is not)."""
    if not (comma and _GROUPS.fullmatch(text)):
        try:
            return None if "_" in text else float(text), ""
        except ValueError:
            pass
    found = _DRESSED.fullmatch(text)
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None, ""
    digits = found["digits"]
    if comma:
        digits = re.sub(r"[.'\u2019\s]", "", digits).replace(",", ".")
    elif _THOUSANDS.fullmatch(digits):
        digits = re.sub(r"[,'\u2019\s]", "", digits)
    try:
        value = float(digits) * _TIMES[found["times"]]
    except ValueError:
        return None, ""
    signs = (found["minus"], found["inner"], "-" if found["open"] else None)
    below = sum(sign is not None and sign in _MINUS for sign in signs)
    return (-value if below else value), _unit(found)


def _digits(text: str) -> str:
    found = _DRESSED.fullmatch(text)
    return "" if found is None else found["digits"]


def _unit(found: re.Match[str]) -> str:
    """Currency and unit, alike for one and many of them."""
    parts = [(found[name] or "").strip() for name in ("before", "unit", "after")]
    # Of signs only currencies are units: "<5" is a bound, "5*" has a footnote.
    parts = [p for p in parts if p.isalnum() or any(unicodedata.category(c) == "Sc" for c in p)]
    return " ".join(parts).casefold().rstrip(".").removesuffix("s")
