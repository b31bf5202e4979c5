#!/usr/bin/env python3
"""Writes common/text/unicode_exceptions.c: where Hugging Face's tokenizers disagrees with current Unicode data.

usage: unicode_exceptions.py > common/text/unicode_exceptions.c

The crates inside tokenizers hold Unicode data of several ages (categories of Unicode 8, normalisation of Unicode 9,
lower case of the Rust that built it). They are observed here through the Python package, one code point after the other, and
compared with two standards: libutf8proc as installed, and the unicodedata2 package (the newest Unicode there is), so that
a later libutf8proc gives the same answers. Needs: tokenizers, unicodedata2, libutf8proc.so.
"""

import ctypes
import ctypes.util

import tokenizers
import unicodedata2
from tokenizers import normalizers, pre_tokenizers

NONE, SPACE, PUNCT, MARK, OTHER = range(5)
NAMES = ["UNICODE_WORD", "UNICODE_SPACE", "UNICODE_PUNCT", "UNICODE_MARK", "UNICODE_OTHER"]
CONTROL_SPACES = (0x0B, 0x0C, 0x85)  # white space to the pre-tokenizer, but the normalizer has removed them as controls
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

utf8proc = ctypes.CDLL(ctypes.util.find_library("utf8proc"))
utf8proc.utf8proc_category_string.restype = ctypes.c_char_p


class Property(ctypes.Structure):
    _fields_ = [("category", ctypes.c_int16), ("combining_class", ctypes.c_int16)]


utf8proc.utf8proc_get_property.restype = ctypes.POINTER(Property)
utf8proc.utf8proc_version.restype = ctypes.c_char_p
utf8proc.utf8proc_unicode_version.restype = ctypes.c_char_p


def bert(**settings):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **settings}).normalize_str


clean, strip, lower = bert(clean_text=True), bert(strip_accents=True), bert(lowercase=True)
nfd = normalizers.NFD().normalize_str
pre_tokenize = pre_tokenizers.BertPreTokenizer().pre_tokenize_str


def theirs():
    """Per code point: class, decomposition, lower case, as tokenizers has them."""
    classes, decompositions, lowers = {}, {}, {}
    for c in CODE_POINTS:
        ch = chr(c)
        words = [word for word, _ in pre_tokenize("a" + ch + "b")]
        cleaned = clean("a" + ch + "b")
        kind = NONE
        if words == ["a", "b"]:
            kind = SPACE
        elif len(words) == 3:
            kind = PUNCT
        if cleaned == "ab" and c != 0xFFFD and c not in CONTROL_SPACES:
            assert kind == NONE, hex(c)
            kind = OTHER
        assert (cleaned == "ab") == (kind == OTHER or c == 0xFFFD or c in CONTROL_SPACES), hex(c)
        decompositions[c] = nfd(ch)
        if decompositions[c] == ch and strip(ch) == "":
            assert kind == NONE, hex(c)
            kind = MARK
        if decompositions[c] != ch and unicodedata2.category(ch) == "Mn":
            kind = MARK  # cannot be observed and does not matter: it is gone after NFD
        classes[c] = kind
        lowers[c] = lower(ch)
    return classes, decompositions, lowers


def combining_classes(decompositions):
    """Canonical combining classes as tokenizers has them: found by asking whether a character passes another."""
    def passes(first, second):
        return first != second and nfd("a" + first + second) == "a" + second + first

    representative = {}
    for c in CODE_POINTS:
        v = unicodedata2.combining(chr(c))
        ch = chr(c)
        if v and v not in representative and decompositions[c] == ch and (passes(ch, "\u0334") or passes("\u0345", ch)):
            representative[v] = ch
    result = {}
    for c in CODE_POINTS:
        ch = chr(c)
        if decompositions[c] != ch or not (passes(ch, "\u0334") or passes("\u0345", ch)):
            continue
        same = [v for v, r in representative.items() if not passes(r, ch) and not passes(ch, r)]
        assert len(same) == 1, (hex(c), same)
        result[c] = same[0]
    return result


def class_of(category, c):
    if category[0] == "P" or (0x21 <= c <= 0x7E and not chr(c).isalnum()):
        return PUNCT
    if c in (9, 10, 13) or c in CONTROL_SPACES or category[0] == "Z":
        return SPACE
    return {"Mn": MARK, "Cc": OTHER, "Cf": OTHER, "Co": OTHER}.get(category, NONE)


def ranges(code_points):
    out = []
    for c in sorted(code_points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def write_table(declaration, rows, per_line):
    print(f"const struct {declaration}[] = {{")
    for i in range(0, len(rows), per_line):
        print("    " + ", ".join(rows[i:i + per_line]) + ",")
    print("};")


def main():
    classes, decompositions, lowers = theirs()
    ccc = combining_classes(decompositions)
    plain, changed, uncombined, lower_changes = [], [], [], []
    for c in CODE_POINTS:
        ch = chr(c)
        ours = {class_of(utf8proc.utf8proc_category_string(c).decode(), c), class_of(unicodedata2.category(ch), c)}
        if ours != {classes[c]}:
            (plain if classes[c] == NONE else changed).append(c)
        buffer = (ctypes.c_int32 * 32)()
        n = utf8proc.utf8proc_decompose_char(c, buffer, 32, 16, None)
        both = {"".join(map(chr, buffer[:n])), unicodedata2.normalize("NFD", ch)}
        combining = {utf8proc.utf8proc_get_property(c).contents.combining_class, unicodedata2.combining(ch)}
        if both != {decompositions[c]} or (decompositions[c] == ch and combining != {ccc.get(c, 0)}):
            assert decompositions[c] == ch and c not in ccc, hex(c)
            uncombined.append(c)
        simple = chr(utf8proc.utf8proc_tolower(c))
        if c != 0x130 and lowers[c] != simple:
            assert len(lowers[c]) == 1
            lower_changes.append((c, ord(lowers[c]) - c))
    lower_ranges = []
    for c, delta in lower_changes:
        if lower_ranges and lower_ranges[-1][1] == c - 1 and lower_ranges[-1][2] == delta:
            lower_ranges[-1][1] = c
        else:
            lower_ranges.append([c, c, delta])

    print("/* unicode_exceptions.c - made by testdata/gen/unicode_exceptions.py; do not edit.")
    print(f" * tokenizers {tokenizers.__version__} against utf8proc {utf8proc.utf8proc_version().decode()} "
          f"(Unicode {utf8proc.utf8proc_unicode_version().decode()}) and Unicode {unicodedata2.unidata_version}. */")
    print('#include "text/unicode_exceptions.h"\n')
    print("/* clang-format off */")
    write_table("unicode_range unicode_plain", [f"{{0x{a:04X}, 0x{b:04X}}}" for a, b in ranges(plain)], 5)
    write_table("unicode_class_change unicode_class_changes",
                [f"{{0x{c:04X}, {NAMES[classes[c]]}}}" for c in changed], 3)
    write_table("unicode_range unicode_uncombined", [f"{{0x{a:04X}, 0x{b:04X}}}" for a, b in ranges(uncombined)], 5)
    write_table("unicode_lower_change unicode_lower_changes",
                [f"{{0x{a:04X}, 0x{b:04X}, {d}}}" for a, b, d in lower_ranges], 4)
    print("/* clang-format on */")
    for name in ("unicode_plain", "unicode_class_changes", "unicode_uncombined", "unicode_lower_changes"):
        print(f"const size_t {name}_count = sizeof {name} / sizeof {name}[0];")

    digest = 0xCBF29CE484222325

    def feed(value):
        nonlocal digest
        digest = ((digest ^ value) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF

    for c in CODE_POINTS:
        feed(classes[c])
        feed(ccc.get(c, 0))
        for x in decompositions[c] + lowers[c]:
            feed(ord(x))
    print("\n/* FNV-1a over class, combining class, decomposition and lower case of every code point, as tokenizers has")
    print(" * them. */")
    print(f"const uint64_t unicode_checksum = UINT64_C(0x{digest:016x});")


main()
